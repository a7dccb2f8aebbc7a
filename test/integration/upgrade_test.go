package integration_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/suite"
)

// storedDirectory contains, for each minor version, what its manager left in a cluster: the objects with their
// statuses, and the published ConfigMaps. The file of a released version never changes.
const storedDirectory = "testdata/stored"

var updateStored = flag.Bool("update", false, "have the manager store what testdata/stored declares, and write what it stored")

var _ = Describe("An upgrade", func() {
	paths, err := filepath.Glob(filepath.Join(storedDirectory, "*.yaml"))
	if err != nil || len(paths) == 0 {
		panic(fmt.Sprintf("no stored cluster in %s: %v", storedDirectory, err))
	}
	for _, path := range paths {
		It("from "+strings.TrimSuffix(filepath.Base(path), ".yaml")+" keeps every byte that is published", func(ctx SpecContext) {
			eventually(ctx, noTerminatingNamespaces)
			if *updateStored {
				writeStored(ctx, path)
				Skip("written")
			}
			Expect(manager.Stop()).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { manager.Revive(ctx) })
			s := readStored(path)
			s.restore(ctx)
			versions := s.versions(ctx)
			Expect(len(versions)).To(BeNumerically(">", 10))

			manager.Start(ctx)
			eventually(ctx, managerIdle)
			Expect(s.versions(ctx)).To(Equal(versions), "something published was written")
			now(ctx, s.ready)

			By("editing one, to check that they are compared")
			edited := slices.Sorted(maps.Keys(versions))[0]
			in, name, _ := strings.Cut(edited, "/")
			namespace{in}.patch(ctx, "ConfigMap", name, `{data: {access.json: "{}"}}`)
			eventually(ctx, s.published)
			Expect(s.versions(ctx)[edited]).NotTo(Equal(versions[edited]))
		})
	}
})

// stored is what a version left in a cluster.
type stored struct {
	objects, configMaps []*unstructured.Unstructured
	namespaces          []string
}

func readStored(path string) *stored {
	GinkgoHelper()
	text, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	s := &stored{}
	for _, document := range strings.Split("\n"+string(text), "\n---\n") {
		o := &unstructured.Unstructured{}
		Expect(yaml.UnmarshalStrict([]byte(document), &o.Object)).To(Succeed())
		if o.GetKind() == "ConfigMap" {
			s.configMaps = append(s.configMaps, o)
		} else {
			s.objects = append(s.objects, o)
		}
		if !slices.Contains(s.namespaces, o.GetNamespace()) {
			s.namespaces = append(s.namespaces, o.GetNamespace())
		}
	}
	return s
}

// makeNamespaces creates the namespaces of the objects. They, and the objects of the system namespace, are deleted
// after the spec.
func (s *stored) makeNamespaces(ctx context.Context) {
	GinkgoHelper()
	for _, name := range s.namespaces {
		suite.CreateNamespace(ctx, kube, name, nil)
		if name != systemNamespace {
			DeferCleanup(suite.DeleteNamespace, kube, name)
		}
	}
	for _, o := range s.objects {
		if o.GetNamespace() == systemNamespace && !isMaterialized(o) {
			DeferCleanup(system.remove, o.GetKind(), o.GetName())
		}
	}
}

// restore creates all objects, as after an upgrade.
func (s *stored) restore(ctx context.Context) {
	GinkgoHelper()
	s.makeNamespaces(ctx)
	uids := map[string]types.UID{}
	for _, o := range s.objects {
		restored := o.DeepCopy()
		Expect(kube.Create(ctx, restored)).To(Succeed())
		uids[restored.GetNamespace()+"/"+restored.GetKind()+"/"+restored.GetName()] = restored.GetUID()
		Expect(restored.GetGeneration()).To(BeEquivalentTo(1), "what its status says is of this generation")
		restored.Object["status"] = o.Object["status"]
		Expect(kube.Status().Update(ctx, restored)).To(Succeed())
	}
	for _, o := range s.configMaps {
		restored := o.DeepCopy()
		owners := restored.GetOwnerReferences()
		for i := range owners {
			owners[i].UID = uids[restored.GetNamespace()+"/"+owners[i].Kind+"/"+owners[i].Name]
			Expect(owners[i].UID).NotTo(BeEmpty())
		}
		restored.SetOwnerReferences(owners)
		Expect(kube.Create(ctx, restored)).To(Succeed())
	}
}

// versions returns the resourceVersions of the published ConfigMaps.
func (s *stored) versions(ctx context.Context) map[string]string {
	GinkgoHelper()
	versions := map[string]string{}
	for _, o := range s.configMaps {
		cm := read(ctx, namespace{o.GetNamespace()}, o.GetName(), &corev1.ConfigMap{})
		versions[cm.Namespace+"/"+cm.Name] = cm.ResourceVersion
	}
	return versions
}

// published checks that all published data is unchanged.
func (s *stored) published(ctx context.Context) error {
	for _, o := range s.configMaps {
		want, _, err := unstructured.NestedStringMap(o.Object, "data")
		if err != nil {
			return err
		}
		cm := &corev1.ConfigMap{}
		if err := kube.Get(ctx, client.ObjectKeyFromObject(o), cm); err != nil {
			return err
		}
		if diff := cmp.Diff(want, cm.Data); diff != "" {
			return fmt.Errorf("ConfigMap %s/%s (-stored +now):\n%s", o.GetNamespace(), o.GetName(), diff)
		}
	}
	return nil
}

// ready checks that every object that was ready is ready.
func (s *stored) ready(ctx context.Context) error {
	for _, o := range s.objects {
		want, err := conditionsOf(o)
		if err != nil {
			return err
		}
		has := newObject(o.GetKind(), o.GetNamespace(), o.GetName())
		if err := kube.Get(ctx, client.ObjectKeyFromObject(has), has); err != nil {
			return err
		}
		got, err := conditionsOf(has)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("conditions of %s %s/%s (-stored +now):\n%s", o.GetKind(), o.GetNamespace(), o.GetName(), diff)
		}
	}
	return nil
}

// conditionsOf returns the reasons of an object's conditions.
func conditionsOf(o *unstructured.Unstructured) (map[string]string, error) {
	list, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
	reasons := map[string]string{}
	for _, each := range list {
		if c, ok := each.(map[string]any); ok {
			reasons[fmt.Sprint(c["type"])] = fmt.Sprint(c["status"], " ", c["reason"])
		}
	}
	return reasons, err
}

func isMaterialized(o *unstructured.Unstructured) bool {
	return o.GetLabels()[accessv1alpha1.LabelMaterialized] == accessv1alpha1.ValueTrue
}

// writeStored makes this version publish the objects of a file, and writes everything that it stored to the file.
func writeStored(ctx context.Context, path string) {
	GinkgoHelper()
	s := readStored(path)
	s.makeNamespaces(ctx)
	for _, o := range s.objects {
		if isMaterialized(o) {
			continue
		}
		declared := o.DeepCopy()
		delete(declared.Object, "status")
		Expect(kube.Create(ctx, declared)).To(Succeed())
	}
	for _, o := range s.objects {
		if !isMaterialized(o) {
			eventually(ctx, namespace{o.GetNamespace()}.says(o.GetKind(), o.GetName()))
		}
	}
	eventually(ctx, managerIdle)
	var documents []string
	for _, in := range s.namespaces {
		for _, kind := range []string{"AccessPolicy", "ApplicationAccess", "AccessGroup", "UserAccess", "ConfigMap"} {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(newObject(kind, "", "").GroupVersionKind())
			Expect(kube.List(ctx, list, client.InNamespace(in))).To(Succeed())
			for i := range list.Items {
				o := &list.Items[i]
				if kind == "ConfigMap" && o.GetLabels()[accessv1alpha1.LabelDocument] == "" {
					continue
				}
				documents = append(documents, plain(o))
			}
		}
	}
	Expect(os.WriteFile(path, []byte(strings.Join(documents, "---\n")), 0o600)).To(Succeed())
}

// plain returns an object without the fields that differ between clusters.
func plain(o *unstructured.Unstructured) string {
	GinkgoHelper()
	stripped := o.DeepCopy()
	stripped.SetUID("")
	stripped.SetResourceVersion("")
	stripped.SetCreationTimestamp(metav1.Time{})
	stripped.SetManagedFields(nil)
	stripped.SetGeneration(0)
	owners := stripped.GetOwnerReferences()
	for i := range owners {
		owners[i].UID = ""
	}
	stripped.SetOwnerReferences(owners)
	text, err := yaml.Marshal(stripped.Object)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

var _ = Describe("A downgrade", func() {
	const definition = "accessgroups.access.usher.dev"
	const schemas = "/openapi/v3/apis/access.usher.dev/v1alpha1"
	describes := func(what string, want bool) check {
		return func(ctx context.Context) error {
			text, err := plane.Kubectl(ctx, "get", "--raw", schemas)
			if err == nil && strings.Contains(text, what) != want {
				err = fmt.Errorf("the API server describes %s: %v, want %v", what, !want, want)
			}
			return err
		}
	}
	patchDefinition := func(ctx context.Context, patch string, args ...string) {
		GinkgoHelper()
		_, err := plane.Kubectl(ctx, append([]string{"patch", "crd", definition, "--type=json", "--patch=" + patch}, args...)...)
		Expect(err).NotTo(HaveOccurred())
	}

	BeforeEach(func(ctx SpecContext) {
		// An object whose definition changes while its namespace is being deleted may stay behind, because the
		// namespace controller then does not find the kind.
		eventually(ctx, noTerminatingNamespaces)
	})

	It("to a manager that does not know a field is refused by that manager", func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) {
			Expect(plane.Install(ctx)).To(Succeed())
			eventually(ctx, describes("onlyLater", false))
			manager.Revive(ctx)
		})
		patchDefinition(ctx, `[{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/onlyLater",
			"value": {"type": "string", "enum": ["Deny"]}}]`)
		eventually(ctx, describes("onlyLater", true))
		now(ctx, isReady(manager.Manager)) // the running manager continues

		_, err := plane.StartManager(ctx, manager.Options())
		Expect(err).To(MatchError(And(
			ContainSubstring("are from a later version of Usher"), ContainSubstring("does not know AccessGroup.spec.onlyLater."),
		)))
	})

	It("of the definitions to a version below the stored one is refused by the API server", func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) {
			patchDefinition(ctx, `[{"op": "replace", "path": "/spec/versions/0/storage", "value": true},
				{"op": "replace", "path": "/spec/versions/1/storage", "value": false}]`)
			patchDefinition(ctx, `[{"op": "replace", "path": "/status/storedVersions", "value": ["v1alpha1"]}]`, "--subresource=status")
			Expect(plane.Install(ctx)).To(Succeed())
		})
		patchDefinition(ctx, `[{"op": "copy", "from": "/spec/versions/0", "path": "/spec/versions/1"},
			{"op": "replace", "path": "/spec/versions/1/name", "value": "v1beta1"},
			{"op": "replace", "path": "/spec/versions/0/storage", "value": false}]`)
		_, err := plane.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "--filename=../../config/crd/bases/access.usher.dev_accessgroups.yaml")
		Expect(err).To(MatchError(And(ContainSubstring("status.storedVersions"), ContainSubstring("v1beta1"))))
	})
})

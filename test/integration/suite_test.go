// Package integration_test runs Usher as it is shipped on a real control plane: a real API server with real
// controllers, and the manager as a process with only its own permissions.
//
// Specs run sequentially, because there is one manager. Each spec has its own organizations and removes its objects
// from the system namespace.
package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	systemNamespace = suite.SystemNamespace
	// fieldOwner is the field owner of declared objects, like a person or a GitOps tool.
	fieldOwner = client.FieldOwner("somebody")
	// grace is how long the manager leaves an ended document empty, unless a spec starts another manager.
	grace = time.Second

	// A busy machine needs several times the usual fraction of a second.
	patience = 45 * time.Second
)

var (
	plane   *cluster.Cluster
	kube    client.WithWatch
	manager *suite.Manager
)

func TestIntegration(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Integration")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	plane = suite.StartCluster(ctx, cluster.Options{}, (*cluster.Cluster).Install)
	kube = suite.NewClient(plane)
	suite.CreateNamespace(ctx, kube, systemNamespace, nil)
	manager = suite.RunManager(ctx, plane, cluster.ManagerOptions{
		Race: cluster.CanRace(), Args: []string{"--document-grace=" + grace.String()},
	})
}, NodeTimeout(suite.Beginning))

var _ = BeforeEach(func(ctx SpecContext) { manager.Revive(ctx) })

var _ = JustAfterEach(func() { suite.ReportLog("the manager", manager) })

// A check returns an error that describes what is wrong, or nil.
type check func(context.Context) error

// eventually waits until the check passes. After the timeout, it fails with the last error of the check.
func eventually(ctx context.Context, c check) {
	GinkgoHelper()
	Eventually(func() error { return c(ctx) }).WithContext(ctx).Should(Succeed())
}

// now fails if the check fails.
func now(ctx context.Context, c check) {
	GinkgoHelper()
	Expect(c(ctx)).To(Succeed())
}

// always requires that the check keeps passing for some time.
func always(ctx context.Context, c check) {
	GinkgoHelper()
	Consistently(func() error { return c(ctx) }).WithContext(ctx).Should(Succeed())
}

// all returns a check that passes if all checks pass.
func all(checks ...check) check {
	return func(ctx context.Context) error {
		var failures []error
		for _, c := range checks {
			failures = append(failures, c(ctx))
		}
		return errors.Join(failures...)
	}
}

// namespace is the namespace of a spec.
type namespace struct{ name string }

var system = namespace{systemNamespace}

// newOrganization creates a namespace for one spec, which is deleted after the spec.
func newOrganization(ctx context.Context) namespace {
	GinkgoHelper()
	return namespace{suite.NewOrganization(ctx, kube)}
}

func newObject(kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	switch kind {
	case "ConfigMap", "ResourceQuota":
		u.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	default:
		u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind))
	}
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// apply applies an object with the spec in YAML. An object in the system namespace is deleted after the spec.
func (n namespace) apply(ctx context.Context, kind, name, spec string) {
	GinkgoHelper()
	n.applyLabelled(ctx, kind, name, nil, spec)
}

func (n namespace) applyLabelled(ctx context.Context, kind, name string, labels map[string]string, spec string) {
	GinkgoHelper()
	u := newObject(kind, n.name, name)
	u.SetLabels(labels)
	fields := map[string]any{}
	Expect(yaml.UnmarshalStrict([]byte(spec), &fields)).To(Succeed())
	u.Object["spec"] = fields
	Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), fieldOwner, client.ForceOwnership)).To(Succeed())
	if n == system {
		DeferCleanup(n.remove, kind, name)
	}
}

// remove deletes an object and waits until it does not exist any more.
func (n namespace) remove(ctx context.Context, kind, name string) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(kube.Delete(ctx, newObject(kind, n.name, name)))).To(Succeed())
	eventually(ctx, n.absent(kind, name))
}

// patch changes an object by a JSON merge patch in YAML.
func (n namespace) patch(ctx context.Context, kind, name, patch string) {
	GinkgoHelper()
	data, err := yaml.YAMLToJSON([]byte(patch))
	Expect(err).NotTo(HaveOccurred())
	Expect(kube.Patch(ctx, newObject(kind, n.name, name), client.RawPatch("application/merge-patch+json", data))).To(Succeed())
}

// patchStatus is like patch, for the status.
func (n namespace) patchStatus(ctx context.Context, kind, name, patch string) {
	GinkgoHelper()
	data, err := yaml.YAMLToJSON([]byte(patch))
	Expect(err).NotTo(HaveOccurred())
	Expect(kube.Status().Patch(ctx, newObject(kind, n.name, name),
		client.RawPatch("application/merge-patch+json", data))).To(Succeed())
}

// get reads an object.
func (n namespace) get(ctx context.Context, kind, name string) *unstructured.Unstructured {
	GinkgoHelper()
	u := newObject(kind, n.name, name)
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(u), u)).To(Succeed())
	return u
}

// read reads an object into its type.
func read[T client.Object](ctx context.Context, n namespace, name string, into T) T {
	GinkgoHelper()
	Expect(kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: name}, into)).To(Succeed())
	return into
}

// absent checks that the object does not exist.
func (n namespace) absent(kind, name string) check {
	return func(ctx context.Context) error {
		u := newObject(kind, n.name, name)
		switch err := kube.Get(ctx, client.ObjectKeyFromObject(u), u); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		default:
			return fmt.Errorf("%s %s/%s is still there, deleted at %v, finalizers %v", kind, n.name, name,
				u.GetDeletionTimestamp(), u.GetFinalizers())
		}
	}
}

// present checks that the object exists.
func (n namespace) present(kind, name string) check {
	return func(ctx context.Context) error {
		u := newObject(kind, n.name, name)
		return kube.Get(ctx, client.ObjectKeyFromObject(u), u)
	}
}

// waitReady waits, as a pipeline does, until the object is ready.
func (n namespace) waitReady(ctx context.Context, kind, name string) {
	GinkgoHelper()
	out, err := plane.Kubectl(ctx, "-n", n.name, "wait", "--for=condition=Ready", kind+"/"+name, "--timeout="+patience.String())
	if err != nil {
		out, _ = plane.Kubectl(ctx, "-n", n.name, "get", kind+"/"+name, "-o", "yaml")
	}
	Expect(err).NotTo(HaveOccurred(), out)
}

// condition is an expected condition of an object.
type condition struct{ kind, status, reason, message string }

func ready() condition { return condition{"Ready", "True", "Published", ""} }

func notReady(reason, message string) condition { return condition{"Ready", "False", reason, message} }

// says checks conditions of the current generation of the object. The message may be a part of the actual one. The
// status "" requires that the condition is absent.
func (n namespace) says(kind, name string, wants ...condition) check {
	return func(ctx context.Context) error {
		u := newObject(kind, n.name, name)
		if err := kube.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
			return err
		}
		var status struct {
			Conditions         []metav1.Condition `json:"conditions"`
			ObservedGeneration int64              `json:"observedGeneration"`
		}
		text, err := json.Marshal(u.Object["status"])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &status); err != nil {
			return err
		}
		if status.ObservedGeneration != u.GetGeneration() {
			return fmt.Errorf("%s %s/%s: observedGeneration is %d of %d", kind, n.name, name,
				status.ObservedGeneration, u.GetGeneration())
		}
		for _, want := range wants {
			if !slices.ContainsFunc(status.Conditions, want.met(u.GetGeneration())) &&
				(want.status != "" || slices.ContainsFunc(status.Conditions, want.sameKind)) {
				return fmt.Errorf("%s %s/%s does not say %+v; status:\n%s", kind, n.name, name, want, text)
			}
		}
		return nil
	}
}

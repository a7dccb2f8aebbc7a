package admission_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cases"
	"github.com/usher-dev/usher/test/suite"
)

// shuffled is the number of additional orders in which the cases with few objects are applied.
const shuffled, few = 3, 4

// A platform team applies each case by GitOps, with the shipped permissions, and with the default policy unless the
// case has one.
var _ = Describe("The cases", Ordered, ContinueOnFailure, func() {
	paths, err := cases.Paths(filepath.Join("..", "cases"))
	if err != nil {
		panic(err)
	}
	var applier *requester

	BeforeAll(func(ctx SpecContext) {
		for _, name := range cases.Namespaces() {
			suite.CreateNamespace(ctx, kube, name, nil)
		}
		applier = newRequester(ctx, newOrganization(ctx), "applier")
		applier.bind(ctx, "", "ClusterRole", "usher-super-administrator")
		Eventually(func() error {
			return applier.try(ctx, cases.Namespaces()[1], gives("new", "organizationRole: Administrator"))
		}).WithContext(ctx).Should(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			for _, name := range cases.Namespaces()[1:] {
				suite.DeleteNamespace(ctx, kube, name)
			}
		})
	})

	for _, path := range paths {
		It("apply under Warn: "+strings.TrimSuffix(filepath.Base(path), ".yaml"), func(ctx SpecContext) {
			c, err := cases.Load(path, time.Now())
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(removeAll, c.Objects)
			by := applier
			if slices.ContainsFunc(c.Objects, materialized) {
				by = administrator() // only Usher may write the label
			}

			By("one apply, in reverse order")
			objects := slices.Clone(c.Objects)
			slices.Reverse(objects)
			applyAll(ctx, by, objects)

			By("object by object, each when the previous one is known")
			removeAll(ctx, c.Objects)
			for _, o := range c.Objects {
				Expect(apply(ctx, by, declared(o))).To(Succeed())
				settled(ctx, o.GetNamespace())
			}
			deleteLeaving(ctx, by, c.Objects)
			if len(objects) > few {
				return
			}
			for i := range shuffled {
				removeAll(ctx, c.Objects)
				random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), uint64(i)))
				random.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
				By("one apply, in the order " + strings.Join(namesOf(objects), ", "))
				applyAll(ctx, by, objects)
			}
		}, SpecTimeout(longest))
	}
})

func materialized(o *unstructured.Unstructured) bool {
	return o.GetLabels()[accessv1alpha1.LabelMaterialized] == accessv1alpha1.ValueTrue
}

func namesOf(objects []*unstructured.Unstructured) []string {
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.GetKind() + "/" + o.GetName()
	}
	return names
}

// declared returns the object as a person declares it.
func declared(o *unstructured.Unstructured) *unstructured.Unstructured {
	copied := o.DeepCopy()
	copied.SetDeletionTimestamp(nil)
	return copied
}

// applyAll applies the objects with one kubectl call, and deletes those that should be terminating.
func applyAll(ctx context.Context, r *requester, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	var text strings.Builder
	for _, o := range objects {
		line, err := json.Marshal(declared(o))
		Expect(err).NotTo(HaveOccurred())
		fmt.Fprintf(&text, "%s\n---\n", line)
	}
	args := []string{"apply", "--server-side", "--filename=-"}
	if !r.everything {
		args = append(args, "--as="+r.name)
	}
	said, err := kubectl(ctx, text.String(), args...)
	Expect(err).NotTo(HaveOccurred())
	Expect(strings.Count(said.stdout, "serverside-applied")).To(Equal(len(objects)), said.stdout)
	deleteLeaving(ctx, r, objects)
}

func deleteLeaving(ctx context.Context, r *requester, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	for _, o := range objects {
		if o.GetDeletionTimestamp() != nil {
			Expect(r.Delete(ctx, declared(o))).To(Succeed())
		}
	}
}

// removeAll deletes the objects and waits until they do not exist any more.
func removeAll(ctx context.Context, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	for _, o := range objects {
		gone := newObject(o.GetKind(), o.GetNamespace(), o.GetName())
		Expect(client.IgnoreNotFound(kube.Delete(ctx, gone))).To(Succeed())
		if len(o.GetFinalizers()) > 0 {
			Expect(client.IgnoreNotFound(kube.Patch(ctx, gone, patch(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		}
	}
	for _, o := range objects {
		gone := newObject(o.GetKind(), o.GetNamespace(), o.GetName())
		Eventually(func() error { return kube.Get(ctx, client.ObjectKeyFromObject(gone), gone) }).
			WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "not found"))
	}
}

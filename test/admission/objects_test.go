package admission_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// owner is the field owner of all requesters, so that an apply removes omitted fields, whoever set them.
const owner = client.FieldOwner("somebody")

var kinds = []string{"AccessPolicy", "ApplicationAccess", "AccessGroup", "UserAccess"}

func newObject(kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func newList(kind string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind + "List"))
	return list
}

// parse parses objects in a short form: "Kind name" or "Kind namespace/name", followed by metadata and spec; objects
// are separated by "---". Without a namespace, an object is in the organization. "$org" stands for the organization,
// and "$soon!" and others for instants.
func parse(organization, text string) []*unstructured.Unstructured {
	GinkgoHelper()
	var objects []*unstructured.Unstructured
	for part := range strings.SplitSeq(expand(organization, text), "---\n") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		head, body, _ := strings.Cut(strings.TrimLeft(part, "\n"), "\n")
		u := named(organization, head)
		fields := map[string]any{}
		Expect(yaml.UnmarshalStrict([]byte(body), &fields)).To(Succeed(), part)
		if metadata, ok := fields["metadata"].(map[string]any); ok {
			for key, value := range metadata {
				Expect(unstructured.SetNestedField(u.Object, value, "metadata", key)).To(Succeed())
			}
		}
		u.Object["spec"] = map[string]any{}
		if spec, ok := fields["spec"]; ok {
			u.Object["spec"] = spec
		}
		objects = append(objects, u)
	}
	return objects
}

// named returns an empty object for "Kind name" or "Kind namespace/name".
func named(organization, head string) *unstructured.Unstructured {
	kind, name, _ := strings.Cut(strings.TrimSpace(head), " ")
	if namespace, in, found := strings.Cut(name, "/"); found {
		return newObject(kind, namespace, in)
	}
	return newObject(kind, organization, name)
}

// declare applies the objects as the cluster's administrator and waits until Usher knows them. Objects in the system
// namespace are deleted after the spec.
func declare(ctx context.Context, organization, text string) {
	GinkgoHelper()
	for _, u := range parse(organization, text) {
		Expect(apply(ctx, kube, u)).To(Succeed())
		if u.GetNamespace() == systemNamespace || len(u.GetFinalizers()) > 0 {
			DeferCleanup(remove, u)
		}
	}
	settled(ctx, organization)
}

// remove deletes an object, including its finalizers, and waits until it does not exist any more.
func remove(ctx context.Context, u *unstructured.Unstructured) {
	GinkgoHelper()
	gone := newObject(u.GetKind(), u.GetNamespace(), u.GetName())
	Expect(client.IgnoreNotFound(kube.Delete(ctx, gone))).To(Succeed())
	Expect(client.IgnoreNotFound(kube.Patch(ctx, gone,
		client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))).To(Succeed())
	Eventually(func() error {
		err := kube.Get(ctx, client.ObjectKeyFromObject(gone), gone)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("%s %s is still there", u.GetKind(), u.GetName()))
	}).WithContext(ctx).Should(Succeed())
}

func apply(ctx context.Context, c client.Client, u *unstructured.Unstructured, options ...client.ApplyOption) error {
	options = append(options, owner, client.ForceOwnership)
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), options...)
}

// settled waits until the manager has seen every object of the organization and of the system namespace, so that it
// judges changes by them.
func settled(ctx context.Context, organization string) {
	GinkgoHelper()
	Eventually(func() error {
		for _, namespace := range []string{organization, systemNamespace} {
			for _, kind := range kinds {
				if err := seen(ctx, namespace, kind); err != nil {
					return err
				}
			}
		}
		return nil
	}).WithContext(ctx).Should(Succeed())
}

func seen(ctx context.Context, namespace, kind string) error {
	list := newList(kind)
	if err := kube.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range list.Items {
		u := &list.Items[i]
		observed, _, err := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
		if err == nil && observed != u.GetGeneration() {
			err = fmt.Errorf("%s %s/%s: generation %d of %d is known", kind, namespace, u.GetName(), observed, u.GetGeneration())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change makes a change: an object in the short form, or "delete Kind name". With " in the foreground" the deleted
// object remains until the garbage collector removes it.
func (r *requester) change(ctx context.Context, organization, text string, dryRun bool) error {
	GinkgoHelper()
	head, isDelete := strings.CutPrefix(strings.TrimSpace(expand(organization, text)), "delete ")
	if !isDelete {
		objects := parse(organization, text)
		Expect(objects).To(HaveLen(1))
		var options []client.ApplyOption
		if dryRun {
			options = append(options, client.DryRunAll)
		}
		return apply(ctx, r, objects[0], options...)
	}
	var options []client.DeleteOption
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	head, foreground := strings.CutSuffix(head, " in the foreground")
	if foreground {
		options = append(options, client.PropagationPolicy("Foreground"))
	}
	return r.Delete(ctx, named(organization, head), options...)
}

// do makes a change, and try makes the same change as a dry run.
func (r *requester) do(ctx context.Context, organization, text string) error {
	GinkgoHelper()
	return r.change(ctx, organization, text, false)
}

func (r *requester) try(ctx context.Context, organization, text string) error {
	GinkgoHelper()
	return r.change(ctx, organization, text, true)
}

// cause is a cause in a refusal.
type cause struct{ Field, Message string }

// refused returns the causes of a refusal, which must have the form of the API server's own validation.
func refused(err error) []cause {
	GinkgoHelper()
	Expect(err).To(HaveOccurred(), "it passed")
	var status *apierrors.StatusError
	Expect(errors.As(err, &status)).To(BeTrue(), "%v", err)
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	Expect(status.ErrStatus.Code).To(Equal(int32(422)))
	Expect(status.ErrStatus.Message).To(ContainSubstring(`admission webhook "access.usher.dev" denied the request`))
	Expect(status.ErrStatus.Details).NotTo(BeNil())
	var causes []cause
	for _, c := range status.ErrStatus.Details.Causes {
		causes = append(causes, cause{c.Field, c.Message})
	}
	Expect(causes).NotTo(BeEmpty())
	return causes
}

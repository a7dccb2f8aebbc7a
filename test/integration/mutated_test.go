package integration_test

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// mutate makes the API server apply the CEL expression to every ConfigMap that is written in the namespace, and waits
// until it does. The expression adds the label acme.example/cost-center.
func mutate(ctx context.Context, n namespace, expression string) {
	GinkgoHelper()
	for kind, spec := range map[string]string{
		"MutatingAdmissionPolicy": `{matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1],
			operations: [CREATE, UPDATE], resources: [configmaps]}]}, failurePolicy: Ignore, reinvocationPolicy: Never,
			mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: '` + expression + `'}}]}`,
		"MutatingAdmissionPolicyBinding": `{policyName: ` + n.name + `,
			matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + n.name + `}}}}`,
	} {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetAPIVersion("admissionregistration.k8s.io/v1")
		u.SetKind(kind)
		u.SetName(n.name)
		fields := map[string]any{}
		Expect(yaml.UnmarshalStrict([]byte(spec), &fields)).To(Succeed())
		u.Object["spec"] = fields
		Expect(kube.Create(ctx, u)).To(Succeed())
		DeferCleanup(discard, u)
	}
	eventually(ctx, func(ctx context.Context) error {
		probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: n.name, Name: "probe"}}
		if err := kube.Create(ctx, probe, client.DryRunAll); err != nil {
			return err
		}
		if probe.Labels["acme.example/cost-center"] == "" {
			return errors.New("the mutating policy is not in force yet")
		}
		return nil
	})
}

func discard(ctx context.Context, o client.Object) error {
	return client.IgnoreNotFound(kube.Delete(ctx, o))
}

var _ = Describe("If admission changes every ConfigMap", func() {
	const team = `{members: [{user: ana@acme.example}, {user: ben@acme.example}], applicationAccess: [{application: red, role: Viewer}]}`

	It("by adding a label, documents are published as usual", func(ctx SpecContext) {
		o := newOrganization(ctx)
		mutate(ctx, o, `Object{metadata: Object.metadata{labels: {"acme.example/cost-center": "4711"}}}`)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "applicationaccess", "red")
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, all(o.publishes("red", "ana@acme.example", "Viewer"), o.holds("ben@acme.example", "red", "Viewer")))
		before := read(ctx, o, applicationMap("red"), &corev1.ConfigMap{})
		Expect(before.Labels).To(HaveKeyWithValue("acme.example/cost-center", "4711"))

		o.patch(ctx, "AccessGroup", "team", "{spec: {applicationAccess: [{application: red, role: Editor}]}}")
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.publishes("red", "ana@acme.example", "Editor"))
		written := read(ctx, o, applicationMap("red"), &corev1.ConfigMap{}).ResourceVersion
		always(ctx, func(ctx context.Context) error {
			var cm corev1.ConfigMap
			if err := kube.Get(ctx, client.ObjectKey{Namespace: o.name, Name: applicationMap("red")}, &cm); err != nil {
				return err
			}
			if cm.ResourceVersion != written {
				return errors.New("the document is written again")
			}
			return nil
		})
	})

	It("in a part that Usher owns, the owner reports what differs and who wrote it, and no object waits for it", func(ctx SpecContext) {
		o := newOrganization(ctx)
		mutate(ctx, o, `Object{metadata: Object.metadata{labels: {"acme.example/cost-center": "4711"}}, data: {"more": "1"}}`)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		eventually(ctx, all(
			o.says("ApplicationAccess", "red", notReady("PublishFailed", "ConfigMap "+o.name+"/"+applicationMap("red")+
				" does not stay as Usher writes it: data key more is added, written by a mutating admission policy or webhook")),
			o.says("AccessGroup", "team", ready()), o.unpublished("team", 3),
		))
	})
})

package crd_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// setAndUpdate sets one field of an existing object and updates the object.
func setAndUpdate(ctx context.Context, obj *unstructured.Unstructured, value any, fields ...string) error {
	changed := obj.DeepCopy()
	Expect(unstructured.SetNestedField(changed.Object, value, fields...)).To(Succeed())
	if err := k8sClient.Update(ctx, changed); err != nil {
		return err
	}
	obj.Object = changed.Object
	return nil
}

var _ = DescribeTable("Defaults", func(ctx SpecContext, kind, spec, want string) {
	obj := object(kind, spec)
	Expect(create(ctx, obj)).To(Succeed())
	var fields map[string]any
	Expect(yaml.Unmarshal([]byte(want), &fields)).To(Succeed())
	Expect(obj.Object["spec"]).To(Equal(fields["spec"]))
	// A new object must not look like a finished one.
	Expect(obj.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
},
	Entry("of an AccessGroup", "AccessGroup", "", "spec: {type: Organization, privileges: Enabled}"),
	Entry("of a UserAccess", "UserAccess", "user: a", "spec: {user: a, state: Active}"),
	Entry("of an ApplicationAccess", "ApplicationAccess", "", "spec: {unmatchedRows: All}"),
	Entry("of an AccessPolicy", "AccessPolicy", "",
		"spec: {conflictResolution: MostRestrictive, individualAccess: Fallback, administrators: Protected, crossObjectChecks: Warn, userConfigMaps: Enabled}"),
)

var _ = Describe("Fields", func() {
	for _, kind := range []string{"AccessGroup", "UserAccess", "ApplicationAccess", "AccessPolicy"} {
		It("that are unknown are refused or dropped: "+kind, func(ctx SpecContext) {
			spec := "{user: a, rolls: x}"
			if kind != "UserAccess" {
				spec = "rolls: x"
			}
			Expect(create(ctx, object(kind, spec))).To(MatchError(ContainSubstring(`unknown field "spec.rolls"`)))

			obj := object(kind, spec)
			Expect(k8sClient.Create(ctx, obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationIgnore))).To(Succeed())
			Expect(obj.Object["spec"]).NotTo(HaveKey("rolls"))
		})
	}
})

var _ = DescribeTable("Columns", func(ctx SpecContext, resource string, narrow, wide []string) {
	gotNarrow, gotWide := columns(ctx, resource)
	Expect(gotNarrow).To(Equal(narrow))
	Expect(gotWide).To(Equal(wide))
},
	Entry("of AccessGroups", "accessgroups",
		[]string{"Name", "Type", "Members", "Ready", "Conflicts", "Age"}, []string{"Reason", "Unpublished", "Review due", "Display name"}),
	Entry("of UserAccesses", "useraccesses",
		[]string{"Name", "User", "Org role", "Default role", "Applications", "Ready", "Age"}, []string{"State", "Reason", "Conflicts", "Display name"}),
	Entry("of ApplicationAccesses", "applicationaccesses",
		[]string{"Name", "Users", "Ready", "Age"}, []string{"Reason", "Omitted", "Display name"}),
	Entry("of AccessPolicies", "accesspolicies",
		[]string{"Name", "Resolution", "Organizations", "Ready", "Age"}, []string{"Individual", "Checks", "Reason"}),
)

var _ = DescribeTable("Names", func(resource, shortName string) {
	c, err := discovery.NewDiscoveryClientForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	list, err := c.ServerResourcesForGroupVersion(accessv1alpha1.GroupVersion.String())
	Expect(err).NotTo(HaveOccurred())
	Expect(list.APIResources).To(ContainElement(And(
		HaveField("Name", resource),
		HaveField("ShortNames", []string{shortName}),
		HaveField("Categories", []string{"usher"}),
		HaveField("Namespaced", true),
	)))
},
	Entry("of AccessGroups", "accessgroups", "ag"),
	Entry("of UserAccesses", "useraccesses", "ua"),
	Entry("of ApplicationAccesses", "applicationaccesses", "aa"),
	Entry("of AccessPolicies", "accesspolicies", "apol"),
)

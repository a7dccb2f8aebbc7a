package admission_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	// bySelector gives pat Administrator in the applications that carry the label.
	bySelector = `
AccessGroup selecting
spec:
  members: [{user: pat}]
  applicationSelectors: [{selector: {matchLabels: {tier: gold}}, role: Administrator}]
`
	goldFinance = "ApplicationAccess finance\nmetadata: {labels: {tier: gold}}"

	// byAttribute has pat see the rows of finance of pat's own countries.
	byAttribute = `
AccessGroup seeing
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Viewer}]
  dataPermissions: [{application: finance, anyOf: [{allOf: [{attribute: country, operator: In, userAttribute: countries}]}]}]
`
	france = "UserAccess pat\nspec: {user: pat, attributes: [{name: countries, values: [France]}]}"

	// byReview gives pat Administrator for a day after its review.
	byReview = `
AccessGroup reviewed
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
  review: {everyDays: 1, ifMissed: End}
  reviewedAt: $past!
`
)

// reviewedToday is byReview with one instant, whenever it is declared.
var reviewedToday = strings.Replace(byReview, "$past!", time.Now().UTC().Add(-time.Hour).Format(time.RFC3339), 1)

var _ = Describe("A team that may grant Viewer and Editor", func() {
	const subresource = `applicationroles.grants.access.usher.dev "Administrator", subresource "finance",`
	DescribeTable("is refused what labels, attributes and reviews give, and may as soon as it has the right:",
		func(ctx SpecContext, p path, right, resource, name string) {
			organization, team := newTeam(ctx)
			declare(ctx, organization, standing+"---\n"+p.before)

			causes := refused(team.do(ctx, organization, p.change))
			Expect(causes).To(HaveLen(1))
			Expect(causes[0].Field).To(Equal(p.field))
			line := lineOf(causes[0], "grant "+right+` in namespace "`+organization+`"`)
			Expect(shows(ctx, line, "grant", name)).To(BeFalse(), line)

			team.allow(ctx, organization, mayGrant([]string{resource}, name))
			Expect(shows(ctx, line, "grant", name)).To(BeTrue(), line)
			Expect(team.do(ctx, organization, p.change)).To(Succeed())
		},
		Entry("an entry that selects applications", path{"", bySelector, "spec.applicationSelectors[0].role"},
			`applicationroles.grants.access.usher.dev "Administrator"`, "applicationroles", "Administrator", SpecTimeout(longest)),
		Entry("a label that an entry looks for", path{bySelector, goldFinance, "metadata.labels"},
			subresource, "applicationroles/finance", "Administrator", SpecTimeout(longest)),
		Entry("an application that comes with the label", path{bySelector, strings.Replace(goldFinance, "finance", "sales", 1), "spec"},
			strings.Replace(subresource, "finance", "sales", 1), "applicationroles/sales", "Administrator", SpecTimeout(longest)),
		Entry("the end of a label by which an entry took a role", path{
			goldFinance + "\n---\n" + strings.Replace(bySelector, "Administrator", "NoAccess", 1) + `
---
AccessGroup giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
`, "ApplicationAccess finance", "metadata.labels"}, subresource, "applicationroles/finance", "Administrator", SpecTimeout(longest)),
		Entry("one value more of an attribute", path{byAttribute + "---\n" + france, strings.Replace(france, "[France]", "[France, Spain]", 1), "spec.attributes"},
			`datapermissions.grants.access.usher.dev "finance"`, "datapermissions", "finance", SpecTimeout(longest)),
		Entry("a review", path{byReview, strings.Replace(byReview, "$past!", "$soon!", 1), "spec.reviewedAt"},
			subresource, "applicationroles/finance", "Administrator", SpecTimeout(longest)),
		Entry("a review that is no longer asked for", path{reviewedToday, strings.Replace(reviewedToday, "ifMissed: End", "ifMissed: Keep", 1), "spec.review"},
			subresource, "applicationroles/finance", "Administrator", SpecTimeout(longest)),
	)

	It("is asked for an entry that selects organizations in all namespaces", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		team.allow(ctx, systemNamespace, mayWrite("accessgroups"))
		const ops = "AccessGroup access-system/$org-ops\nspec: {type: System, members: [{user: $org}]"
		declare(ctx, organization, ops+"}")
		selects := ops + ", systemAccessSelectors: [{selector: {matchLabels: {kubernetes.io/metadata.name: $org}}, organizationRole: Viewer}]}"
		causes := refused(team.do(ctx, organization, selects))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Field).To(Equal("spec.systemAccessSelectors[0].organizationRole"))
		line := lineOf(causes[0], `grant organizationroles.grants.access.usher.dev "Viewer" in all namespaces`)
		Expect(shows(ctx, line, "grant", "Viewer")).To(BeFalse())
		team.allow(ctx, "", mayGrant([]string{"organizationroles"}, "Viewer"))
		Expect(team.do(ctx, organization, selects)).To(Succeed())
	}, SpecTimeout(longest))

	It("is told once of a label that would give hundreds a role", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		var members []string
		for i := range 300 {
			members = append(members, fmt.Sprintf("{user: user-%03d}", i))
		}
		declare(ctx, organization, standing+"---\n"+strings.Replace(bySelector, "{user: pat}", strings.Join(members, ", "), 1))
		causes := refused(team.do(ctx, organization, goldFinance))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Message).To(ContainSubstring("user-000 would be given Administrator in application finance"))
	}, SpecTimeout(longest))

	It("may confirm what it may give, on a protected group too", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		kept := strings.Replace(byReview, "\nspec:", "\nmetadata: {labels: {access.usher.dev/protected: \"true\"}}\nspec:", 1)
		kept = strings.Replace(kept, "Administrator", "Editor", 1)
		declare(ctx, organization, kept)
		Expect(team.do(ctx, organization, strings.Replace(kept, "$past!", "$soon!", 1))).To(Succeed())
		causes := refused(team.do(ctx, organization, strings.NewReplacer("$past!", "$soon!", "everyDays: 1", "everyDays: 2").Replace(kept)))
		Expect(causes[0].Message).To(ContainSubstring("without the right only members and reviewedAt may change"))
	}, SpecTimeout(longest))
})

var _ = Describe("A review", func() {
	It("cannot be more than five minutes ahead", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, byReview)
		causes := refused(granter.do(ctx, organization, strings.Replace(byReview, "$past!", "$later!", 1)))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Field).To(Equal("spec.reviewedAt"))
		Expect(causes[0].Message).To(ContainSubstring("a review cannot be more than five minutes ahead"))
		Expect(granter.do(ctx, organization, strings.Replace(byReview, "$past!", "$soon!", 1))).To(Succeed())
	}, SpecTimeout(longest))

	It("that ends the last administrator causes a warning", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		const bosses = "AccessGroup bosses\nspec:\n  members: [{user: ana-$org}]\n  organizationRole: Administrator\n"
		declare(ctx, organization, bosses+"---\n"+checking("Deny"))
		causes := refused(granter.try(ctx, organization, bosses+"  review: {everyDays: 90, ifMissed: End}\n  reviewedAt: $past!\n"))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Message).To(And(
			ContainSubstring("organization "+organization+" would have nobody with its top organization role Administrator, from "),
			ContainSubstring("ana-"+organization+" is the last who holds it")))
	}, SpecTimeout(longest))
})

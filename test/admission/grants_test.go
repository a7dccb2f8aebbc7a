package admission_test

import (
	"context"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
)

const longest = 2 * time.Minute

var (
	everyRole  = []string{"applicationroles", "organizationroles", "systemroles"}
	teamWrites = mayWrite("accessgroups", "useraccesses", "applicationaccesses", "accesspolicies")
	teamJoins  = mayJoin("administrators", "editors", "people", "tomorrow")
	teamGrants = mayGrant([]string{"applicationroles", "organizationroles"}, "Viewer", "Editor")
	canILine   = regexp.MustCompile(`: (kubectl auth can-i .*)$`)
)

// standing is the state from which most rights are tested: administrators, editors, and a user who is neither.
const standing = `
ApplicationAccess finance
---
AccessGroup administrators
spec:
  members: [{user: ana}]
  applicationAccess: [{application: finance, role: Administrator}]
---
AccessGroup editors
spec:
  members: [{user: ed}]
  applicationAccess: [{application: finance, role: Editor}]
---
AccessGroup people
spec:
  members: [{user: pat}]
---
UserAccess pat
spec: {user: pat}
`

// givingAndRestricting are two objects that restrict pat to Viewer while both exist.
const givingAndRestricting = `
AccessGroup giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
---
AccessGroup restricting
metadata: {finalizers: []}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Viewer}]
`

// newTeam creates an organization in that state, and a team there that may grant Viewer and Editor.
func newTeam(ctx context.Context, rules ...rbacv1.PolicyRule) (organization string, team *requester) {
	GinkgoHelper()
	organization = newOrganization(ctx)
	if len(rules) == 0 {
		rules = []rbacv1.PolicyRule{teamWrites, teamJoins, teamGrants}
	}
	return organization, newRequester(ctx, organization, "team", rules...)
}

// grantIn returns the right to grant Administrator in finance, in the words of messages.
func grantIn(organization string) string {
	return `grant applicationroles.grants.access.usher.dev "Administrator", subresource "finance", in namespace "` + organization + `"`
}

// lineOf checks that the cause names the right. It returns the command line that is to show that the right is missing.
func lineOf(c cause, right string) string {
	GinkgoHelper()
	Expect(c.Message).To(ContainSubstring("this requires the right to " + right + ", which "))
	match := canILine.FindStringSubmatch(c.Message)
	Expect(match).NotTo(BeNil(), "%s", c.Message)
	return match[1]
}

// path is a way to give somebody a role.
type path struct{ before, change, field string }

var _ = Describe("A team that may grant Viewer and Editor", func() {
	DescribeTable("is refused Administrator with the reason, and allowed as soon as it has the right:", func(ctx SpecContext, p path) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, standing+"---\n"+p.before)

		causes := refused(team.do(ctx, organization, p.change))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Field).To(Equal(p.field))
		line := lineOf(causes[0], grantIn(organization))
		Expect(shows(ctx, line, "grant", "Administrator")).To(BeFalse(), line)

		team.allow(ctx, organization, mayGrant([]string{"applicationroles/finance"}, "Administrator"))
		Expect(shows(ctx, line, "grant", "Administrator")).To(BeTrue(), line)
		Expect(team.do(ctx, organization, p.change)).To(Succeed())
	},
		Entry("a role", path{"", `
AccessGroup people
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
`, roleField}, SpecTimeout(longest)),
		Entry("a role for a group in which nobody is", path{"", `
AccessGroup new
spec:
  applicationAccess: [{application: finance, role: Administrator}]
`, roleField}, SpecTimeout(longest)),
		Entry("a role of one's own", path{"", `
UserAccess pat
spec:
  user: pat
  applicationAccess: [{application: finance, role: Administrator}]
`, roleField}, SpecTimeout(longest)),
		Entry("a member", path{"", `
AccessGroup administrators
spec:
  members: [{user: ana}, {user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
`, "spec.members[pat]"}, SpecTimeout(longest)),
		Entry("a member whose time comes in a minute", path{"", `
AccessGroup administrators
spec:
  members: [{user: ana}, {user: pat, notBefore: $soon!, notAfter: $later!}]
  applicationAccess: [{application: finance, role: Administrator}]
`, "spec.members[pat]"}, SpecTimeout(longest)),
		Entry("a nested group", path{"", `
AccessGroup administrators
spec:
  members: [{user: ana}]
  memberGroups: [people]
  applicationAccess: [{application: finance, role: Administrator}]
`, "spec.memberGroups"}, SpecTimeout(longest)),
		Entry("a member of a nested group", path{`
AccessGroup outer
spec:
  memberGroups: [people]
  applicationAccess: [{application: finance, role: Administrator}]
`, `
AccessGroup people
spec:
  members: [{user: pat}, {user: sam}]
`, "spec.members[sam]"}, SpecTimeout(longest)),
		Entry("a user's groups", path{"", `
UserAccess pat
spec: {user: pat, groups: [administrators]}
`, "spec.groups"}, SpecTimeout(longest)),
		Entry("a label that a selector matches", path{`
AccessGroup selecting
spec:
  memberSelector: {matchLabels: {team: finance}}
  applicationAccess: [{application: finance, role: Administrator}]
`, `
UserAccess pat
metadata: {labels: {team: finance}}
spec: {user: pat}
`, "metadata.labels"}, SpecTimeout(longest)),
		Entry("a selector", path{"", `
AccessGroup administrators
spec:
  members: [{user: ana}]
  memberSelector: {}
  applicationAccess: [{application: finance, role: Administrator}]
`, "spec.memberSelector"}, SpecTimeout(longest)),
		Entry("a window opened", path{window("notBefore: $later!"), window("notBefore: $past!"), roleField}, SpecTimeout(longest)),
		Entry("a window moved", path{
			window("notAfter: $soon!"), window("notBefore: $soon!, notAfter: $later!"), roleField,
		}, SpecTimeout(longest)),
		Entry("a window lengthened", path{window("notAfter: $later!"), window("notAfter: $latest!"), roleField}, SpecTimeout(longest)),
		Entry("a window that opens in a minute", path{
			window("notBefore: $later!"), window("notBefore: $soon!"), roleField,
		}, SpecTimeout(longest)),
		Entry("a suspension lifted", path{`
UserAccess pat
spec:
  user: pat
  state: Suspended
  applicationAccess: [{application: finance, role: Administrator}]
`, `
UserAccess pat
spec:
  user: pat
  applicationAccess: [{application: finance, role: Administrator}]
`, "spec.state"}, SpecTimeout(longest)),
		Entry("a restricting group deleted", path{
			givingAndRestricting, "delete AccessGroup restricting", "metadata.name",
		}, SpecTimeout(longest)),
		Entry("a restricting membership removed", path{givingAndRestricting, `
AccessGroup restricting
spec:
  applicationAccess: [{application: finance, role: Viewer}]
`, "spec.members[pat]"}, SpecTimeout(longest)),
		Entry("a restriction that ends in a minute", path{givingAndRestricting, `
AccessGroup restricting
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Viewer, notAfter: $soon!}]
`, "spec.applicationAccess"}, SpecTimeout(longest)),
		Entry("a restricting group without privileges", path{givingAndRestricting, `
AccessGroup restricting
spec:
  privileges: Disabled
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Viewer}]
`, "spec.privileges"}, SpecTimeout(longest)),
		Entry("a restricting selector that selects less", path{`
AccessGroup giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
---
AccessGroup blocking
spec:
  memberSelector: {}
  applicationAccess: [{application: finance, role: NoAccess}]
`, `
AccessGroup blocking
spec:
  memberSelector: {matchLabels: {team: finance}}
  applicationAccess: [{application: finance, role: NoAccess}]
`, "spec.memberSelector"}, SpecTimeout(longest)),
		Entry("a label removed that restricts", path{`
UserAccess pat
metadata: {labels: {team: finance}}
spec: {user: pat}
---
AccessGroup giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
---
AccessGroup blocking
spec:
  memberSelector: {matchLabels: {team: finance}}
  applicationAccess: [{application: finance, role: NoAccess}]
`, `
UserAccess pat
metadata: {labels: {}}
spec: {user: pat}
`, "metadata.labels"}, SpecTimeout(longest)),
		Entry("a duplicate removed", path{`
UserAccess a
spec: {user: sam}
---
UserAccess b
spec:
  user: sam
  applicationAccess: [{application: finance, role: Administrator}]
`, "delete UserAccess a", "metadata.name"}, SpecTimeout(longest)),
		Entry("privileges enabled", path{`
AccessGroup off
spec:
  privileges: Disabled
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
`, `
AccessGroup off
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
`, roleField}, SpecTimeout(longest)),
		Entry("a group whose name somebody's groups have already", path{`
UserAccess pat
spec: {user: pat, groups: [tomorrow]}
---
AccessGroup outer
spec:
  memberGroups: [tomorrow]
  applicationAccess: [{application: finance, role: Administrator}]
`, "AccessGroup tomorrow", "spec"}, SpecTimeout(longest)),
		Entry("a restricting group deleted that a finalizer holds", path{
			strings.Replace(givingAndRestricting, "finalizers: []", "finalizers: [example.org/held]", 1),
			"delete AccessGroup restricting", "metadata.name",
		}, SpecTimeout(longest)),
		Entry("a restricting group deleted in the foreground", path{
			givingAndRestricting, "delete AccessGroup restricting in the foreground", "metadata.name",
		}, SpecTimeout(longest)),
	)
})

const roleField = "spec.applicationAccess[finance].role"

func window(bounds string) string {
	return `
AccessGroup timed
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator, ` + bounds + `}]
`
}

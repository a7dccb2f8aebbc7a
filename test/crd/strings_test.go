package crd_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// text is a string of a spec with valid and invalid values. The spec has one %s, which is replaced by the string.
type text struct {
	kind, spec string
	longest    string // the longest accepted string
	accepted   []string
	refused    []string
}

func label(n int) string { return strings.Repeat("a", n) }

// Characters that no string may have: line breaks and other control characters, format characters, and the line and
// paragraph separators of Unicode.
var unprintable = []string{"a\nb", "a\tb", "a\x00b", "a\u0085b", "a\u200bb", "a\u202eb", "a\ufeffb", "a\u2028b", "a\u2029b"}

var (
	users = text{
		longest:  strings.Repeat("é", 253),
		accepted: []string{"amelie@acme.example", "auth0|5f7c8ec7", "Zoë", "*", "a'b", "system:admin", "<a&b>", "💂"},
		refused:  append([]string{"", "two words", "a,b", `a"b`, `a\b`, "a\u00a0b", "a\u3000b", " a", "a "}, unprintable...),
	}
	roles = text{
		longest:  label(63),
		accepted: []string{"Viewer", "release-manager", "tier.2", "a_b", "9", "NoAccess"},
		refused:  append([]string{"", "-", "a-", "_a", "read only", "Prüfer", "a/b", "*"}, unprintable...),
	}
	applications = text{
		longest:  label(63),
		accepted: []string{"finance", "a-1", "1", "*"},
		refused:  append([]string{"", "Finance", "a.b", "-a", "a-", "**", "a*", "a_b"}, unprintable...),
	}
	groups = text{
		longest:  strings.Repeat("a.", 126) + "a",
		accepted: []string{"france", "team.a", "1"},
		refused:  append([]string{"", "France", "a..b", ".a", "a.", "-a", "*"}, unprintable...),
	}
	free = text{
		accepted: []string{"Finance, Europe: \"R&D\" \\ <all>", " ", "Zoë 💂", "x\u00a0y"},
		refused:  append([]string{""}, unprintable...),
	}
	instants = text{
		longest: "2026-01-01T00:00:00.000+00:00",
		accepted: []string{"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00-12:30",
			"9999-12-31T23:59:59Z", "2028-02-29T00:00:00Z"},
		// A stored value that Go cannot decode would block every client, and a document has whole seconds.
		refused: []string{"", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01t00:00:00Z", "2026-01-01T00:00:00z",
			"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z",
			"2026-02-29T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00,000Z", "9999-12-31T23:59:59-01:00",
			"0000-01-01T00:00:00Z", "2026-01-01 00:00:00Z"},
	}
)

func (t text) in(kind, spec string) text { t.kind, t.spec = kind, spec; return t }

func (t text) upTo(n int) text { t.longest = strings.Repeat("ä", n); return t }

// not adds strings to the refused ones that are valid only elsewhere.
func (t text) not(refused ...string) text {
	t.refused = slices.Concat(t.refused, refused)
	t.accepted = slices.DeleteFunc(slices.Clone(t.accepted), func(value string) bool {
		return slices.Contains(refused, value)
	})
	return t
}

var texts = map[string]text{
	"member":                   users.in("AccessGroup", "members: [{user: %s}]"),
	"user":                     users.in("UserAccess", "user: %s"),
	"member group":             groups.in("AccessGroup", "memberGroups: [%s]"),
	"group of a user":          groups.in("UserAccess", "{user: a, groups: [%s]}"),
	"group's display name":     free.upTo(128).in("AccessGroup", "displayName: %s"),
	"description":              free.upTo(1024).in("AccessGroup", "description: %s"),
	"user's display name":      free.upTo(128).in("UserAccess", "{user: a, displayName: %s}"),
	"application's name":       free.upTo(128).in("ApplicationAccess", "displayName: %s"),
	"message":                  free.upTo(1024).in("AccessGroup", "notification: {mode: Disabled, message: %s}"),
	"data value":               free.upTo(128).in("AccessGroup", "dataPermissions: [{application: a, anyOf: [{allOf: [{attribute: a, operator: In, values: [%s]}]}]}]"),
	"organization role":        roles.in("AccessGroup", "organizationRole: %s"),
	"application role":         roles.in("AccessGroup", "applicationAccess: [{application: a, role: %s}]"),
	"system role":              roles.in("AccessGroup", "{type: System, systemAccess: [{organization: a, role: %s}]}"),
	"user's organization role": roles.in("UserAccess", "{user: a, organizationRole: %s}"),
	"system role's meaning":    roles.in("AccessPolicy", "systemRoles: [{name: a, applicationRole: %s}]"),
	"minimum role":             roles.in("AccessPolicy", "exclusiveAccess: [{name: a, applications: [a, b], minimumRole: %s}]"),
	"application":              applications.in("AccessGroup", "applicationAccess: [{application: %s, role: A}]"),
	"application with rows":    applications.in("AccessGroup", "dataPermissions: [{application: %s, anyOf: [{allOf: [{attribute: a, operator: In, values: [x]}]}]}]"),
	"organization":             applications.in("AccessGroup", "{type: System, systemAccess: [{organization: %s, role: A}]}"),
	"exclusive application":    applications.not("*").in("AccessPolicy", "exclusiveAccess: [{name: a, applications: [x, %s], minimumRole: A}]"),
	"name of a rule":           applications.not("*").in("AccessPolicy", "exclusiveAccess: [{name: %s, applications: [a, b], minimumRole: A}]"),
	"name of a channel":        applications.not("*").in("AccessPolicy", "notificationChannels: [{name: %s, type: Slack, secretRef: {name: a}}]"),
	"channel":                  applications.not("*").in("AccessGroup", "notification: {mode: OnChange, channels: [%s]}"),
	"secret":                   groups.in("AccessPolicy", "notificationChannels: [{name: a, type: Slack, secretRef: {name: %s}}]"),
	"beginning":                instants.in("AccessGroup", "members: [{user: a, notBefore: %s}]"),
	"end":                      instants.in("AccessGroup", "members: [{user: a, notAfter: %s}]"),
	"end of a role":            instants.in("AccessGroup", "applicationAccess: [{application: a, role: A, notAfter: %s}]"),
	"beginning of a user":      instants.in("UserAccess", "{user: a, notBefore: %s}"),
	"end of a user":            instants.in("UserAccess", "{user: a, notAfter: %s}"),
	"attribute": text{
		longest:  label(63),
		accepted: []string{"country", "_x9", "Country"},
		refused:  append([]string{"", "9a", "a-b", "a.b", "ä", "a b"}, unprintable...),
	}.in("AccessGroup", "dataPermissions: [{application: a, anyOf: [{allOf: [{attribute: %s, operator: In, values: [x]}]}]}]"),
	"attribute of a user": text{
		longest:  label(63),
		accepted: []string{"country", "_x9", "Country"},
		refused:  append([]string{"", "9a", "a-b", "a.b", "ä", "a b"}, unprintable...),
	}.in("UserAccess", "{user: a, attributes: [{name: %s, values: [x]}]}"),
	"attribute that rows refer to": text{
		longest:  label(63),
		accepted: []string{"country", "_x9", "Country"},
		refused:  append([]string{"", "9a", "a-b", "a.b", "ä", "a b"}, unprintable...),
	}.in("AccessGroup", "dataPermissions: [{application: a, anyOf: [{allOf: [{attribute: a, operator: In, userAttribute: %s}]}]}]"),
	"value of an attribute":  free.upTo(128).in("UserAccess", "{user: a, attributes: [{name: a, values: [%s]}]}"),
	"last review":            instants.in("AccessGroup", "reviewedAt: %s"),
	"role by a selector":     roles.in("AccessGroup", "applicationSelectors: [{selector: {matchLabels: {a: b}}, role: %s}]"),
	"end by a selector":      instants.in("AccessGroup", "applicationSelectors: [{selector: {matchLabels: {a: b}}, role: A, notAfter: %s}]"),
	"system role by a label": roles.in("AccessGroup", "{type: System, systemAccessSelectors: [{selector: {matchLabels: {a: b}}, role: %s}]}"),
	"label key": text{
		longest:  label(253) + "/" + label(63),
		accepted: []string{"team", "example.org/tier", "a.b_c-d", "9"},
		refused:  append([]string{"", "/a", "a/", "Example.org/a", "-a", "a-", "a b", "a/b/c"}, unprintable...),
	}.in("AccessGroup", "applicationSelectors: [{selector: {matchExpressions: [{key: %s, operator: Exists}]}, role: A}]"),
	"label value": text{
		longest:  label(63),
		accepted: []string{"", "one", "a.b_c-d", "9"},
		refused:  append([]string{"-a", "a-", "a b", "a/b", "ä"}, unprintable...),
	}.in("AccessGroup", "applicationSelectors: [{selector: {matchExpressions: [{key: a, operator: In, values: [%s]}]}, role: A}]"),
	"declared role": roles.not("NoAccess").in("AccessPolicy", "applicationRoles: [{name: %s}]"),
	"permission": text{
		longest:  label(128),
		accepted: []string{"view", "manage-rules", "orders:read", "admin/users.v2", "a_b"},
		refused:  append([]string{"", "*", "orders:*", "-a", "a ", "a,b", "lesen/schön"}, unprintable...),
	}.in("AccessPolicy", "applicationRoles: [{name: A, permissions: [%s]}]"),
	"e-mail address": text{
		longest:  label(252) + "@b",
		accepted: []string{"a@b", "amelie+usher@acme.example", "o'neil@acme.example"},
		refused: append([]string{"", "a", "a@", "@b", "a@b@c", "a b@c", "a@b,c@d", "a@b;c@d", "Amelie<a@b>"},
			unprintable...),
	}.in("UserAccess", "{user: a, email: %s}"),
	"address": text{
		longest:  "https://a.example/" + label(2030),
		accepted: []string{"http://localhost:8080", "https://a.example?x=y", "https://[::1]:80/@me"},
		refused:  append([]string{"", "a.example", "ftp://a", "https://", "https://a b", "https://u:p@a", `https://a/"`}, unprintable...),
	}.in("AccessPolicy", "notificationChannels: [{name: a, type: Webhook, webhook: {url: %s}}]"),
}

var _ = Describe("Strings", func() {
	for name, text := range texts {
		It("may be, and may not be: "+name, func(ctx SpecContext) {
			try := func(value string) error {
				return create(ctx, object(text.kind, fmt.Sprintf(text.spec, strconv.QuoteToASCII(value))))
			}
			for _, value := range append([]string{text.longest}, text.accepted...) {
				Expect(try(value)).To(Succeed(), "%q", value)
			}
			runes := []rune(text.longest)
			longer := string(append(runes, runes[len(runes)-1]))
			for _, value := range append([]string{longer}, text.refused...) {
				Expect(causesOf(try(value))).To(HaveEach(HavePrefix("spec.")), "%q", value)
			}
		})
	}
})

var _ = DescribeTable("Refusals explain in words", func(ctx SpecContext, kind, spec, field, words string) {
	Expect(causesOf(create(ctx, object(kind, spec)))).To(ContainElement(And(HavePrefix(field+": "), HaveSuffix(words))))
},
	Entry("that a user has white space", "AccessGroup", "members: [{user: a}, {user: two words}]", "spec.members[1].user",
		"it has white space in it; a user has no white space, no control or format character, no comma, double quote or backslash"),
	Entry("that a user has a comma", "AccessGroup", "members: [{user: 'a,b'}]", "spec.members[0].user",
		"it has a comma in it; a user has no white space, no control or format character, no comma, double quote or backslash"),
	Entry("that a user has a double quote", "UserAccess", `user: 'a"b'`, "spec.user",
		"it has a double quote in it; a user has no white space, no control or format character, no comma, double quote or backslash"),
	Entry("that a user has a backslash", "UserAccess", `user: 'acme\amelie'`, "spec.user",
		"it has a backslash in it; a user has no white space, no control or format character, no comma, double quote or backslash"),
	Entry("that a user has a character that is not seen", "UserAccess", `user: "a\u200bb"`, "spec.user",
		"it has a control or format character in it; a user has no white space, no control or format character, no comma, double quote or backslash"),
	Entry("how to write an application", "AccessGroup", "applicationAccess: [{application: Crates.io, role: A}]",
		"spec.applicationAccess[0].application",
		"an application is a DNS label: lower-case letters, digits and -; write crates-io, and give its ApplicationAccess the displayName Crates.io"),
	Entry("what an application is, where no label is near", "AccessGroup", "applicationAccess: [{application: '**', role: A}]",
		"spec.applicationAccess[0].application", "an application is a DNS label: lower-case letters, digits and -"),
	Entry("how to write an application of a rule", "AccessPolicy",
		"exclusiveAccess: [{name: a, applications: [x, K8s_Infra], minimumRole: A}]", "spec.exclusiveAccess[0].applications[1]",
		"an application is a DNS label: lower-case letters, digits and -; write k8s-infra, and give its ApplicationAccess the displayName K8s_Infra"),
)

package console

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// largestPage is the maximum size of a page.
const largestPage = 300 << 10

func TestPagesOfTheSamples(t *testing.T) {
	s := openSite(t, samples)
	for path, want := range map[string][]string{
		"":                                                 {"Groups of analytics", "4 of 4 groups", "France", "In effect"},
		"o/analytics/groups":                               {"Groups of analytics"},
		"o/analytics/groups?q=germ":                        {"1 of 4 groups", "Germany"},
		"o/analytics/groups?state=Review+due":              {"There is no such group"},
		"o/analytics/groups?sort=-Members":                 {"Groups of analytics"},
		"o/analytics/groups/france":                        {"France", "amelie@acme.example", "until 2035-01-01", "Viewer of finance", "country = France and product in (laptops, servers)", "groups.yaml"},
		"o/analytics/users":                                {"Users of analytics", "amelie@acme.example", "Active"},
		"o/analytics/users?state=without":                  {"There is no such user"},
		"user?name=amelie@acme.example":                    {"Roles in analytics", "Editor", "AccessGroup/analytics/germany", "Every grant in analytics"},
		"o/analytics/applications":                         {"finance", "published"},
		"o/analytics/applications/finance":                 {"Who has it", "clara@acme.example", "Roles and permissions", "Administrator"},
		"o/analytics/applications/finance?permission=edit": {"amelie@acme.example"},
		"o/analytics/matrix":                               {"users by 2 applications", "some rows", "Download CSV"},
		"o/analytics/policy":                               {"MostPermissive", "Organization roles", "No channel is declared"},
		"system":                                           {"System groups", "It stands in namespace access-system"},
		"reviews?within=3650":                              {"Germany", "2026-10-28"},
		"changes":                                          {"Nothing was changed yet"},
		"bulk?do=add&group=analytics/france":               {"Add members", "analytics/france"},
	} {
		t.Run(path, func(t *testing.T) {
			a := s.get(path)
			if a.status != http.StatusOK {
				t.Fatalf("status %d: %s", a.status, text(a.text))
			}
			a.has(t, want...)
			if len(a.text) > largestPage {
				t.Errorf("%d bytes", len(a.text))
			}
		})
	}
}

func TestPagesThatDoNotExist(t *testing.T) {
	s := openSite(t, samples)
	for path, want := range map[string]string{
		"o/nowhere/groups":                 "is not an organization that the console shows",
		"o/analytics/groups/nobody":        "Nothing was done",
		"user?name=nobody@acme.example":    "Nothing is known of nobody@acme.example",
		"o/analytics/applications/nothing": "Nothing names application nothing",
		"drafts/x/general":                 "This change is not kept any more",
		"nothing":                          "no such page",
		"assets/nothing":                   "not found",
		"switch?organization=nowhere":      "Choose an organization",
		"o/analytics/groups/..%2f..%2fetc": "Nothing was done",
	} {
		t.Run(path, func(t *testing.T) {
			a := s.get(path)
			if a.status != http.StatusNotFound {
				t.Errorf("status %d", a.status)
			}
			a.has(t, want)
		})
	}
}

// TestHostileText shows objects with markup, directions and long names. Files are not validated by an API server.
func TestHostileText(t *testing.T) {
	directory := t.TempDir()
	long := strings.Repeat("x", 200)
	objects := `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: hostile, namespace: acme}
spec:
  displayName: "<script>alert(1)</script>"
  description: "</p><img src=x onerror=alert(1)> \u202Etxt \u0301"
  members: [{user: "<b>ana</b>"}, {user: "` + long + `"}, {user: "אנה@acme.example"}]
  applicationAccess: [{application: red, role: "Viewer"}]
  dataPermissions:
  - application: red
    anyOf: [{allOf: [{attribute: country, operator: In, values: ["<i>x</i>"]}]}]
`
	if err := os.WriteFile(filepath.Join(directory, "hostile.yaml"), []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSite(t, directory)
	for _, path := range []string{
		"o/acme/groups", "o/acme/groups/hostile", "o/acme/users", "user?name=" + url.QueryEscape("<b>ana</b>"), "o/acme/matrix",
		"o/acme/groups?q=" + url.QueryEscape(`"><script>alert(1)</script>`), "user?name=" + url.QueryEscape("<script>x</script>"),
		"bulk?do=add&group=" + url.QueryEscape("<script>x</script>"), "o/" + url.PathEscape("<script>") + "/groups",
	} {
		t.Run(path, func(t *testing.T) {
			page := s.get(path).text
			for _, forbidden := range []string{"<script>", "<b>", "<img", "<i>", "\u202e"} {
				if strings.Contains(page, forbidden) {
					t.Errorf("%q is in the page", forbidden)
				}
			}
		})
	}
	s.get("o/acme/groups/hostile").has(t, long, "אנה@acme.example", `\u202e`)
}

func TestSuggestions(t *testing.T) {
	s := openSite(t, samples)
	for query, want := range map[string]string{
		"kind=users&q=AMEL":                              `["amelie@acme.example"]`,
		"kind=groups&organization=analytics&q=r":         `["austria-rows","france","germany","own-countries"]`,
		"kind=groups&qualified=yes&q=analytics/f":        `["analytics/france"]`,
		"kind=applications&organization=analytics&q=fin": `["finance"]`,
		"kind=organizations&q=emea":                      `["security-emea"]`,
		"kind=users&q=nobody":                            `[]`,
	} {
		if got := s.get("suggest?" + query).text; got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

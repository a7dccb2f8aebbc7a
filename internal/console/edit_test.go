package console

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCreateAGroupInThreeSteps goes through the form without a script, and confirms what it shows.
func TestCreateAGroupInThreeSteps(t *testing.T) {
	s := openSite(t, samples)
	general, page := s.follow(s.get("o/analytics/groups"), "o/analytics/groups/new", nil)
	page.has(t, "New group in analytics", "General", "Add members")
	privileges, page := s.follow(page, general, url.Values{
		"name": {"spain"}, "displayName": {"Spain"}, "add": {"amelie@acme.example, eva@acme.example"}, "add.notAfter": {"2027-01-31T18:00"},
	})
	page.has(t, "Roles in applications", "Role in the organization")
	notification, page := s.follow(page, privileges, url.Values{
		"privileges": {"Enabled"}, "grant.0.application": {"finance"}, "grant.0.role": {"Viewer"},
		"grant.1.application": {"sales"}, "grant.1.role": {"Editor"},
		"rows.0.application": {"finance"}, "rows.0.rows": {"country = Spain\ncountry in user.countries"},
	})
	page.has(t, "Channels")
	review, page := s.follow(page, notification, url.Values{"mode": {"OnChange"}, "message": {"Welcome"}})
	page.has(t, "AccessGroup/analytics/spain", "is created", "eva@acme.example", "gains", "Nothing is written yet")
	if _, err := os.Stat(filepath.Join(s.directory, "accessgroup-analytics-spain.yaml")); err == nil {
		t.Fatal("the file was written before the confirmation")
	}
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "What was done", "applied")
	want := `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: spain
  namespace: analytics
spec:
  displayName: Spain
  applicationAccess:
  - application: finance
    role: Viewer
  - application: sales
    role: Editor
  dataPermissions:
  - application: finance
    anyOf:
    - allOf:
      - attribute: country
        operator: In
        values:
        - Spain
    - allOf:
      - attribute: country
        operator: In
        userAttribute: countries
  members:
  - user: amelie@acme.example
    notAfter: "2027-01-31T18:00:00Z"
  - user: eva@acme.example
    notAfter: "2027-01-31T18:00:00Z"
  notification:
    message: Welcome
    mode: OnChange
`
	if diff := cmp.Diff(want, s.file("accessgroup-analytics-spain.yaml")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.get("o/analytics/groups/spain").has(t, "eva@acme.example", "Editor of sales")
	s.get("changes").has(t, "New group in analytics", "done")
	again := s.post(s.get("o/analytics/groups"), strings.TrimSuffix(review, stepReview)+"confirm", nil)
	if again.status != http.StatusConflict {
		t.Errorf("a second confirmation: %d", again.status)
	}
}

func TestEditsKeepCommentsAndCanBeUndone(t *testing.T) {
	s := openSite(t, samples)
	before := s.file("analytics/groups.yaml")
	page := s.get("bulk?do=remove&group=analytics/france&user=bruno@acme.example")
	review, page := s.follow(page, "bulk", url.Values{"do": {"remove"}, "group": {"analytics/france"}, "user": {"bruno@acme.example"}})
	page.has(t, "bruno@acme.example", "loses", "Viewer", "groups.yaml")
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "applied", "Undo")
	after := s.file("analytics/groups.yaml")
	if strings.Contains(after, "bruno") || !strings.Contains(after, "# Amelie is in both groups.") {
		t.Errorf("the file:\n%s", after)
	}
	id := strings.Split(review, "/")[1]
	review, page = s.follow(page, "changes/"+id+"/undo", nil)
	page.has(t, "Undo: Remove members: france", "bruno@acme.example", "gains")
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "applied")
	if got := s.file("analytics/groups.yaml"); !strings.Contains(got, "bruno@acme.example") || strings.Count(got, "\n") < strings.Count(before, "\n")-2 {
		t.Errorf("the file:\n%s", got)
	}
}

func TestBulkEditOfSeveralGroups(t *testing.T) {
	s := openSite(t, samples)
	page := s.get("bulk?do=set-role&group=analytics/france&group=analytics/germany")
	page.has(t, "Set role", "Application")
	review, page := s.follow(page, "bulk", url.Values{
		"do": {"set-role"}, "group": {"analytics/france\nanalytics/germany"}, "application": {"finance"}, "role": {"Administrator"},
	})
	page.has(t, "Write the files", "AccessGroup/analytics/france", "AccessGroup/analytics/germany", "raised")
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "Done: 2 objects.")
	s.get("o/analytics/applications/finance").has(t, "clara@acme.example Administrator")
}

func TestRemoveALeaverEverywhere(t *testing.T) {
	s := openSite(t, samples)
	page := s.get("user?name=amelie@acme.example")
	review, page := s.follow(page, "user/leave", url.Values{"user": {"amelie@acme.example"}})
	page.has(t, "Remove amelie@acme.example from all groups", "loses")
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "Done: 2 objects.")
	if strings.Contains(s.file("analytics/groups.yaml"), "user: amelie") {
		t.Error("a group still names the user")
	}
}

func TestSuspend(t *testing.T) {
	s := openSite(t, samples)
	review, page := s.follow(s.get("user?name=dana@acme.example"), "o/analytics/user/edit", url.Values{"user": {"dana@acme.example"}, "state": {"Suspended"}})
	page.has(t, "Suspend dana@acme.example in analytics", "loses", "The user is suspended")
	s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	s.get("user?name=dana@acme.example").has(t, "End suspension in analytics", "Barred in analytics")
	s.get("o/analytics/users?state=suspended").has(t, "1 of", "dana@acme.example")
}

// TestSuspendEverywhere writes a UserAccess into the system namespace. The organization keeps its own state.
func TestSuspendEverywhere(t *testing.T) {
	s := openSite(t, samples)
	page := s.get("user?name=dana@acme.example")
	page.has(t, "In every organization", "not suspended there")
	review, page := s.follow(page, "o/access-system/user/edit", url.Values{"user": {"dana@acme.example"}, "state": {"Suspended"}})
	page.has(t, "Suspend dana@acme.example in access-system", "loses", "The user is suspended")
	s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	s.get("user?name=dana@acme.example").has(t, "suspended everywhere", "End suspension in access-system", "Suspend in analytics", "Barred in analytics")
}

// TestSystemGroupByLabel creates a System group with an entry for an organization, and one for others by their labels.
func TestSystemGroupByLabel(t *testing.T) {
	s := openSite(t, samples)
	general, page := s.follow(s.get("system"), "o/access-system/groups/new", nil)
	privileges, page := s.follow(page, general, url.Values{"name": {"auditors"}, "add": {"zoe@acme.example"}})
	page.has(t, "Another organization", "Other organizations with labels")
	wrong := s.post(page, privileges, url.Values{"labelled.0.organizations": {"region in emea"}, "labelled.0.role": {"Auditor"}})
	if wrong.status != http.StatusUnprocessableEntity {
		t.Errorf("labels that are none: %d", wrong.status)
	}
	review, page := s.follow(wrong, privileges, url.Values{
		"system.0.organization": {"analytics"}, "system.0.applications": {"finance: Viewer"}, "system.0.labels": {"tier in (internal,test): Viewer"},
		"labelled.0.organizations": {"region=emea"}, "labelled.0.organizationRole": {"Viewer"}, "to": {stepReview},
	})
	s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	want := `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: auditors
  namespace: access-system
spec:
  type: System
  members:
  - user: zoe@acme.example
  systemAccess:
  - organization: analytics
    applicationAccess:
    - application: finance
      role: Viewer
    applicationSelectors:
    - role: Viewer
      selector:
        matchExpressions:
        - key: tier
          operator: In
          values:
          - internal
          - test
  systemAccessSelectors:
  - organizationRole: Viewer
    selector:
      matchLabels:
        region: emea
`
	if diff := cmp.Diff(want, s.file("accessgroup-access-system-auditors.yaml")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestEditThePolicy adds a rule of exclusive access and a channel.
func TestEditThePolicy(t *testing.T) {
	s := openSite(t, samples)
	general, page := s.follow(s.get("o/analytics/policy"), "o/analytics/policy/edit", nil)
	form := url.Values{
		"conflictResolution": {"MostPermissive"}, "exclusive.0.name": {"books"}, "exclusive.0.applications": {"finance"}, "exclusive.0.role": {"Editor"},
		"channel.0.name": {"hook"}, "channel.0.type": {"Webhook"}, "channel.0.server": {"mail.acme.example:25"}, "channel.0.url": {"https://hooks.acme.example"},
		"to": {stepReview},
	}
	wrong := s.post(page, general, form)
	wrong.has(t, "name at least two applications", "only mail has a server and a sender")
	form.Set("exclusive.0.applications", "finance, sales")
	form.Set("channel.0.server", "")
	review, page := s.follow(wrong, general, form)
	s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	s.get("o/analytics/policy").has(t, "books finance, sales Editor", "hook Webhook https://hooks.acme.example")
}

func TestDelete(t *testing.T) {
	s := openSite(t, samples)
	page := s.get("bulk?do=delete&group=analytics/own-countries")
	review, page := s.follow(page, "bulk", url.Values{"do": {"delete"}, "group": {"analytics/own-countries"}})
	page.has(t, "is deleted")
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "Done: 1 object.")
	if got := s.file("analytics/groups.yaml"); strings.Contains(got, "own-countries") || !strings.Contains(got, "name: austria-rows") {
		t.Errorf("the file:\n%s", got)
	}
}

// TestInvalidInput checks that a form is shown again with what was entered, and an error beside the field.
func TestInvalidInput(t *testing.T) {
	s := openSite(t, samples)
	start := func() (string, *answer) {
		return s.follow(s.get("o/analytics/groups/france"), "o/analytics/groups/france/edit", url.Values{"step": {stepPrivileges}})
	}
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"a row without a role":         {url.Values{"grant.0.application": {"finance"}}, "Error: choose a role"},
		"a row without an application": {url.Values{"grant.0.role": {"Viewer"}}, "the role needs an application"},
		"rows that cannot be read":     {url.Values{"rows.0.application": {"finance"}, "rows.0.rows": {"country is France"}}, "an operator is expected"},
		"a window that ends first": {url.Values{"grant.0.application": {"finance"}, "grant.0.role": {"Viewer"}, "grant.0.notBefore": {"2027-01-02T00:00"},
			"grant.0.notAfter": {"2027-01-01T00:00"}}, "the end is not after the begin"},
		"an instant that is none": {url.Values{"grant.0.application": {"finance"}, "grant.0.role": {"Viewer"}, "grant.0.notAfter": {"tomorrow"}}, "is not a date and time"},
		"labels that are none":    {url.Values{"selector.0.labels": {"a b"}, "selector.0.role": {"Viewer"}}, "Error:"},
		"two rows for one":        {url.Values{"grant.0.application": {"a"}, "grant.0.role": {"Viewer"}, "grant.1.application": {"a"}, "grant.1.role": {"Editor"}}, "there are two rows for a"},
	} {
		t.Run(name, func(t *testing.T) {
			step, page := start()
			a := s.post(page, step, c.form)
			if a.status != http.StatusUnprocessableEntity {
				t.Errorf("status %d", a.status)
			}
			a.has(t, "Nothing was saved")
			if !strings.Contains(text(strings.ReplaceAll(a.text, `<p class="error"`, `<p>Error: <p class="error"`)), c.want) {
				t.Errorf("%q is missing in %s", c.want, text(a.text))
			}
		})
	}
}

// TestSomebodyElseEdits changes a file between the form and its confirmation.
func TestSomebodyElseEdits(t *testing.T) {
	s := openSite(t, samples)
	general, page := s.follow(s.get("o/analytics/groups/france"), "o/analytics/groups/france/edit", nil)
	review, _ := s.follow(page, general, url.Values{"displayName": {"La France"}, "to": {stepReview}})
	name := filepath.Join(s.directory, "analytics", "groups.yaml")
	changed := strings.Replace(s.file("analytics/groups.yaml"), "displayName: France", "displayName: Frankreich", 1)
	if err := os.WriteFile(name, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.server.backend.(*filesBackend).reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	page = s.get(review)
	page.has(t, "Somebody changed AccessGroup/analytics/france meanwhile", "France Frankreich La France", "Begin again from the newest version")
	if strings.Contains(page.text, "Write the files") {
		t.Error("the change can be confirmed")
	}
	a := s.post(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	if a.status != http.StatusConflict {
		t.Errorf("a confirmation all the same: %d", a.status)
	}
	a.has(t, "France Frankreich La France")
	if s.file("analytics/groups.yaml") != changed {
		t.Error("the file was written over")
	}
}

func TestManifestAndPatch(t *testing.T) {
	s := openSite(t, samples)
	review, page := s.follow(s.get("bulk?do=remove&group=analytics/france"), "bulk",
		url.Values{"do": {"remove"}, "group": {"analytics/austria-rows"}, "user": {"clara@acme.example"}})
	page.has(t, "Download the manifest", "Download the patch")
	draft := strings.TrimSuffix(review, stepReview)
	want := `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: austria-rows
  namespace: analytics
spec:
  members: null
`
	if diff := cmp.Diff(want, s.get(draft+"patch.yaml").text); diff != "" {
		t.Errorf("patch: -want +got:\n%s", diff)
	}
	if manifest := s.get(draft + "manifest.yaml"); !strings.Contains(manifest.text, "name: austria-rows") || strings.Contains(manifest.text, "clara") {
		t.Errorf("manifest:\n%s", manifest.text)
	}
}

package document_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
)

// ofAmelie returns a user document.
func ofAmelie(change func(*document.User)) document.User {
	d := document.User{
		APIVersion: document.APIVersion, Kind: document.KindUser, Organization: "acme", User: amelie,
		OrganizationRole: "Editor", DefaultRole: "Viewer", DefaultFilters: frenchRows, Filters: rows, NotAfter: start.Add(2 * time.Hour),
		Applications: map[string]document.UserApplication{
			"finance": {Role: "Editor", Permissions: []string{"edit", "view"}, NotAfter: start.Add(time.Hour), Source: "AccessGroup/acme/france"},
			"sales":   {Role: "Viewer", Permissions: []string{"view"}, Filters: frenchRows, Source: "AccessGroup/acme/france"},
			"payroll": {Role: document.NoAccess},
		},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func followUser(t *testing.T, dir string, now *clock) *document.UserFollower {
	t.Helper()
	f, err := document.FollowUser(t.Context(), amelie, document.Options{
		Directories: []string{dir}, Organization: "acme", Now: now.Now, PollInterval: 5 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// userAnswers are all answers of a user document for some applications.
type userAnswers struct {
	Organization, Default string
	DefaultRows           document.Filters
	Roles                 map[string]string
	Edit, View            map[string]bool
	Rows                  map[string]document.Filters
}

func ask(f *document.UserFollower) userAnswers {
	a := userAnswers{
		Organization: f.OrganizationRole(), Default: f.DefaultRole(), DefaultRows: f.DefaultFilters(),
		Roles: map[string]string{}, Edit: map[string]bool{}, View: map[string]bool{}, Rows: map[string]document.Filters{},
	}
	for _, application := range []string{"finance", "sales", "payroll", "other"} {
		a.Roles[application] = f.Role(application)
		a.Edit[application] = f.Can(application, "edit")
		a.View[application] = f.Can(application, "view")
		a.Rows[application] = f.Filters(application)
	}
	return a
}

func TestUserAnswers(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	write(t, filepath.Join(dir, "access.json"), encode(t, ofAmelie(nil)))
	f := followUser(t, dir, now)

	want := userAnswers{
		Organization: "Editor", Default: "Viewer", DefaultRows: france,
		Roles: map[string]string{"finance": "Editor", "sales": "Viewer", "payroll": "NoAccess", "other": "Viewer"},
		Edit:  map[string]bool{"finance": true, "sales": false, "payroll": false, "other": false},
		View:  map[string]bool{"finance": true, "sales": true, "payroll": false, "other": false},
		Rows: map[string]document.Filters{
			"finance": nil, "sales": france, "payroll": document.Nothing(), "other": france,
		},
	}
	if diff := cmp.Diff(want, ask(f)); diff != "" {
		t.Error("in the beginning:", diff)
	}

	now.pass(time.Hour) // an entry expires: NoAccess, not the default role
	want.Roles["finance"], want.Rows["finance"] = document.NoAccess, document.Nothing()
	want.Edit["finance"], want.View["finance"] = false, false
	if diff := cmp.Diff(want, ask(f)); diff != "" {
		t.Error("when the entry has ended:", diff)
	}

	now.pass(time.Hour) // the rest expires; entries have their own expiry
	want.Organization, want.Default, want.DefaultRows = document.NoAccess, document.NoAccess, document.Nothing()
	want.Roles["other"], want.Rows["other"] = document.NoAccess, document.Nothing()
	if diff := cmp.Diff(want, ask(f)); diff != "" {
		t.Error("when all but the entries has ended:", diff)
	}
}

func TestUserDocumentChanges(t *testing.T) {
	m, now := &mount{dir: t.TempDir()}, newClock()
	f := followUser(t, m.dir, now)
	if f.OrganizationRole() != document.NoAccess || f.Role("sales") != document.NoAccess || f.Filters("sales") == nil {
		t.Error("access without a document")
	}
	m.swap(t, map[string]string{"access.json": encode(t, ofAmelie(nil))})
	eventuallyIs(t, "the role", func() string { return f.Role("sales") }, "Viewer")
	m.swap(t, map[string]string{"access.json": encode(t, ofAmelie(func(d *document.User) { d.User = zoe }))})
	eventuallyIs(t, "standing in", func() int { return f.Stats().StandingIn }, 1)
	if f.Role("sales") != "Viewer" {
		t.Error("the last good document is not used")
	}
	now.pass(document.DefaultGrace)
	if f.Role("sales") != document.NoAccess || f.DefaultRole() != document.NoAccess {
		t.Error("the last good document is used for too long")
	}
	m.swap(t, map[string]string{"access.json": encode(t, ofAmelie(func(d *document.User) { d.Organization = "globex" }))})
	eventuallyIs(t, "denying", func() int { return f.Stats().Denying }, 1)
	m.swap(t, map[string]string{"access.json": encode(t, finance(0, 1, with("Viewer", amelie)))})
	eventuallyIs(t, "failures", func() bool { return f.Stats().Failures >= 2 }, true)
	m.swap(t, map[string]string{"access.json": encode(t, ofAmelie(nil))})
	eventuallyIs(t, "the role", func() string { return f.Role("sales") }, "Viewer")
	m.swap(t, nil)
	eventuallyIs(t, "the role", func() string { return f.Role("sales") }, document.NoAccess)
}

func TestSeveralUserDocumentsGiveNoAccess(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	write(t, filepath.Join(dir, "a.json"), encode(t, ofAmelie(nil)))
	write(t, filepath.Join(dir, "b.json"), encode(t, ofAmelie(func(d *document.User) { d.DefaultRole = "Administrator" })))
	f := followUser(t, dir, now)
	if f.DefaultRole() != document.NoAccess || f.Stats().Denying != 2 {
		t.Errorf("%s of several, %d denying", f.DefaultRole(), f.Stats().Denying)
	}
}

func TestUserCloseLeavesTheGrace(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	write(t, filepath.Join(dir, "access.json"), encode(t, ofAmelie(nil)))
	f := followUser(t, dir, now)
	f.Close()
	if f.Role("sales") != "Viewer" {
		t.Error("requests that are under way are denied")
	}
	now.pass(document.DefaultGrace)
	if f.Role("sales") != document.NoAccess {
		t.Error("answers that are not updated any more never expire")
	}
}

func TestUserHitsDoNotAllocate(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	write(t, filepath.Join(dir, "access.json"), encode(t, ofAmelie(nil)))
	f := followUser(t, dir, now)
	allocations := testing.AllocsPerRun(1000, func() {
		if !f.Can("finance", "edit") || f.Role("sales") != "Viewer" || len(f.Filters("other")) != 1 ||
			len(f.Filters("payroll")) != 1 || f.OrganizationRole() != "Editor" {
			t.Fatal("wrong answer")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

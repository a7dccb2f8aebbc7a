package roster_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// TestIncrementalEqualsFresh changes objects at random. After every step it compares the roster with a new one
// that is built from the same objects: decisions, named applications, and all contents of statuses.
func TestIncrementalEqualsFresh(t *testing.T) {
	for seed := range uint64(60) {
		w := rostertest.NewWorld(seed, 7)
		options := roster.Options{SystemNamespace: rostertest.System}
		r := roster.New(options)
		objects := map[string]client.Object{}
		now := w.Start
		known := map[string]*resolve.Decision{}
		reported := map[string]string{}
		for step := range 120 {
			for range 1 + w.IntN(3) {
				o := w.Object()
				if w.Chance(15) {
					o = w.Namespace()
				}
				key := rostertest.Key(o)
				if old := objects[key]; old != nil && w.Chance(50) {
					must(t, r.Remove(old))
					delete(objects, key)
					continue
				}
				must(t, r.Set(o))
				objects[key] = o
			}
			if w.Chance(30) {
				now = now.Add(time.Duration(w.IntN(4)) * time.Minute)
			}
			if w.Chance(3) {
				now = now.Add(-5 * time.Minute)
			}
			changes := r.Settle(now)
			fresh := roster.New(options)
			for _, key := range slices.Sorted(maps.Keys(objects)) {
				must(t, fresh.Set(objects[key]))
			}
			fresh.Settle(now)
			if differences := preview.Diff(fresh.View(), r.View()); len(differences) > 0 {
				d := differences[0]
				t.Fatalf("seed %d, step %d: %s in %s:\n fresh %+v\n kept  %+v", seed, step, d.User, d.Organization, d.Before, d.After)
			}
			compareReports(t, fresh, r, objects, fmt.Sprintf("seed %d, step %d", seed, step))
			checkTouched(t, reported, changes, r, objects, fmt.Sprintf("seed %d, step %d", seed, step))
			follow(t, known, changes, r)
			if next := r.View().Next(); !next.IsZero() && !next.After(now) {
				t.Fatalf("seed %d, step %d: the next window %s is not after %s", seed, step, next, now)
			}
		}
	}
}

// follow applies the changes to the known decisions. Together the changes must be complete.
func follow(t *testing.T, known map[string]*resolve.Decision, changes roster.Changes, r *roster.Roster) {
	t.Helper()
	for _, c := range changes.Users {
		key := c.Organization + "/" + c.User
		if was := known[key]; (was == nil) != (c.Before == nil) || (was != nil && !was.Equal(c.Before)) {
			t.Fatalf("%s: the change starts from %+v, known is %+v", key, c.Before, was)
		}
		if known[key] = c.After; c.After == nil {
			delete(known, key)
		}
	}
	count := 0
	for _, organization := range r.View().Organizations() {
		for _, user := range r.View().Users(organization) {
			count++
			if d := known[organization+"/"+user]; d == nil || !d.Equal(r.View().Decision(organization, user)) {
				t.Fatalf("%s/%s: the changes do not contain %+v", organization, user, r.View().Decision(organization, user))
			}
		}
	}
	if count != len(known) {
		t.Fatalf("the changes contain %d users, there are %d", len(known), count)
	}
}

// isDue reports whether a review of the group is due.
func isDue(g *roster.GroupReport, r *roster.Roster) bool {
	return !g.ReviewDue.IsZero() && !g.ReviewDue.After(r.View().Now())
}

// checkTouched checks that the changes list every object whose report has changed.
func checkTouched(
	t *testing.T, reported map[string]string, changes roster.Changes, r *roster.Roster,
	objects map[string]client.Object, where string,
) {
	t.Helper()
	for key, o := range objects {
		report := ""
		switch o := o.(type) {
		case *accessv1alpha1.AccessGroup:
			g := r.View().Group(o.Namespace, o.Name, 20)
			report = fmt.Sprintf("%+v", []any{g.Report, g.Members, g.OverBound, g.Conflicts, g.Samples, isDue(g, r)})
		case *accessv1alpha1.UserAccess:
			u := r.View().User(o.Namespace, o.Name, 20)
			report = fmt.Sprintf("%+v", []any{u.Report, u.Groups, u.Counting, u.Samples})
			if u.Decision != nil {
				report += fmt.Sprint(u.Decision.HiddenRows, u.Decision.TooManyWindows, u.Decision.OrganizationRole)
			}
		case *accessv1alpha1.AccessPolicy:
			p := r.View().Policy(o.Namespace)
			report = fmt.Sprintf("%+v", []any{p.Report, p.Organizations, p.Expiring})
		}
		if was, known := reported[key]; known && was != report && !slices.Contains(changes.Objects, roster.ObjectOf(o)) {
			t.Fatalf("%s: nobody is told that the report on %s is another one:\n%s\n%s", where, key, was, report)
		}
		reported[key] = report
	}
	maps.DeleteFunc(reported, func(key, _ string) bool { return objects[key] == nil })
}

func compareReports(t *testing.T, fresh, kept *roster.Roster, objects map[string]client.Object, where string) {
	t.Helper()
	same := func(what string, a, b any) {
		t.Helper()
		if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
			t.Fatalf("%s: %s:\n fresh %+v\n kept  %+v", where, what, a, b)
		}
	}
	same("organizations", fresh.View().Organizations(), kept.View().Organizations())
	same("totals", fresh.View().Totals(), kept.View().Totals())
	for _, o := range fresh.View().Organizations() {
		same("applications of "+o, fresh.View().Applications(o), kept.View().Applications(o))
	}
	for _, user := range rostertest.Users {
		same("entries of "+user, fresh.View().Entries(user), kept.View().Entries(user))
		for _, n := range rostertest.Namespaces {
			a, b := fresh.View().Ownership(n, user), kept.View().Ownership(n, user)
			same("ownership of "+user+" in "+n, []any{a.Reason, a.Materialize, a.Owner == nil}, []any{b.Reason, b.Materialize, b.Owner == nil})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		switch o := objects[key].(type) {
		case *accessv1alpha1.AccessGroup:
			a, b := fresh.View().Group(o.Namespace, o.Name, 20), kept.View().Group(o.Namespace, o.Name, 20)
			same(key, []any{a.Report, a.Members, a.OverBound, a.Conflicts, a.Samples, isDue(a, fresh)},
				[]any{b.Report, b.Members, b.OverBound, b.Conflicts, b.Samples, isDue(b, kept)})
		case *accessv1alpha1.UserAccess:
			a, b := fresh.View().User(o.Namespace, o.Name, 20), kept.View().User(o.Namespace, o.Name, 20)
			same(key, []any{a.Report, a.Groups, a.Counting, a.Applications, a.Samples}, []any{b.Report, b.Groups, b.Counting, b.Applications, b.Samples})
		case *accessv1alpha1.AccessPolicy:
			a, b := fresh.View().Policy(o.Namespace), kept.View().Policy(o.Namespace)
			same(key, []any{a.Report, a.Organizations, a.Expiring}, []any{b.Report, b.Organizations, b.Expiring})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

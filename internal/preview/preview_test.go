package preview_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// TestPreviewEqualsFresh previews random changes. It compares each preview with two new rosters, one with the
// object before the change and one with the object after it. It then compares the roster with one that never ran
// a preview.
func TestPreviewEqualsFresh(t *testing.T) {
	for seed := range uint64(40) {
		w := rostertest.NewWorld(seed, 11)
		options := roster.Options{SystemNamespace: rostertest.System}
		r := roster.New(options)
		objects := map[string]client.Object{}
		for range 3 {
			n := w.Namespace()
			must(t, r.Set(n))
			objects[rostertest.Key(n)] = n
		}
		version := 0
		now := w.Start
		for step := range 60 {
			where := fmt.Sprintf("seed %d, step %d", seed, step)
			o := w.Object()
			version++
			o.SetResourceVersion(strconv.Itoa(version))
			key := rostertest.Key(o)
			if old := objects[key]; old != nil && w.Chance(40) {
				must(t, r.Remove(old))
				delete(objects, key)
			} else {
				must(t, r.Set(o))
				objects[key] = o
			}
			now = now.Add(time.Duration(w.IntN(2)) * time.Minute)
			r.Settle(now)
			for range 4 {
				previewOne(t, w, r, options, objects, now, where)
			}
			fresh := freshRoster(t, options, objects, now)
			if differences := preview.Diff(fresh.View(), r.View()); len(differences) > 0 {
				t.Fatalf("%s: the preview has left a trace: %+v", where, differences[0])
			}
			compareReports(t, fresh, r, objects, where)
			if changes := r.Settle(now); len(changes.Users)+len(changes.Rules)+len(changes.Objects)+len(changes.Accounts) > 0 {
				t.Fatalf("%s: the preview has left notes: %+v", where, changes)
			}
		}
	}
}

func of(t *testing.T, r *roster.Roster, before, after client.Object, now time.Time) *preview.Preview {
	t.Helper()
	found, err := preview.Of(t.Context(), r.View(), before, after, now)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func freshRoster(
	t *testing.T, options roster.Options, objects map[string]client.Object, now time.Time,
) *roster.Roster {
	t.Helper()
	fresh := roster.New(options)
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		must(t, fresh.Set(objects[key]))
	}
	fresh.Settle(now)
	return fresh
}

func previewOne(
	t *testing.T, w *rostertest.World, r *roster.Roster, options roster.Options, objects map[string]client.Object, now time.Time,
	where string,
) {
	t.Helper()
	after := w.Object()
	key := rostertest.Key(after)
	before := objects[key]
	switch {
	case before != nil && w.Chance(30):
		after = nil
	case w.Chance(15):
		// The roster has not received the newest version of the object.
		before = w.Object()
		if rostertest.Key(before) != key {
			before = nil
		}
	}
	world := maps.Clone(objects)
	delete(world, key)
	if before != nil {
		world[key] = before
	}
	was := freshRoster(t, options, world, now)
	if delete(world, key); after != nil {
		world[key] = after
	}
	is := freshRoster(t, options, world, now)
	found := of(t, r, before, after, now)
	where += " " + key
	comparePreview(t, found, was, is, where)
}

func comparePreview(t *testing.T, found *preview.Preview, was, is *roster.Roster, where string) {
	t.Helper()
	same := func(a, b *resolve.Decision) bool { return (a == nil) == (b == nil) && (a == nil || sameNow(a, b)) }
	touched := map[roster.Account]bool{}
	for _, u := range found.Users {
		touched[roster.Account{Namespace: u.Namespace, User: u.User}] = true
		if u.User == "" || u.Namespace == rostertest.System {
			continue
		}
		if is.View().Organization(u.Namespace) == nil {
			continue // compared as if it were still an organization
		}
		if a := is.View().Decision(u.Namespace, u.User); !same(u.After.Decision, a) {
			t.Fatalf("%s: %s in %s after:\n previewed %+v\n fresh %+v", where, u.User, u.Namespace, u.After.Decision, a)
		}
		if was.View().Organization(u.Namespace) == nil {
			continue // compared as if it had been an organization
		}
		if b := was.View().Decision(u.Namespace, u.User); !same(u.Before.Decision, b) {
			t.Fatalf("%s: %s in %s before:\n previewed %+v\n fresh %+v", where, u.User, u.Namespace, u.Before.Decision, b)
		}
	}
	for _, d := range preview.Diff(was.View(), is.View()) {
		began := was.View().Organization(d.Organization) == nil
		if !touched[roster.Account{Namespace: d.Organization, User: d.User}] && !began {
			t.Fatalf("%s: the preview missed %s in %s: %+v -> %+v", where, d.User, d.Organization, d.Before, d.After)
		}
	}
}

// sameNow reports whether the decisions are the same except for the ends of their entries, which a preview does
// not compute.
func sameNow(a, b *resolve.Decision) bool {
	outcome := func(a, b *resolve.Outcome) bool { return a.Role == b.Role && a.Rule == b.Rule && a.Source == b.Source }
	access := func(a, b *resolve.Access) bool {
		return outcome(&a.Outcome, &b.Outcome) && slices.EqualFunc(a.Filters, b.Filters, resolve.Filter.Equal)
	}
	same := a.Held == b.Held && a.Enters == b.Enters && slices.Equal(a.HiddenRows, b.HiddenRows) &&
		outcome(&a.OrganizationRole, &b.OrganizationRole) && access(&a.Default, &b.Default) &&
		reflect.DeepEqual(a.Conflicts, b.Conflicts) && reflect.DeepEqual(a.Exclusions, b.Exclusions)
	resolve.EachApplication(a, b, func(_ string, was, is *resolve.Access) { same = same && access(was, is) })
	return same
}

func TestPreviewTellsWhatAGroupGivesWithoutMembers(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	outer := group("acme", "outer", func(s *accessv1alpha1.AccessGroupSpec) { s.ApplicationAccess = viewer("red") })
	must(t, r.Set(outer))
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	r.Settle(now)
	changed := outer.DeepCopy()
	changed.Spec.MemberGroups = append(changed.Spec.MemberGroups, "inner")
	found := of(t, r, outer, changed, now)
	var through []string
	for _, u := range found.Users {
		through = append(through, u.Through)
		if u.Through == "inner" && (len(u.Before.Declared) != 0 || len(u.After.Declared) != 1) {
			t.Errorf("whoever is in inner had %d sources and would have %d, want 0 and 1",
				len(u.Before.Declared), len(u.After.Declared))
		}
	}
	if !slices.Equal(through, []string{"inner", "outer"}) {
		t.Errorf("looked through %q", through)
	}
}

// The schema rejects such an object, but a manifest may contain one.
func TestAPolicyOfAnotherNameIsNone(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	named := func(name string) *accessv1alpha1.AccessPolicy {
		p := &accessv1alpha1.AccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
		p.Spec.ConflictResolution = accessv1alpha1.ConflictResolutionMostPermissive
		return p
	}
	must(t, r.Set(named(accessv1alpha1.AccessPolicyName)))
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	r.Settle(now)
	of(t, r, nil, named("other"), now)
	of(t, r, named("other"), nil, now)
	must(t, r.Set(group("acme", "g", func(*accessv1alpha1.AccessGroupSpec) {})))
	r.Settle(now)
	if r.View().Policy("acme") == nil || r.View().Organization("acme").Rules().Strategy != resolve.MostPermissive {
		t.Error("the policy that counts is gone after a policy of another name was previewed")
	}
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
			same(key, []any{a.Report, a.Members, a.OverBound, a.Conflicts, a.Samples}, []any{b.Report, b.Members, b.OverBound, b.Conflicts, b.Samples})
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

func group(namespace, name string, change func(*accessv1alpha1.AccessGroupSpec)) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	change(&g.Spec)
	return g
}

func viewer(application string) []accessv1alpha1.ApplicationGrant {
	return []accessv1alpha1.ApplicationGrant{{Application: accessv1alpha1.ApplicationSelector(application), Role: "Viewer"}}
}

package roster_test

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
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// TestTrialEqualsFresh tries random changes, holds what they would bring against two rosters that are built anew, one
// with the object as it is and one with it as it would be, and holds the roster afterwards against one that never tried
// anything.
func TestTrialEqualsFresh(t *testing.T) {
	for seed := range uint64(40) {
		w := rostertest.NewWorld(seed, 11)
		options := roster.Options{SystemNamespace: rostertest.System}
		r := roster.New(options)
		objects := map[string]client.Object{}
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
				tryOne(t, w, r, options, objects, now, where)
			}
			fresh := freshRoster(t, options, objects, now)
			if differences := roster.Diff(fresh, r); len(differences) > 0 {
				t.Fatalf("%s: the trial has left a trace: %+v", where, differences[0])
			}
			compareReports(t, fresh, r, objects, where)
			if changes := r.Settle(now); len(changes.Users)+len(changes.Rules)+len(changes.Objects)+len(changes.Accounts) > 0 {
				t.Fatalf("%s: the trial has left notes: %+v", where, changes)
			}
		}
	}
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

func tryOne(
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
		// The roster does not have the newest look at it.
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
	trial, settled := r.Try(t.Context(), before, after, now)
	if !settled {
		t.Fatalf("%s: not settled", where)
	}
	where += " " + key
	compareTrial(t, trial, was, is, where)
}

func compareTrial(t *testing.T, trial *roster.Trial, was, is *roster.Roster, where string) {
	t.Helper()
	same := func(a, b *resolve.Decision) bool { return (a == nil) == (b == nil) && (a == nil || sameNow(a, b)) }
	touched := map[roster.Account]bool{}
	for _, u := range trial.Users {
		touched[roster.Account{Namespace: u.Namespace, User: u.User}] = true
		if u.User == "" || u.Namespace == rostertest.System {
			continue
		}
		if is.Organization(u.Namespace) == nil {
			continue // compared as if it still were one
		}
		if a := is.Decision(u.Namespace, u.User); !same(u.After.Decision, a) {
			t.Fatalf("%s: %s in %s after:\n tried %+v\n fresh %+v", where, u.User, u.Namespace, u.After.Decision, a)
		}
		if was.Organization(u.Namespace) == nil {
			continue // compared as if it had been one
		}
		if b := was.Decision(u.Namespace, u.User); !same(u.Before.Decision, b) {
			t.Fatalf("%s: %s in %s before:\n tried %+v\n fresh %+v", where, u.User, u.Namespace, u.Before.Decision, b)
		}
	}
	for _, d := range roster.Diff(was, is) {
		began := was.Organization(d.Organization) == nil
		if !touched[roster.Account{Namespace: d.Organization, User: d.User}] && !began {
			t.Fatalf("%s: the trial missed %s in %s: %+v -> %+v", where, d.User, d.Organization, d.Before, d.After)
		}
	}
}

// sameNow reports whether the decisions are the same, leaving aside when their entries end, which a trial does not tell.
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

func TestTrialTellsWhatAGroupGivesWithoutMembers(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	outer := group("acme", "outer", func(s *accessv1alpha1.AccessGroupSpec) { s.ApplicationAccess = viewer("red") })
	must(t, r.Set(outer))
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	r.Settle(now)
	changed := outer.DeepCopy()
	changed.Spec.MemberGroups = append(changed.Spec.MemberGroups, "inner")
	trial, _ := r.Try(t.Context(), outer, changed, now)
	var through []string
	for _, u := range trial.Users {
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

func TestNothingIsTriedOnAnUnsettledRoster(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	g := group("acme", "g", func(s *accessv1alpha1.AccessGroupSpec) { s.Members = members("ana") })
	must(t, r.Set(g))
	if _, settled := r.Try(t.Context(), nil, group("acme", "h", func(*accessv1alpha1.AccessGroupSpec) {}), time.Now()); settled {
		t.Error("tried before the group was settled")
	}
}

// No such object is accepted by the schema, but a manifest may hold one.
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
	r.Try(t.Context(), nil, named("other"), now)
	r.Try(t.Context(), named("other"), nil, now)
	must(t, r.Set(group("acme", "g", func(*accessv1alpha1.AccessGroupSpec) {})))
	r.Settle(now)
	if r.Policy("acme") == nil || r.Organization("acme").Rules().Strategy != resolve.MostPermissive {
		t.Error("the policy that counts is gone after a policy of another name was tried")
	}
}

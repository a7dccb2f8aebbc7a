package roster_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// world makes random objects over few names, so that they meet.
type world struct {
	*rand.Rand
	start time.Time
}

var (
	someNamespaces   = []string{"access-system", "acme", "globex", "initech"}
	someUsers        = []string{"ana", "ben", "cy", "dee", "eve"}
	someGroups       = []string{"g1", "g2", "g3", "g4"}
	someApplications = []string{"red", "blue", "green"}
	someRoles        = []string{"Administrator", "Editor", "Viewer", "NoAccess", "Owner", "Typo"}
	someSystemRoles  = []string{"SystemAdministrator", "Observer", "NoAccess", "Typo"}
)

func pick[T any](w *world, from []T) T { return from[w.IntN(len(from))] }

func (w *world) chance(percent int) bool { return w.IntN(100) < percent }

func (w *world) window() (notBefore, notAfter *metav1.Time) {
	if w.chance(15) {
		t := metav1.NewTime(w.start.Add(time.Duration(w.IntN(20)) * time.Minute))
		notBefore = &t
	}
	if w.chance(15) {
		t := metav1.NewTime(w.start.Add(time.Duration(20+w.IntN(20)) * time.Minute))
		notAfter = &t
	}
	return notBefore, notAfter
}

func (w *world) grants() []accessv1alpha1.ApplicationGrant {
	var grants []accessv1alpha1.ApplicationGrant
	for _, application := range append(slices.Clone(someApplications), "*") {
		if w.chance(25) {
			g := accessv1alpha1.ApplicationGrant{
				Application: accessv1alpha1.ApplicationSelector(application), Role: accessv1alpha1.RoleName(pick(w, someRoles)),
			}
			g.NotBefore, g.NotAfter = w.window()
			grants = append(grants, g)
		}
	}
	return grants
}

func (w *world) systemGrants() []accessv1alpha1.SystemGrant {
	var grants []accessv1alpha1.SystemGrant
	for _, organization := range append(slices.Clone(someNamespaces[1:]), "*") {
		if !w.chance(30) {
			continue
		}
		g := accessv1alpha1.SystemGrant{
			Organization: accessv1alpha1.OrganizationSelector(organization),
			Role:         accessv1alpha1.RoleName(pick(w, someSystemRoles)),
		}
		if w.chance(30) {
			g.ApplicationAccess = w.grants()
		}
		grants = append(grants, g)
	}
	return grants
}

func (w *world) meta(namespace, name string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: namespace, Name: name}
	if w.chance(50) {
		m.Labels = map[string]string{"team": pick(w, []string{"one", "two"})}
	}
	if w.chance(5) {
		deleted := metav1.NewTime(w.start)
		m.DeletionTimestamp = &deleted
	}
	return m
}

func (w *world) group() client.Object {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: w.meta(pick(w, someNamespaces), pick(w, someGroups))}
	atSystem := g.Namespace == someNamespaces[0]
	if atSystem != w.chance(10) {
		g.Spec.Type = accessv1alpha1.GroupTypeSystem
		g.Spec.SystemAccess = w.systemGrants()
	} else {
		g.Spec.ApplicationAccess = w.grants()
		if w.chance(30) {
			g.Spec.OrganizationRole = accessv1alpha1.RoleName(pick(w, someRoles))
		}
		if w.chance(30) {
			g.Spec.DataPermissions = []accessv1alpha1.DataPermission{{
				Application: accessv1alpha1.ApplicationSelector(pick(w, append(slices.Clone(someApplications), "*"))),
				AnyOf: []accessv1alpha1.RowAlternative{{AllOf: []accessv1alpha1.RowRequirement{{
					Attribute: "country", Operator: "In", Values: []accessv1alpha1.AttributeValue{pick(w,
						[]accessv1alpha1.AttributeValue{"France", "Germany"})},
				}}}},
			}}
		}
	}
	for _, user := range someUsers {
		if w.chance(35) {
			m := accessv1alpha1.Member{User: accessv1alpha1.UserName(user)}
			m.NotBefore, m.NotAfter = w.window()
			g.Spec.Members = append(g.Spec.Members, m)
		}
	}
	for _, name := range someGroups {
		if w.chance(15) {
			g.Spec.MemberGroups = append(g.Spec.MemberGroups, accessv1alpha1.GroupName(name))
		}
	}
	if w.chance(20) {
		g.Spec.MemberSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "one"}}
	}
	if w.chance(15) {
		g.Spec.Privileges = accessv1alpha1.GroupPrivilegesDisabled
	}
	return g
}

func (w *world) userAccess() client.Object {
	user := pick(w, someUsers)
	namespace := pick(w, someNamespaces)
	if w.chance(20) {
		return &accessv1alpha1.UserAccess{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: roster.UserName(user),
				Labels: map[string]string{accessv1alpha1.LabelMaterialized: accessv1alpha1.ValueTrue},
			},
			Spec: accessv1alpha1.UserAccessSpec{User: accessv1alpha1.UserName(user)},
		}
	}
	ua := &accessv1alpha1.UserAccess{ObjectMeta: w.meta(namespace, fmt.Sprintf("%s-%d", user, w.IntN(2)))}
	ua.Spec.User = accessv1alpha1.UserName(user)
	if w.chance(10) {
		ua.Spec.State = accessv1alpha1.UserStateSuspended
	}
	ua.Spec.NotBefore, ua.Spec.NotAfter = w.window()
	for _, name := range someGroups {
		if w.chance(15) {
			ua.Spec.Groups = append(ua.Spec.Groups, accessv1alpha1.GroupName(name))
		}
	}
	ua.Spec.ApplicationAccess = w.grants()
	ua.Spec.SystemAccess = w.systemGrants()
	if w.chance(20) {
		ua.Spec.OrganizationRole = accessv1alpha1.RoleName(pick(w, someRoles))
	}
	return ua
}

func (w *world) policy() client.Object {
	p := &accessv1alpha1.AccessPolicy{ObjectMeta: w.meta(pick(w, someNamespaces), accessv1alpha1.AccessPolicyName)}
	p.Spec.ConflictResolution = pick(w, []accessv1alpha1.ConflictResolution{"MostRestrictive", "MostPermissive"})
	p.Spec.IndividualAccess = pick(w, []accessv1alpha1.IndividualAccess{"Fallback", "Combined"})
	p.Spec.Administrators = pick(w, []accessv1alpha1.Administrators{"Protected", "Unprotected"})
	if w.chance(30) {
		p.Spec.ApplicationRoles = []accessv1alpha1.ApplicationRole{{Name: "Owner"}, {Name: "Viewer"}}
	}
	if w.chance(30) {
		p.Spec.SystemRoles = []accessv1alpha1.SystemRole{{Name: "Observer", ApplicationRole: "Viewer"}, {Name: "Typo", ApplicationRole: "Viewer"}}
	}
	if w.chance(30) {
		p.Spec.ExclusiveAccess = []accessv1alpha1.ExclusiveAccess{{
			Name: "x", Applications: []accessv1alpha1.ApplicationName{"red", "yellow"}, MinimumRole: "Viewer",
		}}
	}
	return p
}

func (w *world) object() client.Object {
	switch w.IntN(8) {
	case 0:
		return w.policy()
	case 1:
		aa := &accessv1alpha1.ApplicationAccess{ObjectMeta: w.meta(pick(w, someNamespaces), pick(w, someApplications))}
		aa.Spec.UnmatchedRows = pick(w, []accessv1alpha1.UnmatchedRows{"All", "None"})
		return aa
	case 2, 3, 4:
		return w.userAccess()
	default:
		return w.group()
	}
}

// TestIncrementalEqualsFresh changes objects at random and holds the roster, after every step, against one that is
// built anew from the same objects: decisions, named applications, and everything that statuses are made of.
func TestIncrementalEqualsFresh(t *testing.T) {
	for seed := range uint64(60) {
		w := &world{rand.New(rand.NewPCG(seed, 7)), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
		options := roster.Options{SystemNamespace: someNamespaces[0]}
		r := roster.New(options)
		objects := map[string]client.Object{}
		now := w.start
		known := map[string]*resolve.Decision{}
		for step := range 120 {
			for range 1 + w.IntN(3) {
				o := w.object()
				key := fmt.Sprintf("%T/%s/%s", o, o.GetNamespace(), o.GetName())
				if old := objects[key]; old != nil && w.chance(50) {
					must(t, r.Remove(old))
					delete(objects, key)
					continue
				}
				must(t, r.Set(o))
				objects[key] = o
			}
			if w.chance(30) {
				now = now.Add(time.Duration(w.IntN(4)) * time.Minute)
			}
			if w.chance(3) {
				now = now.Add(-5 * time.Minute)
			}
			changes := r.Settle(now)
			fresh := roster.New(options)
			for _, key := range slices.Sorted(maps.Keys(objects)) {
				must(t, fresh.Set(objects[key]))
			}
			fresh.Settle(now)
			if differences := roster.Diff(fresh, r); len(differences) > 0 {
				d := differences[0]
				t.Fatalf("seed %d, step %d: %s in %s:\n fresh %+v\n kept  %+v", seed, step, d.User, d.Organization, d.Before, d.After)
			}
			compareReports(t, fresh, r, objects, fmt.Sprintf("seed %d, step %d", seed, step))
			follow(t, known, changes, r)
			if next := r.Next(); !next.IsZero() && !next.After(now) {
				t.Fatalf("seed %d, step %d: the next window %s is not after %s", seed, step, next, now)
			}
		}
	}
}

// follow applies the changes to what was known: together they must tell everything.
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
	for _, organization := range r.Organizations() {
		for _, user := range r.Users(organization) {
			count++
			if d := known[organization+"/"+user]; d == nil || !d.Equal(r.Decision(organization, user)) {
				t.Fatalf("%s/%s: the changes did not tell of %+v", organization, user, r.Decision(organization, user))
			}
		}
	}
	if count != len(known) {
		t.Fatalf("the changes tell of %d users, there are %d", len(known), count)
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
	same("organizations", fresh.Organizations(), kept.Organizations())
	same("totals", fresh.Totals(), kept.Totals())
	for _, o := range fresh.Organizations() {
		same("applications of "+o, fresh.Applications(o), kept.Applications(o))
	}
	for _, user := range someUsers {
		same("entries of "+user, fresh.Entries(user), kept.Entries(user))
		for _, n := range someNamespaces {
			a, b := fresh.Ownership(n, user), kept.Ownership(n, user)
			same("ownership of "+user+" in "+n, []any{a.Reason, a.Materialize, a.Owner == nil}, []any{b.Reason, b.Materialize, b.Owner == nil})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		switch o := objects[key].(type) {
		case *accessv1alpha1.AccessGroup:
			a, b := fresh.Group(o.Namespace, o.Name, 20), kept.Group(o.Namespace, o.Name, 20)
			same(key, []any{a.Report, a.Members, a.Conflicts, a.Samples}, []any{b.Report, b.Members, b.Conflicts, b.Samples})
		case *accessv1alpha1.UserAccess:
			a, b := fresh.User(o.Namespace, o.Name, 20), kept.User(o.Namespace, o.Name, 20)
			same(key, []any{a.Report, a.Groups, a.Counting, a.Applications, a.Samples}, []any{b.Report, b.Groups, b.Counting, b.Applications, b.Samples})
		case *accessv1alpha1.AccessPolicy:
			a, b := fresh.Policy(o.Namespace), kept.Policy(o.Namespace)
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

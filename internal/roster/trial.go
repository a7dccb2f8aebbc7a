package roster

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Declaration is a source that a user has by the letter of the objects, and when (no windows: always). Suspension,
// fallback and duplicates hide none; a source that gives no roles is none.
type Declaration struct {
	Source  *resolve.Source
	Windows []resolve.Window
}

// Standing is how a user stands in a namespace.
type Standing struct {
	// Declared is set in the namespace of the object that is tried.
	Declared []Declaration

	// Rules are those of the organization, and nil in the system namespace, where nothing below is set. A namespace that is
	// no organization is looked at as if it were one.
	Rules *resolve.Organization
	// User is what the rules look at, Sources what its holdings and Hidden were bound from.
	User    resolve.User
	Sources []*resolve.Source
	// Hidden, Preceding and Ended are of [resolve.Claims].
	Hidden, Ended []resolve.Holding
	Preceding     []resolve.Precedence

	steps []step // of the user's paths, in the namespace of the object
	// Decision is that of the instant of the trial; nil where there is nothing to decide.
	Decision *resolve.Decision
}

// Tried is one user whom the change touches. The user is empty where the change is looked at for whoever belongs to the
// group Through: what a group gives is then known also while nobody is in it.
type Tried struct {
	Namespace     string
	User          string
	Through       string
	Before, After Standing
}

// TriedOrganization is an organization with users whom the change touches. Rules are nil where it is none after the change.
// That a namespace becomes an organization, or is none any more, gives nobody anything, and hides nothing: how its users
// stand is told as if it were one before and after. The policies are those that hold for it, its own or the system
// namespace's, and nil where neither has one; the limits of the system namespace's policy hold besides.
type TriedOrganization struct {
	// Was says that it is one before the change.
	Was                       bool
	Before, After             *resolve.Organization
	PolicyBefore, PolicyAfter *accessv1alpha1.AccessPolicy
	SystemBefore, SystemAfter *accessv1alpha1.AccessPolicy
	// Applications are those named in it before the change.
	Applications []string
}

// Trial is what a change to one object would bring.
type Trial struct {
	Now    time.Time
	Object Object
	// Gone says that the object is not there after the change.
	Gone bool
	// Users are those whom the change touches, by namespace and name; not all of them stand differently after it.
	Users         []Tried
	Organizations map[string]*TriedOrganization
	// Selected says whether the object's namespace may be an organization, or is the system namespace.
	Selected bool
	// Revisions are those of the namespaces that the trial rests on, at its time; see [Roster.Revision].
	Revisions map[string]uint64
	// UnresolvedBefore and UnresolvedAfter are what the object names in vain.
	UnresolvedBefore, UnresolvedAfter []accessv1alpha1.UnresolvedReference
}

// Try says what would come of it if the object, one of the four kinds, were changed from before to after; either may be
// nil, for an object that is created or goes. The roster is the same afterwards. Where it is not settled at the instant
// now, nothing is tried and false returned.
//
// The cost grows with the users whom the change touches, twice; meanwhile nobody else reads the roster. When the context
// ends, the trial does too, with part of them.
//
// Try panics where before and after are not the same object; ask [SameObject] first. The roster stays as it is then.
func (r *Roster) Try(ctx context.Context, before, after client.Object, now time.Time) (*Trial, bool) {
	if err := SameObject(before, after); err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer func() {
		if failure := recover(); failure != nil {
			// Left half-way, the roster holds what is only tried. Nobody may read it any more: the lock stays, and the process
			// ends, by a goroutine in which no server recovers. What starts next knows the objects as they are.
			go panic(failure)
			panic(failure)
		}
		r.mu.Unlock()
	}()
	now = now.UTC().Truncate(time.Second)
	if r.now.After(now) {
		now = r.now
	}
	if r.isUnsettled(now) {
		return nil, false
	}
	t := &trial{
		Roster: r, ctx: ctx, before: withoutGeneration(before), after: withoutGeneration(after),
		found: &Trial{Now: now, Organizations: map[string]*TriedOrganization{}}, users: map[Account]*Tried{},
	}
	if t.after != nil {
		t.object = ObjectOf(t.after)
	} else {
		t.object = ObjectOf(t.before)
	}
	t.found.Object, t.found.Gone = t.object, t.after == nil
	t.run()
	return t.found, true
}

// withoutGeneration returns a copy whose spec is compared, whatever the generation says. Nil stays nil.
func withoutGeneration(o client.Object) client.Object {
	if isNil(o) {
		return nil
	}
	o = o.DeepCopyObject().(client.Object)
	o.SetGeneration(0)
	return o
}

// isUnsettled says whether anything was noted, or a window opened or closed, since the last Settle.
func (r *Roster) isUnsettled(now time.Time) bool {
	if len(r.windows) > 0 && !r.windows[0].at.After(now) {
		return true
	}
	for _, n := range r.namespaces {
		if len(n.dirty) > 0 || (!n.atSystem && (n.rulesDirty || n.namesDirty || r.isOrganization(n) != n.organization)) {
			return true
		}
	}
	return false
}

type trial struct {
	*Roster

	ctx           context.Context // of the one call of Try that it is made for
	object        Object
	before, after client.Object
	stale         bool // the roster does not have the object as it is before the change
	found         *Trial
	involved      []*involved
	users         map[Account]*Tried
	phantoms      []Tried
}

// involved is a namespace with users whom the change touches.
type involved struct {
	*namespace
	users      set[string]
	recompiled bool
	was, is    bool // an organization before and after the change

	organization bool
	compiled     *resolve.Organization
	bound        map[*resolve.Source]*resolve.Bound
	applicable   []string
}

// run lays the object over the index as it would be and as it is, and takes it away again. All notes that this leaves
// are put aside first: they are of what is only tried.
func (t *trial) run() {
	notes, aside := t.notes, make(map[*namespace]unsettled, len(t.namespaces))
	t.notes = newNotes()
	for _, n := range t.namespaces {
		aside[n] = n.unsettled
		n.unsettled = newUnsettled()
	}
	original := t.lookup(t.object)
	if t.stale = !sameVersion(original, t.before); t.stale {
		t.put(t.before)
	} else {
		t.before = original
	}
	was := t.isOrganization(t.namespace(t.object.Namespace))
	t.put(t.after)
	t.reachUnselected()
	t.involve(was)
	t.look(true)
	t.put(t.before)
	t.look(false)
	if t.stale {
		t.put(original)
	}
	t.notes = notes
	for _, n := range t.namespaces {
		if kept, known := aside[n]; known {
			n.unsettled = kept
		} else {
			delete(t.namespaces, n.name) // only the trial knows it
		}
	}
	t.collect()
	t.found.Revisions = map[string]uint64{}
	for _, name := range []string{t.object.Namespace, t.system.name} {
		t.found.Revisions[name] = t.revisionOf(name)
	}
	for _, i := range t.involved {
		t.found.Revisions[i.name] = t.revisionOf(i.name)
	}
}

func sameVersion(a, b client.Object) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.GetUID() == b.GetUID() && a.GetResourceVersion() != "" && a.GetResourceVersion() == b.GetResourceVersion()
}

func isNil(o client.Object) bool { return o == nil || reflect.ValueOf(o).IsNil() }

// put has the index hold the object as given, or without it.
func (t *trial) put(object client.Object) {
	if object == nil {
		n := t.namespace(t.object.Namespace)
		switch t.object.Kind {
		case KindAccessGroup:
			t.removeGroup(n, t.object.Name)
		case KindUserAccess:
			t.removeUserAccess(n, t.object.Name)
		case KindApplicationAccess:
			t.removeApplication(n, t.object.Name)
		case KindAccessPolicy:
			if t.object.Name == accessv1alpha1.AccessPolicyName { // no other is there
				t.replacePolicy(n, nil)
			}
		}
		return
	}
	_ = t.set(object.(runtime.Object)) // one of the four kinds
}

// lookup returns the object as the index has it.
func (r *Roster) lookup(o Object) client.Object {
	n := r.namespaces[o.Namespace]
	if n == nil {
		return nil
	}
	switch o.Kind {
	case KindAccessGroup:
		if g := n.groups[o.Name]; g != nil {
			return g.object
		}
	case KindUserAccess:
		if ua := n.userAccess[o.Name]; ua != nil {
			return ua
		}
	case KindApplicationAccess:
		if a := n.applications[o.Name]; a != nil {
			return a
		}
	case KindAccessPolicy:
		if n.policy != nil && o.Name == accessv1alpha1.AccessPolicyName {
			return n.policy
		}
	}
	return nil
}

// involve finds, with the change laid over the index, which namespaces and users it touches. was says whether the
// namespace of the object was an organization: no other can begin or cease to be one.
func (t *trial) involve(was bool) {
	for _, n := range t.namespaces {
		i := &involved{
			namespace: n, was: n.organization, is: n.organization, users: set[string]{},
			organization: n.organization, compiled: n.compiled, bound: n.bound,
			applicable: n.applicable,
		}
		if n.namesDirty {
			n.touchHidden()
		}
		if n.name == t.object.Namespace {
			i.was, i.is = was, t.isOrganization(n)
		} else if len(n.dirty) == 0 && !n.rulesDirty {
			continue
		}
		// A namespace that is no organization is looked at as if it were one.
		i.recompiled = !n.atSystem && (n.rulesDirty || !i.was || !i.is || !n.organization)
		for user := range n.dirty {
			i.users[user] = struct{}{}
		}
		if i.recompiled && t.bearsOnAll(i) {
			maps.Copy(i.users, t.candidatesAsIf(n))
		}
		if n.name == t.object.Namespace && t.before == nil && t.object.Kind == KindAccessGroup {
			n.namedByDuplicates(t.object.Name, i.users)
		}
		t.involved = append(t.involved, i)
	}
}

// bearsOnAll reports whether the rules of all users differ, or the namespace is no organization any more.
func (t *trial) bearsOnAll(i *involved) bool {
	switch {
	case i.atSystem:
		return false
	case !i.organization:
		return i.rulesDirty && !i.is
	case !i.is:
		return true
	default:
		return t.stale || !reflect.DeepEqual(*i.compiled.Rules(), t.rulesOf(i.namespace))
	}
}

// look notes how everybody stands with the object as it is laid over the index now.
func (t *trial) look(after bool) {
	for _, i := range t.involved {
		t.lookAt(i, after)
	}
	t.lookThrough(after)
}

func (t *trial) lookAt(i *involved, after bool) {
	n := i.namespace
	if i.recompiled {
		n.organization, n.bound = true, map[*resolve.Source]*resolve.Bound{}
		n.compiled = resolve.NewOrganization(t.rulesOf(n))
		defer func() { n.organization, n.compiled, n.bound = i.organization, i.compiled, i.bound }()
	}
	if n.organization && (i.recompiled || n.namesDirty) {
		n.applicable = t.applicationsOf(n)
		defer func() { n.applicable = i.applicable }()
	}
	if n.organization {
		t.bindGroups(n)
	}
	recorded := !after && !t.stale && !i.recompiled
	users := slices.Collect(maps.Keys(i.users))
	standings := make([]Standing, len(users))
	sideBySide(len(users), func() func(int) {
		return func(u int) {
			if t.ctx.Err() == nil {
				standings[u] = t.standing(n, users[u], after, recorded)
			}
		}
	})
	if t.ctx.Err() != nil {
		return
	}
	for u, user := range users {
		at := Account{n.name, user}
		if t.users[at] == nil {
			t.users[at] = &Tried{Namespace: n.name, User: user}
		}
		if after {
			t.users[at].After = standings[u]
		} else {
			t.users[at].Before = standings[u]
		}
	}
	if !n.atSystem {
		t.lookAtOrganization(i, after)
	}
	if n.name != t.object.Namespace {
		return
	}
	t.found.Selected = n.atSystem || t.selects(n)
	if !n.atSystem && !i.was && !i.is {
		return // what does not count is told of as a whole
	}
	if after {
		t.found.UnresolvedAfter = t.unresolvedIn(n)
	} else {
		t.found.UnresolvedBefore = t.unresolvedIn(n)
	}
}

func (t *trial) lookAtOrganization(i *involved, after bool) {
	n := i.namespace
	o := t.found.Organizations[n.name]
	if o == nil {
		o = &TriedOrganization{Was: i.was, Applications: i.applicable}
		t.found.Organizations[n.name] = o
	}
	policy := cmp.Or(n.policy, t.system.policy)
	if after {
		o.PolicyAfter, o.SystemAfter = policy, t.system.policy
		if i.is {
			o.After = n.compiled
		}
	} else {
		o.Before, o.PolicyBefore, o.SystemBefore = n.compiled, policy, t.system.policy
	}
}

func (t *trial) standing(n *namespace, user string, after, recorded bool) Standing {
	var s Standing
	if n.name == t.object.Namespace {
		s.Declared = n.declarations(user, t.comingGroup(after))
	}
	if !n.organization {
		return s
	}
	var g gatherer // of its own: what it gathers is kept
	s.Rules, s.User = n.compiled, t.gather(n, user, &g)
	s.Sources = g.sources
	t.hide(n, user, &s)
	if after {
		s.steps = t.namespaces[t.object.Namespace].steps(user)
	} else if tried := t.users[Account{n.name, user}]; tried != nil {
		t.endPaths(n, user, tried.After.steps, &s)
	}
	if rec := n.records[user]; recorded && rec != nil {
		if rec.decision.Exists {
			s.Decision = rec.decision
		}
		return s
	}
	if d := n.compiled.Resolve(&s.User, t.found.Now); d.Exists {
		s.Decision = &d
	}
	return s
}

// comingGroup returns the name of the group that the change creates, while it is not there.
func (t *trial) comingGroup(after bool) string {
	if after || t.before != nil || t.object.Kind != KindAccessGroup {
		return ""
	}
	return t.object.Name
}

// declarations returns the sources that the user has by the letter of the namespace's objects. A group that does not exist,
// but for the one that is coming, has those who name it.
func (n *namespace) declarations(user, coming string) []Declaration {
	var w walk
	w.begin(n, user)
	var individual []Declaration
	if a := n.accounts[user]; a != nil {
		for _, ua := range a.declared {
			w.enterBy(ua)
			w.enterMissing(ua, coming)
			if s := userSource(ua, n.atSystem); s != nil && !s.BeingDeleted {
				individual = append(individual, Declaration{Source: s})
			}
		}
	}
	return append(declarationsOf(w.sorted()), individual...)
}

func declarationsOf(memberships []membership) []Declaration {
	var declared []Declaration
	for _, m := range memberships {
		if s := m.group.source; !s.WithoutPrivileges && !s.BeingDeleted {
			declared = append(declared, Declaration{s, m.windows})
		}
	}
	return declared
}

// collect sorts what was found.
func (t *trial) collect() {
	t.found.Users = make([]Tried, 0, len(t.users)+len(t.phantoms))
	for _, u := range t.users {
		t.found.Users = append(t.found.Users, *u)
	}
	t.found.Users = append(t.found.Users, t.phantoms...)
	slices.SortFunc(t.found.Users, func(a, b Tried) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.User, b.User),
			strings.Compare(a.Through, b.Through))
	})
}

package preview

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Preview holds the effects of a change to one object.
type Preview struct {
	Now    time.Time
	Object index.Object
	// Gone reports whether the object does not exist after the change.
	Gone bool
	// Users are the users that the change affects, sorted by namespace and name. The access of some of them may
	// stay the same.
	Users         []Affected
	Organizations map[string]*Organization
	// Selected reports whether the object's namespace may be an organization, or is the system namespace.
	Selected bool
	// Revisions are the revisions of the namespaces that the preview depends on. See [index.Namespace.Revision].
	Revisions map[string]uint64
	// UnresolvedBefore and UnresolvedAfter list the object's references to objects that do not exist.
	UnresolvedBefore, UnresolvedAfter []accessv1alpha1.UnresolvedReference
}

// Affected is one user that the change affects. User is empty in an entry for any member of the group Through.
// Such entries show the grants of a group even while it has no members.
type Affected struct {
	Namespace     string
	User          string
	Through       string
	Before, After State
}

// State holds what the objects declare for a user in a namespace, before or after the change.
type State struct {
	// Declared is set in the namespace of the changed object. For an ApplicationAccess, it includes the
	// declarations of the system namespace, because objects there may select the ApplicationAccess by its labels.
	Declared []Declaration

	// Rules are the rules of the organization. They are nil in the system namespace, where the fields below are not
	// set. A namespace that is not an organization is treated as one.
	Rules *resolve.Organization
	// User is the input of the rules. Its holdings and Hidden were bound from Sources.
	User    resolve.User
	Sources []*resolve.Source
	// Hidden, Preceding and Ended are the fields of [resolve.Claims].
	Hidden, Ended []resolve.Holding
	Preceding     []resolve.Precedence
	// Own and AtSystem are the user's attributes in the organization and in the system namespace.
	Own, AtSystem resolve.Attributes
	// Decision is the decision at the instant of the preview, or nil if there is nothing to decide. It does not
	// contain the ends of its entries, because computing them takes long.
	Decision *resolve.Decision

	steps []index.Step // first steps of the user's paths, in the namespace of the object
}

// Declaration is a source that the objects declare for a user, with its windows. No windows means always.
// Suspension, fallback and duplicates do not hide a declaration. A source that grants no roles is not a
// declaration.
type Declaration struct {
	Source  *resolve.Source
	Windows []resolve.Window
}

// Organization is an organization with users that the change affects. After is nil if the namespace is not an
// organization after the change. A namespace that becomes an organization, or ceases to be one, does not grant or hide
// anything by itself: the preview treats it as an organization before and after the change. The policies are those that
// apply to it: its own, or else that of the system namespace, or nil if neither has one. The limits in the system
// namespace's policy apply as well.
type Organization struct {
	// Was reports whether the namespace is an organization before the change.
	Was                       bool
	Before, After             *resolve.Organization
	PolicyBefore, PolicyAfter *accessv1alpha1.AccessPolicy
	SystemBefore, SystemAfter *accessv1alpha1.AccessPolicy
	// Applications are the applications named in the organization before the change.
	Applications []string
}

// Of computes the effects of changing an object of one of the four kinds from before to after. before is nil for
// an object that is created, and after is nil for one that is deleted. Of returns an error if they are not the
// same object. The view should be settled at the instant now.
//
// The cost grows with twice the number of affected users. Of uses one processor, so that a few large previews
// leave the others free. If the context ends, some users are missing from the preview.
func Of(ctx context.Context, view *roster.View, before, after client.Object, now time.Time) (*Preview, error) {
	if err := index.SameObject(before, after); err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Second)
	if view.Now().After(now) {
		now = view.Now()
	}
	p := &preview{
		ctx: ctx, view: view, was: withoutGeneration(before), made: withoutGeneration(after),
		found: &Preview{Now: now, Organizations: map[string]*Organization{}}, users: map[index.Account]*Affected{},
	}
	if p.made != nil {
		p.object = index.ObjectOf(p.made)
	} else {
		p.object = index.ObjectOf(p.was)
	}
	p.found.Object, p.found.Gone = p.object, p.made == nil
	p.run()
	return p.found, nil
}

// withoutGeneration returns a copy without the generation, so that the specs are compared. It returns nil for
// nil.
func withoutGeneration(o client.Object) client.Object {
	if index.IsNil(o) {
		return nil
	}
	o = o.DeepCopyObject().(client.Object)
	o.SetGeneration(0)
	return o
}

type preview struct {
	ctx       context.Context // of the single call of Of that creates the preview
	view      *roster.View
	object    index.Object
	was, made client.Object // the object before and after the change
	stale     bool          // the view's object differs from the object before the change

	before, after *index.Index
	touched       *index.Touched
	involved      []*involved
	users         map[index.Account]*Affected
	phantoms      []Affected
	found         *Preview

	walk     index.Walk      // scratch space
	gatherer roster.Gatherer // scratch space
}

// side is one side of the change.
type side struct {
	*index.Index

	after bool
}

// namespace returns the namespace, or an empty one if the index has no data about it.
func (s side) namespace(name string) *index.Namespace {
	if n := s.Namespace(name); n != nil {
		return n
	}
	return index.Empty(name)
}

// involved is a namespace with users that the change affects.
type involved struct {
	name       string
	users      map[string]struct{}
	touched    *index.TouchedNamespace
	recompiled bool
	was, is    bool // whether it is an organization before and after the change
}

// run applies the change in a layer and looks at both sides.
func (p *preview) run() {
	layer := p.view.Index().Layer()
	if original := layer.Lookup(p.object); !sameVersion(original, p.was) {
		p.stale = true
		put(layer, p.object, p.was)
	} else {
		p.was = original
	}
	p.before = layer.Freeze()
	put(layer, p.object, p.made)
	p.reachUnselected(layer)
	p.after, p.touched = layer.Freeze(), layer.Take()
	p.involve()
	p.look(side{p.after, true})
	p.look(side{p.before, false})
	p.collect()
	p.found.Revisions = map[string]uint64{}
	objects := p.view.Index()
	for _, name := range []string{p.object.Namespace, p.view.SystemNamespace()} {
		p.found.Revisions[name] = objects.Namespace(name).Revision()
	}
	for _, i := range p.involved {
		p.found.Revisions[i.name] = objects.Namespace(i.name).Revision()
	}
}

func sameVersion(a, b client.Object) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.GetUID() == b.GetUID() && a.GetResourceVersion() != "" && a.GetResourceVersion() == b.GetResourceVersion()
}

// put sets the object in the layer, or removes it if object is nil.
func put(layer *index.Layer, o index.Object, object client.Object) {
	if object == nil {
		layer.RemoveObject(o)
		return
	}
	_ = layer.Set(object) // never fails for an object of the four kinds
}

// involve finds the namespaces and users that the change affects.
func (p *preview) involve() {
	for name, n := range p.after.Namespaces() {
		t := p.touched.Namespaces[name]
		if name != p.object.Namespace && (t == nil || (len(t.Users) == 0 && !t.Rules && !t.Names)) {
			continue
		}
		organization := p.view.Organization(name) != nil
		i := &involved{name: name, touched: p.touched.Namespace(name), was: organization, is: organization}
		if i.touched.Names {
			p.touchHidden(i)
		}
		if name == p.object.Namespace {
			// Only this namespace can become an organization or cease to be one.
			i.was, i.is = p.before.IsOrganization(p.before.Namespace(name)), p.after.IsOrganization(n)
		} else if len(i.touched.Users) == 0 && !i.touched.Rules {
			continue
		}
		// Treat a namespace that is not an organization as one.
		i.recompiled = !n.AtSystem() && (i.touched.Rules || !i.was || !i.is || !organization)
		i.users = make(map[string]struct{}, len(i.touched.Users))
		for user := range i.touched.Users {
			i.users[user] = struct{}{}
		}
		if i.recompiled && p.bearsOnAll(i, n) {
			maps.Copy(i.users, p.after.Candidates(n))
			for user := range p.view.Records(name) {
				i.users[user] = struct{}{}
			}
		}
		if name == p.object.Namespace && p.was == nil && p.object.Kind == index.KindAccessGroup {
			namedByDuplicates(n, p.object.Name, i.users)
		}
		p.involved = append(p.involved, i)
	}
}

// touchHidden marks the users who lose rows to the bound of docs/rules.md R7, because another named application
// may hide other rows.
func (p *preview) touchHidden(i *involved) {
	for user, d := range p.view.Decisions(i.name) {
		if len(d.HiddenRows) > 0 {
			i.touched.User(user, nil)
		}
	}
}

// bearsOnAll reports whether the rules of all users differ, or the namespace ceases to be an organization.
func (p *preview) bearsOnAll(i *involved, n *index.Namespace) bool {
	rules := p.view.Organization(i.name)
	switch {
	case rules == nil:
		return i.touched.Rules && (p.stale || !i.is)
	case !i.is:
		return true
	default:
		return p.stale || !reflect.DeepEqual(*rules.Rules(), p.after.Rules(n))
	}
}

// look records the state of all affected users on one side of the change.
func (p *preview) look(s side) {
	for _, i := range p.involved {
		p.lookAt(i, s)
	}
	p.lookThrough(s)
}

func (p *preview) lookAt(i *involved, s side) {
	n := s.namespace(i.name)
	sources := p.sources(i, s, n)
	recorded := !s.after && !p.stale && !i.recompiled
	for user := range i.users {
		if p.ctx.Err() != nil {
			return
		}
		at := index.Account{Namespace: i.name, User: user}
		if p.users[at] == nil {
			p.users[at] = &Affected{Namespace: i.name, User: user}
		}
		if state := p.state(sources, user, s, recorded); s.after {
			p.users[at].After = state
		} else {
			p.users[at].Before = state
		}
	}
	if !n.AtSystem() {
		p.lookAtOrganization(i, s, sources)
	}
	if i.name != p.object.Namespace {
		return
	}
	p.found.Selected = n.AtSystem() || s.Selects(n)
	if !n.AtSystem() && !i.was && !i.is {
		return // an object without effect is reported as a whole
	}
	if object := s.Lookup(p.object); object != nil {
		unresolved := p.view.Unresolved(s.Index, object, sources.Rules)
		if s.after {
			p.found.UnresolvedAfter = unresolved
		} else {
			p.found.UnresolvedBefore = unresolved
		}
	}
}

// sources returns the origins of the grants of the namespace's users, on one side of the change. Its rules are
// nil in the system namespace.
func (p *preview) sources(i *involved, s side, n *index.Namespace) *roster.Sources {
	sources := p.view.Sources(i.name)
	sources.Index, sources.Namespace = s.Index, n
	if i.recompiled {
		sources.Rules, sources.Bound = resolve.NewOrganization(s.Rules(n)), roster.Bindings{}
	}
	if sources.Rules == nil {
		return sources
	}
	if i.recompiled || i.touched.Names {
		sources.Applications = roster.ApplicationsNamed(s.Index, n, sources.Rules)
	}
	sources.Bound = roster.Bind(s.Index, n, sources.Rules, sources.Bound)
	return sources
}

func (p *preview) lookAtOrganization(i *involved, s side, sources *roster.Sources) {
	o := p.found.Organizations[i.name]
	if o == nil {
		o = &Organization{Was: i.was, Applications: p.view.Applications(i.name)}
		p.found.Organizations[i.name] = o
	}
	policy, system := s.Policy(sources.Namespace), s.System().Policy()
	if s.after {
		o.PolicyAfter, o.SystemAfter = policy, system
		if i.is {
			o.After = sources.Rules
		}
	} else {
		o.Before, o.PolicyBefore, o.SystemBefore = sources.Rules, policy, system
	}
}

func (p *preview) state(sources *roster.Sources, user string, s side, recorded bool) State {
	var made State
	n := sources.Namespace
	g := &p.gatherer
	g.Sources = sources
	if sources.Rules != nil {
		made.Rules, made.User = sources.Rules, g.Gather(user)
	}
	if n.Name() == p.object.Namespace {
		if a := n.Account(user); sources.Rules != nil && (a == nil || len(a.Declared) == 0) {
			made.Declared = declarationsOf(g.Memberships()) // these are all from lists of members
		} else {
			made.Declared = p.declarations(n, user, p.comingGroup(s))
		}
		if p.object.Kind == index.KindApplicationAccess && !n.AtSystem() {
			made.Declared = append(made.Declared, p.declarations(s.System(), user, "")...)
		}
	}
	if sources.Rules == nil {
		return made
	}
	made.User.Holdings, made.User.Bars = slices.Clone(made.User.Holdings), slices.Clone(made.User.Bars)
	made.Sources = slices.Clone(g.All)
	made.Own, made.AtSystem = g.Attributes()
	hide(sources, user, &made)
	if s.after {
		made.steps = s.namespace(p.object.Namespace).Steps(user)
	} else if affected := p.users[index.Account{Namespace: n.Name(), User: user}]; affected != nil {
		p.endPaths(s, sources, user, affected.After.steps, &made)
	}
	if recorded {
		if d, noted := p.view.Noted(n.Name(), user); noted {
			made.Decision = d
			return made
		}
	}
	if d := sources.Rules.At(&made.User, p.found.Now); d.Exists {
		made.Decision = &d
	}
	return made
}

// comingGroup returns the name of the group that the change creates, on the side where it does not exist yet.
func (p *preview) comingGroup(s side) string {
	if s.after || p.was != nil || p.object.Kind != index.KindAccessGroup {
		return ""
	}
	return p.object.Name
}

// collect sorts the results.
func (p *preview) collect() {
	p.found.Users = make([]Affected, 0, len(p.users)+len(p.phantoms))
	for _, u := range p.users {
		p.found.Users = append(p.found.Users, *u)
	}
	p.found.Users = append(p.found.Users, p.phantoms...)
	slices.SortFunc(p.found.Users, func(a, b Affected) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.User, b.User),
			strings.Compare(a.Through, b.Through))
	})
}

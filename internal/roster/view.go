package roster

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// View is a snapshot of the decisions for all users at one instant, and of the objects that they depend on. It
// is immutable and safe for concurrent use. Reading it takes no lock. Views share all data in which they do not
// differ. Callers must not change the returned values, which are shared.
type View struct {
	index *index.Index
	now   time.Time

	organizations index.Map[*organization] // by namespace, the system namespace included
	entered       index.Map[[]string]      // by user: the organizations that the user can enter, sorted
	conflicts     index.Tree[conflicts]
	timed         index.Tree[timedUser]
	unfinished    index.Tree[Account] // users with unfinished decisions

	organizationCount, users, conflictTotal int
}

// organization holds the decisions for the users of one namespace.
type organization struct {
	rules        *resolve.Organization // nil: not an organization
	publishes    bool                  // whether it publishes user documents
	bound        Bindings
	applications []string // named in the organization, sorted
	records      index.Map[*record]
	active       index.Count // group: active members
	overBound    index.Count // by group: active members whose filters together exceed the bound of R7
}

// clone returns a copy that may be changed.
func (o *organization) clone() *organization {
	c := *o
	c.records.Share()
	c.active.Share()
	c.overBound.Share()
	return &c
}

// conflicts is the number of conflicts that a source takes part in for one user.
type conflicts struct {
	source, organization, user string
	count                      int
}

func (c conflicts) compare(d conflicts) int {
	return cmp.Or(strings.Compare(c.source, d.source), strings.Compare(c.organization, d.organization), strings.Compare(c.user, d.user))
}

// timedUser is a user who needs a new decision at an instant.
type timedUser struct {
	at              time.Time
	namespace, user string
}

func (t timedUser) compare(u timedUser) int {
	return cmp.Or(t.at.Compare(u.at), strings.Compare(t.namespace, u.namespace), strings.Compare(t.user, u.user))
}

// none represents a namespace that is not an organization and has no members.
var none = &organization{}

func (v *View) at(namespace string) *organization {
	if o := v.organizations.Get(namespace); o != nil {
		return o
	}
	return none
}

// Fork returns a roster that starts with the objects and the decisions of the view. It affects neither the view nor the
// roster that published it. It decides without a budget.
func (v *View) Fork() *Roster {
	r := &Roster{layer: v.index.Layer()}
	r.view.Store(v)
	return r
}

// Index returns the objects.
func (v *View) Index() *index.Index { return v.index }

// Now returns the instant, in UTC and whole seconds.
func (v *View) Now() time.Time { return v.now }

// Next returns the next instant at which the roster must settle again even if no object changes, or the zero
// time if there is none.
func (v *View) Next() time.Time {
	if v.unfinished.Len() > 0 {
		return v.now // at once
	}
	return v.nextWindow()
}

// nextWindow returns the next instant at which a window opens or closes, or a review becomes due. It returns the
// zero time if there is none.
func (v *View) nextWindow() time.Time {
	var next time.Time
	for t := range v.timed.All() {
		next = t.at
		break
	}
	for at := range v.index.Reviews(v.now) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
		break
	}
	return next
}

// SystemNamespace returns the name of the system namespace.
func (v *View) SystemNamespace() string { return v.index.SystemNamespace() }

// IsMissing reports whether the namespace is the system namespace and does not exist. Usher cannot write to it
// then.
func (v *View) IsMissing(namespace string) bool {
	return namespace == v.SystemNamespace() && !v.index.System().Known()
}

// Organizations lists the organizations, sorted.
func (v *View) Organizations() []string {
	var names []string
	for name, o := range v.organizations.All() {
		if o.rules != nil {
			names = append(names, name)
		}
	}
	return names
}

// Organization returns the compiled rules of the organization, or nil if the namespace is not an organization.
func (v *View) Organization(name string) *resolve.Organization { return v.at(name).rules }

// Applications lists the applications named in the organization, sorted.
func (v *View) Applications(organization string) []string { return v.at(organization).applications }

// PublishesUsers reports whether the organization publishes user documents.
func (v *View) PublishesUsers(organization string) bool { return v.at(organization).publishes }

// Decision returns the decision for the user in the organization, or nil if there is nothing to decide.
func (v *View) Decision(organization, user string) *resolve.Decision {
	return v.at(organization).decision(user)
}

func (o *organization) decision(user string) *resolve.Decision {
	if rec := o.records.Get(user); o.rules != nil && rec != nil && rec.decision.Exists {
		return rec.decision
	}
	return nil
}

// Noted returns the decision for the user, or nil if there is nothing to decide. It also reports whether the
// user has a record.
func (v *View) Noted(organization, user string) (d *resolve.Decision, noted bool) {
	return v.Decision(organization, user), v.at(organization).records.Get(user) != nil
}

// Decisions iterates over the users of the organization who have a decision, sorted.
func (v *View) Decisions(organization string) iter.Seq2[string, *resolve.Decision] {
	return v.at(organization).decisions()
}

func (o *organization) decisions() iter.Seq2[string, *resolve.Decision] {
	return func(yield func(string, *resolve.Decision) bool) {
		if o.rules == nil {
			return
		}
		for user, rec := range o.records.All() {
			if rec.decision.Exists && !yield(user, rec.decision) {
				return
			}
		}
	}
}

// DecisionsFrom iterates like [View.Decisions], over the users that are not less than first. No user of that
// name need exist.
func (v *View) DecisionsFrom(organization, first string) iter.Seq2[string, *resolve.Decision] {
	o := v.at(organization)
	return func(yield func(string, *resolve.Decision) bool) {
		if o.rules == nil {
			return
		}
		for user, rec := range o.records.From(first) {
			if rec.decision.Exists && !yield(user, rec.decision) {
				return
			}
		}
	}
}

// Users lists the users who have a decision in the organization, sorted.
func (v *View) Users(organization string) []string {
	var users []string
	for user := range v.Decisions(organization) {
		users = append(users, user)
	}
	return users
}

// Records iterates over the users of the namespace who have a record, sorted. A record holds a decision, or the
// instant at which there will be one.
func (v *View) Records(organization string) iter.Seq[string] {
	return v.at(organization).records.Keys()
}

// Groups lists the AccessGroups of the namespace that the user is an active member of, sorted.
func (v *View) Groups(namespace, user string) []string {
	if rec := v.at(namespace).records.Get(user); rec != nil {
		return rec.groups
	}
	return nil
}

// Entry is an organization that a user can enter.
type Entry struct {
	Organization     string
	OrganizationRole string
	NotAfter         time.Time
}

// Entries lists the organizations that the user can enter, sorted.
func (v *View) Entries(user string) []Entry {
	var entries []Entry
	for _, name := range v.entered.Get(user) {
		d := v.Decision(name, user)
		entries = append(entries, Entry{name, d.OrganizationRole.Role, d.EntersNotAfter})
	}
	return entries
}

// Concerned lists the AccessGroups that may grant something in the organization: all of its own, and all of the
// system namespace.
func (v *View) Concerned(organization string) []Object {
	var groups []Object
	for _, n := range []*index.Namespace{v.index.Namespace(organization), v.index.System()} {
		if n == nil {
			continue
		}
		for name := range n.Groups() {
			groups = append(groups, Object{Kind: KindAccessGroup, Namespace: n.Name(), Name: name})
		}
	}
	slices.SortFunc(groups, Object.Compare)
	return groups
}

// AppliesIn reports whether the group has an effect in the organization: it belongs to the organization, or it is a System
// group that grants its members something there.
func (v *View) AppliesIn(group Object, organization string) bool {
	n, o := v.index.Namespace(group.Namespace), v.index.Namespace(organization)
	if g := n.Group(group.Name); g == nil || g.Inert || o == nil {
		return false
	}
	if !n.AtSystem() {
		return n.Name() == organization
	}
	return slices.ContainsFunc(n.SourcesAbove(group.Name), func(s *resolve.Source) bool {
		for range s.Grants(o.Place()) {
			return !s.WithoutPrivileges
		}
		return false
	})
}

// Bears reports whether the grants of the group's members affect the application of the organization.
func (v *View) Bears(group Object, organization, application string) bool {
	n := v.index.Namespace(group.Namespace)
	if g := n.Group(group.Name); g == nil || g.Inert || (!n.AtSystem() && n.Name() != organization) {
		return false
	}
	o := v.index.Namespace(organization)
	if o == nil {
		return false
	}
	// A member of the group is also a member of the groups that contain it, and receives their grants.
	return slices.ContainsFunc(n.SourcesAbove(group.Name), func(s *resolve.Source) bool {
		return bears(s, o.Place(), application)
	})
}

func bears(s *resolve.Source, at *resolve.Place, application string) bool {
	if slices.ContainsFunc(s.Rows, func(w resolve.Rows) bool {
		return w.Application == application || w.Application == accessv1alpha1.All
	}) {
		return true
	}
	if s.WithoutPrivileges {
		return false
	}
	for g := range s.Grants(at) {
		if g.Scope != resolve.ScopeApplication || g.Application == application {
			return true // an organization role, or a role in all applications
		}
	}
	return false
}

// Totals holds sums over all organizations.
type Totals struct {
	Organizations int
	Users         int
	Conflicts     int
}

// Totals returns the totals of the last settling.
func (v *View) Totals() Totals {
	return Totals{Organizations: v.organizationCount, Users: v.users, Conflicts: v.conflictTotal}
}

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

// View is the decisions for all users at one instant, and the objects that they rest on. It never changes and is safe for
// concurrent use; reading it takes no lock. Views share what does not differ between them. What it returns is shared and must
// not be changed.
type View struct {
	index *index.Index
	now   time.Time

	organizations index.Map[*organization] // by namespace, the system namespace included
	entered       index.Map[[]string]      // by user: the organizations that the user can enter, sorted
	conflicts     index.Tree[conflicts]
	timed         index.Tree[timedUser]
	unfinished    index.Tree[Account] // users whose decision is unfinished

	organizationCount, users, conflictTotal int
}

// organization is the decisions for the users of one namespace.
type organization struct {
	rules        *resolve.Organization // nil: it is no organization
	publishes    bool                  // user documents
	bound        Bindings
	applications []string // named in the organization, sorted
	records      index.Map[*record]
	active       index.Count // group: active members
	overBound    index.Count // group: active members whose filters are larger together than R7 allows
}

// clone returns a copy to change.
func (o *organization) clone() *organization {
	c := *o
	c.records.Share()
	c.active.Share()
	c.overBound.Share()
	return &c
}

// conflicts is how many conflicts a source takes part in, for one user.
type conflicts struct {
	source, organization, user string
	count                      int
}

func (c conflicts) compare(d conflicts) int {
	return cmp.Or(strings.Compare(c.source, d.source), strings.Compare(c.organization, d.organization), strings.Compare(c.user, d.user))
}

// timedUser is a user for whom to decide again at an instant.
type timedUser struct {
	at              time.Time
	namespace, user string
}

func (t timedUser) compare(u timedUser) int {
	return cmp.Or(t.at.Compare(u.at), strings.Compare(t.namespace, u.namespace), strings.Compare(t.user, u.user))
}

// none is what stands for a namespace that is no organization and has no members.
var none = &organization{}

func (v *View) at(namespace string) *organization {
	if o := v.organizations.Get(namespace); o != nil {
		return o
	}
	return none
}

// Index returns the objects.
func (v *View) Index() *index.Index { return v.index }

// Now returns the instant, in UTC and whole seconds.
func (v *View) Now() time.Time { return v.now }

// Next returns the next instant at which the roster must settle again although no object changes; zero: none.
func (v *View) Next() time.Time {
	if v.unfinished.Len() > 0 {
		return v.now // at once
	}
	return v.nextWindow()
}

// nextWindow returns the next instant at which a window opens or closes, or a review becomes due; zero: never.
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

// IsMissing reports whether the namespace is the system namespace and does not exist: nothing can be written there.
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

// Organization returns the compiled rules of the organization; nil where the namespace is none.
func (v *View) Organization(name string) *resolve.Organization { return v.at(name).rules }

// Applications lists the applications named in the organization, sorted.
func (v *View) Applications(organization string) []string { return v.at(organization).applications }

// PublishesUsers reports whether the organization has user documents.
func (v *View) PublishesUsers(organization string) bool { return v.at(organization).publishes }

// Decision returns what the user may do in the organization; nil where there is nothing to decide.
func (v *View) Decision(organization, user string) *resolve.Decision {
	return v.at(organization).decision(user)
}

func (o *organization) decision(user string) *resolve.Decision {
	if rec := o.records.Get(user); o.rules != nil && rec != nil && rec.decision.Exists {
		return rec.decision
	}
	return nil
}

// Noted returns the decision for the user, nil where there is nothing to decide, and whether anything is noted of the user.
func (v *View) Noted(organization, user string) (d *resolve.Decision, noted bool) {
	return v.Decision(organization, user), v.at(organization).records.Get(user) != nil
}

// Decisions iterates over the users of the organization for whom there is something to decide, sorted.
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

// Users lists everybody for whom there is something to decide in the organization, sorted.
func (v *View) Users(organization string) []string {
	var users []string
	for user := range v.Decisions(organization) {
		users = append(users, user)
	}
	return users
}

// Records iterates over the users of the namespace of whom something is noted, sorted: a decision, or when there will be
// one.
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

// Concerned lists the AccessGroups that give something in the organization: its own, and those of the system namespace.
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

// Bears reports whether what members of the group are given bears on the application of the organization.
func (v *View) Bears(group Object, organization, application string) bool {
	n := v.index.Namespace(group.Namespace)
	if g := n.Group(group.Name); g == nil || g.Inert || (!n.AtSystem() && n.Name() != organization) {
		return false
	}
	o := v.index.Namespace(organization)
	if o == nil {
		return false
	}
	// Who is in the group is in the groups around it, and has what they give.
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
			return true // a role above the applications, or one in all of them
		}
	}
	return false
}

// Totals are sums over all organizations.
type Totals struct {
	Organizations int
	Users         int
	Conflicts     int
}

// Totals returns what the settling counted.
func (v *View) Totals() Totals {
	return Totals{Organizations: v.organizationCount, Users: v.users, Conflicts: v.conflictTotal}
}

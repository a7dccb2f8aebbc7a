package roster

import (
	"maps"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// What follows reads what the last Settle found. Returned objects and decisions are shared and must not be changed.

// SystemNamespace returns the name of the system namespace.
func (r *Roster) SystemNamespace() string { return r.options.SystemNamespace }

// Organizations lists the organizations, sorted.
func (r *Roster) Organizations() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var names []string
	for name, n := range r.namespaces {
		if n.organization {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Organization returns the compiled rules of the organization; nil where the namespace is none.
func (r *Roster) Organization(name string) *resolve.Organization {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[name]; n != nil {
		return n.compiled
	}
	return nil
}

// Applications lists the applications named in the organization, sorted.
func (r *Roster) Applications(organization string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[organization]; n != nil {
		return n.applicable
	}
	return nil
}

// ApplicationAccesses lists the names of the namespace's ApplicationAccess objects, sorted.
func (r *Roster) ApplicationAccesses(namespace string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return slices.Sorted(maps.Keys(n.applications))
	}
	return nil
}

// ApplicationAccess returns the object; nil where there is none.
func (r *Roster) ApplicationAccess(namespace, name string) *accessv1alpha1.ApplicationAccess {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return n.applications[name]
	}
	return nil
}

// UserAccess returns the object; nil where there is none.
func (r *Roster) UserAccess(namespace, name string) *accessv1alpha1.UserAccess {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return n.userAccess[name]
	}
	return nil
}

// UserAccesses lists the names of the user's UserAccess objects in the namespace.
func (r *Roster) UserAccesses(namespace, user string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil || n.accounts[user] == nil {
		return nil
	}
	var names []string
	for _, ua := range n.accounts[user].all() {
		names = append(names, ua.Name)
	}
	return names
}

// Decision returns what the user may do in the organization; nil where there is nothing to decide.
func (r *Roster) Decision(organization, user string) *resolve.Decision {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.decision(organization, user)
}

func (r *Roster) decision(organization, user string) *resolve.Decision {
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return nil
	}
	if rec := n.records[user]; rec != nil && rec.decision.Exists {
		return rec.decision
	}
	return nil
}

// EachDecision calls yield for every user of the organization, in no order. It must not call the roster.
func (r *Roster) EachDecision(organization string, yield func(user string, d *resolve.Decision)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return
	}
	for user, rec := range n.records {
		if rec.decision.Exists {
			yield(user, rec.decision)
		}
	}
}

// Users lists everybody for whom there is something to decide in the organization, sorted.
func (r *Roster) Users(organization string) []string {
	_, decisions := r.State(organization)
	users := make([]string, len(decisions))
	for i := range decisions {
		users[i] = decisions[i].User
	}
	return users
}

// Groups lists the AccessGroups of the namespace that the user is an active member of, sorted.
func (r *Roster) Groups(namespace, user string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil && n.records[user] != nil {
		return n.records[user].groups
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
func (r *Roster) Entries(user string) []Entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entries(user)
}

func (r *Roster) entries(user string) []Entry {
	var entries []Entry
	for _, n := range r.entered[user] {
		d := n.records[user].decision
		entries = append(entries, Entry{n.name, d.OrganizationRole.Role, d.EntersNotAfter})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Organization, b.Organization) })
	return entries
}

// Accounts lists the users of whom the namespace has a UserAccess, sorted.
func (r *Roster) Accounts(namespace string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return slices.Sorted(maps.Keys(n.accounts))
	}
	return nil
}

func (r *Roster) publishesUsers(n *namespace) bool {
	p := n.policy
	if p == nil {
		p = r.system.policy
	}
	return p == nil || p.Spec.UserConfigMaps != accessv1alpha1.UserConfigMapsDisabled
}

// IsMissing says whether the namespace is the system namespace and does not exist: nothing can be written there.
func (r *Roster) IsMissing(namespace string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return namespace == r.system.name && !r.system.known
}

// Terminating says whether the namespace is being deleted.
func (r *Roster) Terminating(namespace string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	return n != nil && n.terminating
}

// Namespaces lists the namespaces of which the roster has an object of the four kinds, sorted.
func (r *Roster) Namespaces() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var names []string
	for name, n := range r.namespaces {
		if len(n.groups) > 0 || len(n.userAccess) > 0 || len(n.applications) > 0 || n.policy != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Objects lists all objects of the namespace.
func (r *Roster) Objects(namespace string) []Object {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil {
		return nil
	}
	noted := set[Object]{}
	n.each(func(o Object) { noted[o] = struct{}{} })
	return slices.SortedFunc(maps.Keys(noted), Object.compare)
}

// Concerned lists the AccessGroups that give something in the organization: its own, and those of the system namespace.
func (r *Roster) Concerned(organization string) []Object {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var groups []Object
	for _, n := range []*namespace{r.namespaces[organization], r.system} {
		if n == nil {
			continue
		}
		for name := range n.groups {
			groups = append(groups, Object{KindAccessGroup, n.name, name})
		}
	}
	slices.SortFunc(groups, Object.compare)
	return groups
}

// Bears says whether what members of the group are given bears on the application of the organization.
func (r *Roster) Bears(group Object, organization, application string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[group.Namespace]
	if n == nil || n.groups[group.Name] == nil || n.groups[group.Name].inert {
		return false
	}
	if !n.atSystem && n.name != organization {
		return false
	}
	// Who is in the group is in the groups around it, and has what they give.
	return slices.ContainsFunc(n.sourcesAbove(group.Name), func(s *resolve.Source) bool {
		return bears(s, organization, application)
	})
}

func bears(s *resolve.Source, organization, application string) bool {
	if slices.ContainsFunc(s.Rows, func(w resolve.Rows) bool {
		return w.Application == application || w.Application == accessv1alpha1.All
	}) {
		return true
	}
	if s.WithoutPrivileges {
		return false
	}
	if s.Origin == resolve.OrganizationGroup {
		return s.OrganizationRole != "" || namesApplication(s.Applications, application)
	}
	entry := s.Entry(organization)
	return entry != nil &&
		(entry.Role != "" || entry.OrganizationRole != "" || namesApplication(entry.Applications, application))
}

func namesApplication(grants []resolve.ApplicationGrant, application string) bool {
	return slices.ContainsFunc(grants, func(g resolve.ApplicationGrant) bool {
		return g.Application == application || g.Application == accessv1alpha1.All
	})
}

// Unsettled says whether the object has been set since the last Settle: what is known of it is not yet complete.
func (r *Roster) Unsettled(o Object) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, touched := r.touched[o]
	return touched
}

// Totals are sums over all organizations.
type Totals struct {
	Organizations int
	Users         int
	Conflicts     int
}

// Totals counts. The cost grows with the organizations.
func (r *Roster) Totals() Totals {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t := Totals{Users: r.users, Conflicts: r.conflictTotal}
	for _, n := range r.namespaces {
		if n.organization {
			t.Organizations++
		}
	}
	return t
}

// IsMember says whether the user is an active member of the group.
func (r *Roster) IsMember(group Object, user string) bool {
	return slices.Contains(r.Groups(group.Namespace, user), group.Name)
}

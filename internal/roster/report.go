package roster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Report is what the roster has to say of one object, for its status.
type Report struct {
	// Inert is the reason for which the object counts for nothing: WrongNamespace, NotAnOrganization or DuplicateUser.
	// Empty: it counts.
	Inert string
	// Unresolved lists what the object names and what does not exist, in the order of its fields.
	Unresolved []accessv1alpha1.UnresolvedReference
	// Unmapped lists, for a policy, the sources of system roles that its ladders do not map; for a source, the
	// organizations without a policy of their own that do not map its role.
	Unmapped []string
}

// Conflict is a conflict with where it is.
type Conflict struct {
	Organization string
	User         string
	resolve.Conflict
}

// GroupReport is the report on an AccessGroup.
type GroupReport struct {
	Report
	Object  *accessv1alpha1.AccessGroup
	Members int
	// OverBound is the number of members who see no row of some application because their filters, to which the group
	// contributes, are larger together than docs/rules.md R7 allows.
	OverBound int
	Conflicts int
	Samples   []Conflict // the first of them, by organization and user
}

// UserReport is the report on a UserAccess. Decision is nil where there is nothing to decide, and for one that does
// not count.
type UserReport struct {
	Report
	Object       *accessv1alpha1.UserAccess
	Decision     *resolve.Decision
	Applications []string // named in the organization
	Groups       []string
	Counting     string // the name of the one that counts
	// Conflicts and Samples are, for one of the system namespace, those that its grants take part in elsewhere.
	Conflicts int
	Samples   []Conflict
}

// ApplicationReport is the report on an ApplicationAccess.
type ApplicationReport struct {
	Report
	Object *accessv1alpha1.ApplicationAccess
}

// PolicyReport is the report on an AccessPolicy.
type PolicyReport struct {
	Report
	Object        *accessv1alpha1.AccessPolicy
	Organizations int
	// Expiring lists the organizations in which every holder of the top organization role has an end.
	Expiring []string
}

// Group reports on an AccessGroup with at most the given number of samples; nil where there is none.
func (r *Roster) Group(namespace, name string, samples int) *GroupReport {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil || n.groups[name] == nil {
		return nil
	}
	g := n.groups[name]
	report := &GroupReport{Object: g.object, Members: n.active[name]}
	switch {
	case g.inert:
		report.Inert = accessv1alpha1.ReasonWrongNamespace
		return report
	case !n.atSystem && !n.organization:
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
		return report
	}
	report.OverBound = n.overBound[name]
	report.Conflicts, report.Samples = r.conflictsOf(g.source.Name, samples)
	report.Unresolved = r.unresolvedInGroup(n, g.object)
	if n.active[name] > 0 {
		report.Unmapped = r.unmappedWithoutPolicy(g.source)
	}
	return report
}

func (c conflicting) compare(d conflicting) int {
	return cmp.Or(strings.Compare(c.organization, d.organization), strings.Compare(c.user, d.user))
}

// conflictsOf counts the conflicts that the source takes part in, and returns the first of them.
func (r *Roster) conflictsOf(source string, samples int) (count int, first []Conflict) {
	at := r.conflicts[source]
	for _, each := range at {
		count += each
	}
	for _, where := range slices.SortedFunc(maps.Keys(at), conflicting.compare) {
		if len(first) >= samples {
			break
		}
		first = append(first, r.conflictsAt(where, source)...)
	}
	return count, first[:min(samples, len(first))]
}

func (r *Roster) conflictsAt(where conflicting, source string) []Conflict {
	d := r.decision(where.organization, where.user)
	if d == nil {
		return nil
	}
	var found []Conflict
	for _, c := range d.Conflicts {
		if slices.ContainsFunc(c.Grants, func(g resolve.SourceRole) bool { return g.Source == source }) {
			found = append(found, Conflict{where.organization, where.user, c})
		}
	}
	return found
}

// User reports on a UserAccess with at most the given number of samples; nil where there is none.
func (r *Roster) User(namespace, name string, samples int) *UserReport {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil || n.userAccess[name] == nil {
		return nil
	}
	ua := n.userAccess[name]
	user := string(ua.Spec.User)
	a := n.accounts[user]
	report := &UserReport{Object: ua, Applications: n.applicable}
	if !n.atSystem && !n.organization {
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
		return report
	}
	if counting := a.counting(); counting != nil && counting != ua {
		report.Inert, report.Counting = accessv1alpha1.ReasonDuplicateUser, counting.Name
		if a.materialized == ua {
			report.Inert = "" // on its way out: it gives nothing and stands in nobody's way
		}
		if ua.DeletionTimestamp == nil && report.Inert != "" {
			return report
		}
	}
	report.Decision = r.decision(namespace, user)
	if rec := n.records[user]; rec != nil {
		report.Groups = rec.groups
	}
	if report.Inert != "" {
		return report // what does not count names nothing and gives nothing
	}
	report.Unresolved = r.unresolvedInUser(n, ua)
	if n.atSystem && a.counting() == ua { // the source is that of the one that counts
		report.Unmapped = r.unmappedWithoutPolicy(a.source)
		report.Conflicts, report.Samples = r.conflictsOf(Object{KindUserAccess, namespace, name}.String(), samples)
	}
	return report
}

// Application reports on an ApplicationAccess; nil where there is none.
func (r *Roster) Application(namespace, name string) *ApplicationReport {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil || n.applications[name] == nil {
		return nil
	}
	report := &ApplicationReport{Object: n.applications[name]}
	switch {
	case n.atSystem:
		report.Inert = accessv1alpha1.ReasonWrongNamespace
	case !n.organization:
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
	}
	return report
}

// Policy reports on the AccessPolicy of the namespace; nil where there is none.
func (r *Roster) Policy(namespace string) *PolicyReport {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil || n.policy == nil {
		return nil
	}
	report := &PolicyReport{Object: n.policy}
	if !n.atSystem && !n.organization {
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
		return report
	}
	for _, name := range slices.Sorted(maps.Keys(r.namespaces)) {
		o := r.namespaces[name]
		if !o.organization || (o != n && !(n.atSystem && o.policy == nil)) {
			continue
		}
		report.Organizations++
		if o.administratorsExpire() {
			report.Expiring = append(report.Expiring, name)
		}
	}
	report.Unresolved = r.unresolvedInPolicy(n)
	if !n.atSystem {
		report.Unmapped = r.unmappedSources(n)
	}
	return report
}

// administratorsExpire says whether the top organization role has holders and none who stays.
func (n *namespace) administratorsExpire() bool {
	expires := false
	for _, rec := range n.records {
		if !holdsTop(n, rec.decision) {
			continue
		}
		if rec.decision.OrganizationRole.NotAfter.IsZero() {
			return false
		}
		expires = true
	}
	return expires
}

// unmappedSources lists what gives someone a system role that the organization's ladders do not map.
func (r *Roster) unmappedSources(n *namespace) []string {
	var sources []string
	note := func(s *resolve.Source) {
		if s != nil && n.compiled.Bind(s).Unmapped() {
			sources = append(sources, s.Name)
		}
	}
	for name, g := range r.system.groups {
		if !g.inert && r.system.active[name] > 0 {
			note(g.source)
		}
	}
	for _, a := range r.system.accounts {
		note(a.source)
	}
	slices.Sort(sources)
	return sources
}

// unmappedWithoutPolicy lists the organizations without a policy of their own that do not map the source's role.
func (r *Roster) unmappedWithoutPolicy(s *resolve.Source) []string {
	if s == nil || len(s.System) == 0 {
		return nil
	}
	var organizations []string
	for name, n := range r.namespaces {
		if n.organization && n.policy == nil && n.compiled.Bind(s).Unmapped() {
			organizations = append(organizations, name)
		}
	}
	slices.Sort(organizations)
	return organizations
}

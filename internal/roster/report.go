package roster

import (
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// Report holds the facts about one object for its status.
type Report struct {
	// Inert is the reason why the object has no effect: WrongNamespace, NotAnOrganization or DuplicateUser. It is
	// empty if the object has effect.
	Inert string
	// Unresolved lists the object's references to objects that do not exist, in the order of its fields.
	Unresolved []accessv1alpha1.UnresolvedReference
	// Unmapped lists, for a policy, the sources of system roles that its ladders do not map. For a source, it lists
	// the organizations without their own policy that do not map its role.
	Unmapped []string
}

// Conflict is a conflict of one user in one organization.
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
	// OverBound is the number of members who see no rows of some application because their filters together exceed
	// the bound of docs/rules.md R7. Only members with filters from this group count.
	OverBound int
	Conflicts int
	Samples   []Conflict // the first conflicts, by organization and user
	// ReviewDue is the instant at which the review of the group is or was due. It is zero if the group requires no
	// review.
	ReviewDue time.Time
}

// UserReport is the report on a UserAccess. Decision is nil if there is nothing to decide or if the UserAccess
// does not count.
type UserReport struct {
	Report
	Object       *accessv1alpha1.UserAccess
	Decision     *resolve.Decision
	Applications []string // named in the organization
	Groups       []string
	Counting     string // name of the UserAccess that counts
	// Conflicts and Samples are set for a UserAccess of the system namespace: its grants take part in these
	// conflicts in organizations.
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
	// Expiring lists the organizations in which every holder's top organization role has an end. It leaves out
	// organizations in which the end of a holder is not known yet.
	Expiring []string
}

// Group returns the report on an AccessGroup with at most the given number of samples, or nil if the group does
// not exist.
func (v *View) Group(namespace, name string, samples int) *GroupReport {
	n, o := v.index.Namespace(namespace), v.at(namespace)
	g := n.Group(name)
	if g == nil {
		return nil
	}
	report := &GroupReport{Object: g.Object, Members: o.active.Get(name)}
	switch {
	case g.Inert:
		report.Inert = accessv1alpha1.ReasonWrongNamespace
		return report
	case !n.AtSystem() && o.rules == nil:
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
		return report
	}
	report.OverBound = o.overBound.Get(name)
	report.ReviewDue, _ = index.ReviewDue(g.Object, v.now)
	report.Conflicts, report.Samples = v.conflictsOf(g.Source.Name, samples)
	report.Unresolved = v.Unresolved(v.index, g.Object, o.rules)
	if report.Members > 0 {
		report.Unmapped = v.unmappedWithoutPolicy(g.Source)
	}
	return report
}

// conflictsOf counts the conflicts that the source takes part in, and returns the first of them. The cost grows
// with the number of users who have such a conflict.
func (v *View) conflictsOf(source string, samples int) (count int, first []Conflict) {
	for c := range v.conflicts.From(conflicts{source: source}) {
		if c.source != source {
			break
		}
		count += c.count
		if len(first) < samples {
			first = append(first, v.conflictsAt(c)...)
		}
	}
	return count, first[:min(samples, len(first))]
}

func (v *View) conflictsAt(at conflicts) []Conflict {
	d := v.Decision(at.organization, at.user)
	if d == nil {
		return nil
	}
	var found []Conflict
	for _, c := range d.Conflicts {
		if slices.ContainsFunc(c.Grants, func(g resolve.SourceRole) bool { return g.Source == at.source }) {
			found = append(found, Conflict{at.organization, at.user, c})
		}
	}
	return found
}

// User returns the report on a UserAccess with at most the given number of samples, or nil if it does not exist.
func (v *View) User(namespace, name string, samples int) *UserReport {
	n, o := v.index.Namespace(namespace), v.at(namespace)
	ua := n.UserAccess(name)
	if ua == nil {
		return nil
	}
	user := string(ua.Spec.User)
	a := n.Account(user)
	report := &UserReport{Object: ua, Applications: o.applications}
	if !n.AtSystem() && o.rules == nil {
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
		return report
	}
	if counting := a.Counting(); counting != nil && counting != ua {
		report.Inert, report.Counting = accessv1alpha1.ReasonDuplicateUser, counting.Name
		if a.Materialized == ua {
			report.Inert = "" // about to be deleted: it grants nothing and blocks nothing
		}
		if ua.DeletionTimestamp == nil && report.Inert != "" {
			return report
		}
	}
	report.Decision, report.Groups = o.decision(user), v.Groups(namespace, user)
	if report.Inert != "" {
		return report // an inert object has no references and no grants
	}
	report.Unresolved = v.Unresolved(v.index, ua, o.rules)
	if n.AtSystem() && a.Counting() == ua { // the source belongs to the object that counts
		report.Unmapped = v.unmappedWithoutPolicy(a.Source)
		report.Conflicts, report.Samples = v.conflictsOf(ObjectOf(ua).String(), samples)
	}
	return report
}

// Application returns the report on an ApplicationAccess, or nil if it does not exist.
func (v *View) Application(namespace, name string) *ApplicationReport {
	n, o := v.index.Namespace(namespace), v.at(namespace)
	a := n.Application(name)
	if a == nil {
		return nil
	}
	report := &ApplicationReport{Object: a}
	switch {
	case n.AtSystem():
		report.Inert = accessv1alpha1.ReasonWrongNamespace
	case o.rules == nil:
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
	}
	return report
}

// Policy returns the report on the AccessPolicy of the namespace, or nil if there is none.
func (v *View) Policy(namespace string) *PolicyReport {
	n, o := v.index.Namespace(namespace), v.at(namespace)
	policy := n.Policy()
	if policy == nil {
		return nil
	}
	report := &PolicyReport{Object: policy}
	if !n.AtSystem() && o.rules == nil {
		report.Inert = accessv1alpha1.ReasonNotAnOrganization
		return report
	}
	for name, each := range v.organizations.All() {
		if each.rules == nil || (name != namespace && !(n.AtSystem() && v.index.Namespace(name).Policy() == nil)) {
			continue
		}
		report.Organizations++
		if each.administratorsExpire() {
			report.Expiring = append(report.Expiring, name)
		}
	}
	report.Unresolved = v.Unresolved(v.index, policy, o.rules)
	if !n.AtSystem() {
		report.Unmapped = v.unmappedSources(o)
	}
	return report
}

// administratorsExpire reports whether the top organization role has holders and each of them holds it with an
// end. It returns false while a holder's decision is unfinished, because that holder may turn out to have no end.
func (o *organization) administratorsExpire() bool {
	expires := false
	for _, rec := range o.records.All() {
		if !holdsTop(o, rec.decision) {
			continue
		}
		if rec.decision.Unfinished || rec.decision.OrganizationRole.NotAfter.IsZero() {
			return false
		}
		expires = true
	}
	return expires
}

// unmappedSources lists the sources that grant a user a system role that the organization's ladders do not map.
func (v *View) unmappedSources(o *organization) []string {
	var sources []string
	at := v.index.Namespace(o.rules.Rules().Organization).Place()
	note := func(s *resolve.Source) {
		if s != nil && o.rules.Bind(s, at).Unmapped(v.now) {
			sources = append(sources, s.Name)
		}
	}
	system := v.index.System()
	members := v.at(system.Name()).active
	for name, g := range system.Groups() {
		if !g.Inert && members.Get(name) > 0 {
			note(g.Source)
		}
	}
	for _, a := range system.Accounts() {
		note(a.Source)
	}
	slices.Sort(sources)
	return sources
}

// unmappedWithoutPolicy lists the organizations without their own policy that do not map the source's role,
// sorted.
func (v *View) unmappedWithoutPolicy(s *resolve.Source) []string {
	if s == nil || len(s.System) == 0 {
		return nil
	}
	var organizations []string
	for name, o := range v.organizations.All() {
		n := v.index.Namespace(name)
		if o.rules != nil && n.Policy() == nil && o.rules.Bind(s, n.Place()).Unmapped(v.now) {
			organizations = append(organizations, name)
		}
	}
	return organizations
}

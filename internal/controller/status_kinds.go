package controller

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// Bounds of lists in status, as in the schema.
const (
	samples           = 20
	sampleGrants      = 5
	maxReferences     = 20
	maxApplications   = 50
	maxGroups         = 50
	maxUserConflicts  = 20
	maxRolesOfHolders = 20
)

// groupStatus returns the status of an AccessGroup.
func groupStatus(
	report *roster.GroupReport, p publication, notices noticeFailure, systemNamespace string, now time.Time,
) accessv1alpha1.AccessGroupStatus {
	g := report.Object
	c := conditions{before: g.Status.Conditions, generation: g.Generation, now: now}
	status := accessv1alpha1.AccessGroupStatus{ObservedGeneration: g.Generation}
	if c.setCommon(&report.Report, inertGroup(report, systemNamespace), p) {
		c.references(report.Unresolved)
		status.Members = count(report.Members)
		status.Unpublished = count(p.unpublished)
		status.UnresolvedReferences = first(report.Unresolved, maxReferences)
		status.Conflicts = count(report.Conflicts)
		for i := range report.Samples {
			s := &report.Samples[i]
			sample := conflictOf(&s.Conflict)
			sample.User = accessv1alpha1.UserName(s.User)
			if s.Organization != g.Namespace {
				sample.Organization = accessv1alpha1.OrganizationName(s.Organization)
			}
			status.ConflictSamples = append(status.ConflictSamples, sample)
		}
		c.conflicts(report.Conflicts, "conflictSamples")
		if report.OverBound > 0 {
			c.set(accessv1alpha1.ConditionFiltersTooLarge, true, accessv1alpha1.ReasonOverLimit, fmt.Sprintf(
				"The row-level filters of %s, to which this group contributes, are larger together than %d KiB "+
					"(docs/rules.md R7): these members see no row of some applications. The conditions on their UserAccess "+
					"objects name these applications. Use fewer or shorter values in spec.dataPermissions.",
				words.Counted(report.OverBound, "member", "members"), resolve.MaximumFilterBytes>>10))
		}
		c.stalled(p)
		if notices.reason != "" {
			c.set(accessv1alpha1.ConditionNoticesFailing, true, notices.reason, notices.message)
		}
		c.unmapped(report.Unmapped, "In %s, which has no policy of its own, the system role means a role that is not on "+
			"the ladder. Declare the role there, or map the system role to one that is.")
		c.review(g, report.ReviewDue)
	}
	status.Conditions = c.list
	return status
}

func inertGroup(report *roster.GroupReport, systemNamespace string) string {
	switch report.Inert {
	case accessv1alpha1.ReasonWrongNamespace:
		if report.Object.Spec.Type == accessv1alpha1.GroupTypeSystem {
			return fmt.Sprintf("spec.type is System, and a System group counts only in the system namespace %s: "+
				"create it there, or create an Organization group here.", systemNamespace)
		}
		return fmt.Sprintf("spec.type is Organization, and namespace %s is the system namespace, where only System groups "+
			"count: create it in an organization, or create a System group here.", systemNamespace)
	default:
		return notAnOrganization(report.Object.Namespace)
	}
}

func notAnOrganization(namespace string) string {
	return fmt.Sprintf("Namespace %s is not selected as an organization, so the object has no effect: give the "+
		"namespace the labels that --organization-selector asks for (as shipped %s=%s).",
		namespace, accessv1alpha1.LabelOrganization, accessv1alpha1.OrganizationEnabled)
}

// userStatus returns the status of a UserAccess, with the user's effective access.
func userStatus(report *roster.UserReport, p publication, now time.Time) accessv1alpha1.UserAccessStatus {
	ua := report.Object
	c := conditions{before: ua.Status.Conditions, generation: ua.Generation, now: now}
	status := accessv1alpha1.UserAccessStatus{ObservedGeneration: ua.Generation}
	inert := notAnOrganization(ua.Namespace)
	if report.Inert == accessv1alpha1.ReasonDuplicateUser {
		inert = fmt.Sprintf("User %q has another UserAccess in this namespace, %s, and the one with the smallest name "+
			"counts. A suspension or a window of this one still bars the user. Merge the two and delete one.",
			ua.Spec.User, report.Counting)
	}
	if c.setCommon(&report.Report, inert, p) {
		c.references(report.Unresolved)
		status.GroupCount = count(len(report.Groups))
		for _, name := range first(report.Groups, maxGroups) {
			status.Groups = append(status.Groups, accessv1alpha1.GroupName(name))
		}
		if report.Decision != nil {
			decided(&status, report)
			c.userConflicts(report.Decision)
			c.overLimit(report.Decision)
		} else if report.Samples != nil {
			elsewhere(&status, report)
			c.conflicts(report.Conflicts, "conflicts")
		}
		c.stalled(p)
		c.unmapped(report.Unmapped, "In %s, which has no policy of its own, the system role means a role that is not on "+
			"the ladder. Declare the role there, or map the system role to one that is.")
	}
	if p.nameOf != "" {
		c.set(accessv1alpha1.ConditionNameTaken, true, accessv1alpha1.ReasonNameOfAnotherUser, fmt.Sprintf(
			"This object is declared for user %q, but its name is kept for user %q, who has no UserAccess here. It owns that "+
				"user's document meanwhile. Give this object another name, or declare a UserAccess for that user.",
			ua.Spec.User, p.nameOf))
	}
	status.Conditions = c.list
	return status
}

// elsewhere fills in the status of a UserAccess of the system namespace: the conflicts of its grants in organizations.
func elsewhere(status *accessv1alpha1.UserAccessStatus, report *roster.UserReport) {
	status.ConflictCount = count(report.Conflicts)
	for i := range report.Samples {
		conflict := conflictOf(&report.Samples[i].Conflict)
		conflict.Organization = accessv1alpha1.OrganizationName(report.Samples[i].Organization)
		status.Conflicts = append(status.Conflicts, conflict)
	}
}

func decided(status *accessv1alpha1.UserAccessStatus, report *roster.UserReport) {
	d := report.Decision
	status.OrganizationRole = accessv1alpha1.RoleName(d.OrganizationRole.Role)
	status.DefaultRole = accessv1alpha1.RoleName(d.Default.Role)
	entries := publish.Entries(d, report.Applications)
	status.ApplicationCount = count(len(entries))
	for _, e := range first(entries, maxApplications) {
		status.Applications = append(status.Applications, accessv1alpha1.EffectiveRole{
			Name: accessv1alpha1.ApplicationName(e.Application), Role: accessv1alpha1.RoleName(e.Access.Role),
			Source: accessv1alpha1.SourceName(e.Access.Source), Rule: accessv1alpha1.DecisionRule(e.Access.Rule),
		})
	}
	status.ConflictCount = count(len(d.Conflicts))
	for i := range first(d.Conflicts, maxUserConflicts) {
		status.Conflicts = append(status.Conflicts, conflictOf(&d.Conflicts[i]))
	}
	if !d.Next.IsZero() {
		next := metav1.NewTime(d.Next)
		status.NextTransitionTime = &next
	}
}

// conflicts sets RoleConflict on a source of grants.
func (c *conditions) conflicts(number int, field string) {
	if number == 0 {
		c.set(accessv1alpha1.ConditionRoleConflict, false, accessv1alpha1.ReasonNoConflicts,
			"No grant of this object conflicts with another source's.")
		return
	}
	c.set(accessv1alpha1.ConditionRoleConflict, true, accessv1alpha1.ReasonConflicts, fmt.Sprintf(
		"Grants of this object conflict with other sources' in %s; status.%s has some of them, with what won.",
		words.Counted(number, "scope", "scopes"), field))
}

// userConflicts sets RoleConflict on a user.
func (c *conditions) userConflicts(d *resolve.Decision) {
	switch {
	case len(d.Exclusions) > 0:
		e := &d.Exclusions[0]
		c.set(accessv1alpha1.ConditionRoleConflict, true, accessv1alpha1.ReasonExclusiveAccess, fmt.Sprintf(
			"Rule %s of %s lets nobody hold its minimumRole in more than one of its applications, and this user's grants "+
				"give it in %s: the user has NoAccess in all applications of the rule. Take the role away in all but one.",
			e.Name, e.Source, listed(e.Applications)))
	case len(d.Conflicts) > 0:
		c.set(accessv1alpha1.ConditionRoleConflict, true, accessv1alpha1.ReasonConflicts, fmt.Sprintf(
			"In %s different sources give the user different roles; status.conflicts says which, and what won.",
			words.Counted(len(d.Conflicts), "scope", "scopes")))
	default:
		c.set(accessv1alpha1.ConditionRoleConflict, false, accessv1alpha1.ReasonNoConflicts,
			"No sources give the user different roles in one scope.")
	}
}

// overLimit sets the conditions of a user who is affected by a limit of the rules.
func (c *conditions) overLimit(d *resolve.Decision) {
	if len(d.HiddenRows) > 0 {
		names := slices.Clone(d.HiddenRows)
		if names[0] == resolve.AnyApplication {
			names[0] = "all applications that nothing names"
		}
		c.set(accessv1alpha1.ConditionFiltersTooLarge, true, accessv1alpha1.ReasonOverLimit, fmt.Sprintf(
			"The row-level filters of this user are larger together than %d KiB (docs/rules.md R7): the user sees no row of %s. "+
				"Use fewer or shorter values in spec.dataPermissions of the user's groups, or fewer such groups.",
			resolve.MaximumFilterBytes>>10, listed(names)))
	}
	if d.TooManyWindows {
		c.set(accessv1alpha1.ConditionTooManyWindows, true, accessv1alpha1.ReasonOverLimit, fmt.Sprintf(
			"More than %d instants at which windows open or close affect %s (docs/documents.md, notAfter): the published "+
				"notAfter is the last of the instants considered, earlier than necessary, and is extended as time passes. "+
				"Delete memberships and entries whose window has closed, and give the user fewer with windows.",
			resolve.MaximumInstants, listed(cutOff(d))))
	}
}

// cutOff names the entries whose notAfter is earlier than necessary.
func cutOff(d *resolve.Decision) []string {
	var names []string
	if d.OrganizationRole.IsCutOff() {
		names = append(names, "organizationRole")
	}
	if d.Default.IsCutOff() {
		names = append(names, "defaultRole")
	}
	for _, a := range d.Applications {
		if a.IsCutOff() {
			names = append(names, "application "+a.Application)
		}
	}
	if len(names) == 0 {
		return []string{"whether the user can enter the organization"}
	}
	return names
}

func conflictOf(c *resolve.Conflict) accessv1alpha1.Conflict {
	conflict := accessv1alpha1.Conflict{
		Scope:       accessv1alpha1.ConflictScope(c.Scope),
		Application: accessv1alpha1.ApplicationName(c.Application),
		Result:      accessv1alpha1.RoleName(c.Role),
	}
	sides, _ := c.Sides()
	for _, g := range first(sides, sampleGrants) {
		conflict.Grants = append(conflict.Grants, accessv1alpha1.ConflictingGrant{
			Source: accessv1alpha1.SourceName(g.Source), Role: accessv1alpha1.RoleName(g.Role),
		})
	}
	return conflict
}

// applicationStatus returns the status of an ApplicationAccess: what is published for its application.
func applicationStatus(
	report *roster.ApplicationReport, p publication, h holders, o *resolve.Organization, now time.Time,
) accessv1alpha1.ApplicationAccessStatus {
	aa := report.Object
	c := conditions{before: aa.Status.Conditions, generation: aa.Generation, now: now}
	status := accessv1alpha1.ApplicationAccessStatus{ObservedGeneration: aa.Generation}
	inert := notAnOrganization(aa.Namespace)
	if report.Inert == accessv1alpha1.ReasonWrongNamespace {
		inert = fmt.Sprintf("Namespace %s is the system namespace, which has no applications: "+
			"create the object in an organization.", aa.Namespace)
	}
	if c.setCommon(&report.Report, inert, p) {
		c.stalled(p)
		c.remark(accessv1alpha1.ConditionReady, shardsGrow(aa.Name, h))
		status.Users = count(h.users)
		status.Omitted = count(h.omitted)
		if o != nil {
			for _, role := range first(o.Rules().ApplicationRoles, maxRolesOfHolders) {
				if n := h.byRole[role.Name]; n > 0 {
					status.UsersByRole = append(status.UsersByRole,
						accessv1alpha1.RoleUsers{Role: accessv1alpha1.RoleName(role.Name), Users: count(n)})
				}
			}
		}
		for shard := range h.shards {
			status.ConfigMaps = append(status.ConfigMaps,
				accessv1alpha1.ConfigMapName(publish.ApplicationName(aa.Name, shard)))
		}
	}
	status.Conditions = c.list
	return status
}

// shardsGrow returns a message that names the ConfigMaps which a workload should mount in time, or "". The message
// stays the same as users are added, because every new message is written and recorded as an event.
func shardsGrow(application string, h holders) string {
	if !h.growing {
		return ""
	}
	names := make([]string, h.shards)
	for i := range names {
		names[i] = publish.ApplicationName(application, h.shards+i)
	}
	return fmt.Sprintf("The document has nearly outgrown its ConfigMaps (%d): soon there will be %d. Let workloads mount %s "+
		"too, optionally, before they are needed, or set publish.minimumShards to %d.",
		h.shards, 2*h.shards, listed(names), 2*h.shards)
}

// policyStatus returns the status of an AccessPolicy.
func policyStatus(report *roster.PolicyReport, p publication, now time.Time) accessv1alpha1.AccessPolicyStatus {
	c := conditions{before: report.Object.Status.Conditions, generation: report.Object.Generation, now: now}
	status := accessv1alpha1.AccessPolicyStatus{ObservedGeneration: report.Object.Generation}
	if c.setCommon(&report.Report, notAnOrganization(report.Object.Namespace), p) {
		c.references(report.Unresolved)
		c.stalled(p)
		status.Organizations = count(report.Organizations)
		status.UnresolvedReferences = first(report.Unresolved, maxReferences)
		c.unmapped(report.Unmapped, "The system roles that %s gives mean roles that are not on this policy's ladders. "+
			"Declare them here, or map the system roles to others.")
		if len(report.Expiring) > 0 {
			c.set(accessv1alpha1.ConditionAdministratorExpires, true, accessv1alpha1.ReasonEveryHolderExpires, fmt.Sprintf(
				"In %s everybody who holds the top organization role loses it at some time. Give it to somebody without an end.",
				listed(report.Expiring)))
		}
	}
	status.Conditions = c.list
	return status
}

// blockedReason distinguishes a name that is taken, which somebody must fix, from errors that may go away.
func blockedReason(err error) (reason, message string) {
	var conflict *publish.ConflictError
	var altered *publish.AlteredError
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &conflict):
		return accessv1alpha1.ReasonConfigMapConflict, conflict.Error()
	case errors.As(err, &altered):
		return accessv1alpha1.ReasonPublishFailed, err.Error() + ". Usher tries again at least once a minute."
	default:
		return accessv1alpha1.ReasonPublishFailed, "The document cannot be written: " + err.Error()
	}
}

func count(n int) int32 { return int32(min(n, math.MaxInt32)) }

func first[T any](list []T, n int) []T { return slices.Clip(list[:min(n, len(list))]) }

package validation

import (
	"fmt"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// freeInstants is how many future instants may bear on one entry of a user's decision before a change that adds to them
// takes the right to the entry's role (docs/admission.md, many windows).
const freeInstants = 64

// bound requires the rights to what nobody looks at instant by instant: an entry past [resolve.MaximumInstants] instants is
// judged as if the highest role that anything declares there became effective, with all rows.
func (j *judge) bound(u *roster.Tried, c courses, now time.Time) {
	j.boundEntry(u, "", &c.before.Organization, &c.after.Organization, now)
	j.boundEntry(u, resolve.AnyApplication, &c.before.Default, &c.after.Default, now)
	for _, name := range c.applications() {
		j.boundEntry(u, name, c.before.Application(name), c.after.Application(name), now)
	}
}

func (j *judge) boundEntry(u *roster.Tried, application string, was, is *resolve.Course, now time.Time) {
	more := is.Instants > freeInstants && is.Instants > was.Instants
	unknown := !was.Until.IsZero() || !is.Until.IsZero()
	if !more && !unknown {
		return
	}
	before, after := u.Before.Claims(), u.After.Claims()
	if !resolve.BearsOn(before, after, application) {
		return
	}
	since := now
	if !more {
		since = firstOf(was.Until, is.Until)
	}
	rules := rulesOf(u)
	role, sources := rules.Highest(before, after, application, since)
	resource := ResourceApplicationRoles
	if application == "" {
		resource = ResourceOrganizationRoles
	}
	n := need{resource: resource, namespace: rules.Rules().Organization, application: application, role: role}
	switch {
	case role == resolve.NoAccess && !more:
		return // nothing can become effective
	case role == resolve.NoAccess:
		n.role = "" // no role is declared yet: any
	}
	if len(sources) > 0 {
		n.source = sources[0]
	}
	j.requireEffective(u, n, func() string { return j.tooMany(u, n, is, more) })
	if unknown && role != resolve.NoAccess && application != "" {
		j.requireRows(u, rowsName(application), since, now)
	}
}

func rowsName(application string) string {
	if application == resolve.AnyApplication {
		return ""
	}
	return application
}

func (j *judge) tooMany(u *roster.Tried, n need, is *resolve.Course, more bool) string {
	count := fmt.Sprint(is.Instants)
	if is.Instants > resolve.MaximumInstants {
		count = fmt.Sprintf("more than %d", resolve.MaximumInstants)
	}
	where := "the organization role"
	switch {
	case n.resource == ResourceOrganizationRoles:
	case n.application == resolve.AnyApplication:
		where = "the role in every application that no entry names"
	default:
		where = "the role in application " + n.application
	}
	const remedy = "Let fewer windows begin and end, such as by one window for the whole group"
	if more {
		return fmt.Sprintf("windows that open or close would change %s of %s in organization %s at %s instants, and more than %d take "+
			"the right to grant the highest role that is declared there. %s", where, u.User, n.namespace, count, freeInstants, remedy)
	}
	return fmt.Sprintf("windows change %s of %s in organization %s at more than %d instants. What comes later is not looked at, and "+
		"the highest role that is declared there counts as given. %s", where, u.User, n.namespace, resolve.MaximumInstants, remedy)
}

// firstOf returns the earlier of the two that are set.
func firstOf(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

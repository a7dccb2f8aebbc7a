package validation

import (
	"fmt"
	"time"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// freeInstants is the number of future instants that may affect one entry of a user's decision. A change that adds
// instants beyond it requires the right to grant the role of the entry (docs/admission.md, many windows).
const freeInstants = 64

// bound requires the rights to entries that are not evaluated instant by instant. An entry with more than
// [resolve.MaximumInstants] instants is judged as if the highest role that is declared for it became effective,
// with all rows.
func (j *judge) bound(u *preview.Affected, c *courses, now time.Time) {
	if !c.timed {
		return
	}
	b := bounding{Affected: u, before: u.Before.Claims(), after: u.After.Claims(), now: now}
	j.boundEntry(&b, "", &c.before.Organization, &c.after.Organization)
	j.boundEntry(&b, resolve.AnyApplication, &c.before.Default, &c.after.Default)
	for _, name := range c.applications() {
		j.boundEntry(&b, name, c.before.Application(name), c.after.Application(name))
	}
}

// bounding is the user whose entries bound judges.
type bounding struct {
	*preview.Affected

	before, after *resolve.Claims
	now           time.Time
	declared      *resolve.Declared // set on first use
}

func (j *judge) boundEntry(u *bounding, application string, was, is *resolve.Course) {
	more := is.Instants > freeInstants && is.Instants > was.Instants
	unknown := !was.Until.IsZero() || !is.Until.IsZero()
	if !more && !unknown {
		return
	}
	if !resolve.BearsOn(u.before, u.after, application) {
		return
	}
	if u.declared == nil {
		u.declared = resolve.DeclaredBy(u.before, u.after)
	}
	since := u.now
	if !more {
		since = firstOf(was.Until, is.Until)
	}
	rules := rulesOf(u.Affected)
	role, sources := rules.Highest(u.declared, application, since)
	resource := ResourceApplicationRoles
	if application == "" {
		resource = ResourceOrganizationRoles
	}
	n := need{resource: resource, namespace: rules.Rules().Organization, application: application, role: role}
	switch {
	case role == resolve.NoAccess && !more:
		return // nothing can become effective
	case role == resolve.NoAccess:
		n.role = "" // no role is declared yet: require the right to any role
	}
	if len(sources) > 0 {
		n.source = sources[0]
	}
	j.requireEffective(u.Affected, n, func() string { return j.tooMany(u.Affected, n, is, more) })
	if unknown && role != resolve.NoAccess && application != "" {
		j.requireRows(u.Affected, rowsName(application), since, u.now)
	}
}

func rowsName(application string) string {
	if application == resolve.AnyApplication {
		return ""
	}
	return application
}

func (j *judge) tooMany(u *preview.Affected, n need, is *resolve.Course, more bool) string {
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
		return fmt.Sprintf("windows that open or close would change %s of %s in organization %s at %s instants, and more than %d require "+
			"the right to grant the highest role that is declared there. %s", where, u.User, n.namespace, count, freeInstants, remedy)
	}
	if is.Instants <= resolve.MaximumInstants {
		return fmt.Sprintf("the change affects so many users, applications and windows that %s of %s in organization %s is not looked "+
			"at past the next window. The highest role that is declared there counts as given. Change the access of fewer users at "+
			"once, or let fewer windows begin and end", where, u.User, n.namespace)
	}
	return fmt.Sprintf("windows change %s of %s in organization %s at more than %d instants. Later instants are not checked, and "+
		"the highest role that is declared there counts as given. %s", where, u.User, n.namespace, resolve.MaximumInstants, remedy)
}

// firstOf returns the earlier of the two instants. It ignores zero values.
func firstOf(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

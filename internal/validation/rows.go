package validation

import (
	"fmt"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// widen requires the right to data permissions if a user with access before and after the change would see more
// rows, or if a row-level filter of a user with access before the change ends or widens. The right to a newly
// granted role includes the rows that come with the role. Neither a suspension nor a currently hidden attribute
// hides a widening.
func (j *judge) widen(u *preview.Affected, c *courses, now time.Time) {
	j.widenWith(u, c, now)
	if shown := j.withAttributes(u, now); shown != nil {
		j.widenWith(shown, j.coursesOf(shown, now), now)
	}
}

func (j *judge) widenWith(u *preview.Affected, c *courses, now time.Time) {
	free := c
	if slices.ContainsFunc(u.Before.User.Bars, mayBar) || slices.ContainsFunc(u.After.User.Bars, mayBar) {
		free = j.coursesOf(withoutBars(u, now), now)
	}
	if !j.mayLeave(u, now) {
		free.each(func(m *moment) { j.widenAt(u, m, now) })
	}
	j.showUnmatched(u, free, now)
	rules := u.Before.Rules
	for _, r := range rules.ReleasedRows(u.Before.Claims(), u.After.Claims(), free.was, free.is, &j.filters, now) {
		j.requireReleasedRows(u, &r, now)
	}
}

// mayLeave reports whether the user may be taken out of a group that filters rows, because a UserAccess suspends
// the user or has ended, before and after the change. Other ways to widen a filter are found by comparing the
// filters.
func (j *judge) mayLeave(u *preview.Affected, now time.Time) bool {
	kind := j.object().Kind
	return (kind == roster.KindAccessGroup || kind == roster.KindUserAccess) &&
		u.Before.Rules.Rules().Strategy == resolve.MostRestrictive &&
		resolve.IsStopped(u.Before.User.Bars, u.After.User.Bars, now)
}

// showUnmatched requires the right to show the rows of an application if the change stops hiding the rows that no
// data permission shows. It does so even if a data permission filters the rows of the user now. That permission
// may end at the same time, and its own check finds no additional rows as long as these rows are hidden.
func (j *judge) showUnmatched(u *preview.Affected, free *courses, now time.Time) {
	still := u.After.Rules.Rules().HideUnmatched
	for _, application := range u.Before.Rules.Rules().HideUnmatched {
		if slices.Contains(still, application) {
			continue
		}
		course := free.was(application)
		at := course.Until
		if i := slices.IndexFunc(course.Steps, func(s resolve.Step) bool { return s.GivesAccess() }); i >= 0 {
			at = course.Steps[i].At
		}
		if !at.IsZero() {
			j.requireRows(u, application, at, now)
		}
	}
}

func mayBar(b resolve.Bar) bool { return b.Suspended || b.Window != resolve.Window{} }

// withoutBars returns the user as if no UserAccess barred the user.
func withoutBars(u *preview.Affected, now time.Time) *preview.Affected {
	free := *u
	for _, s := range []*preview.State{&free.Before, &free.After} {
		s.User.Bars = nil
		d := s.Rules.At(&s.User, now)
		s.Decision = &d
	}
	return &free
}

func (j *judge) widenAt(u *preview.Affected, m *moment, now time.Time) {
	if j.wider(&m.before.Default, &m.after.Default) {
		j.requireRows(u, "", m.at, now)
		return // the right to all applications includes each
	}
	resolve.EachApplication(m.before, m.after, func(name string, before, after *resolve.Access) {
		if j.wider(before, after) {
			j.requireRows(u, name, m.at, now)
		}
	})
}

func (j *judge) requireRows(u *preview.Affected, application string, at, now time.Time) {
	organization := rulesOf(u).Rules().Organization
	n := need{resource: ResourceDataPermissions, namespace: organization, role: application}
	j.require(n, j.changed.path(u.User), nil, func() string {
		return fmt.Sprintf("%s would see more rows of %s of organization %s%s", u.User, rowsOf(application), organization,
			since(at, now))
	})
}

// requireReleasedRows requires the right to end or widen a filter. If the user loses all access by the same
// change, the right to the role is enough: its holder may take the role away and grant it again.
func (j *judge) requireReleasedRows(u *preview.Affected, r *resolve.RowRelease, now time.Time) {
	application := r.Application
	if application == resolve.AnyApplication {
		application = ""
	}
	if !r.Gone {
		j.requireRows(u, application, r.At, now)
		return
	}
	organization := rulesOf(u).Rules().Organization
	n := need{ResourceDataPermissions, organization, r.Role, application, r.RoleSource}
	if _, again := j.needed[n]; again {
		return
	}
	role := need{resource: ResourceApplicationRoles, namespace: organization, application: r.Application, role: r.Role}
	more := role.anyOf()
	if s := sourceOf(u, r.RoleSource); s != nil {
		more = append(more, j.asWritten(s, u.Before.Rules, role.resource, role.role)...)
	}
	j.requireAnyOf(n, Right{
		AnyOf: append([]Attributes{{
			Verb: VerbGrant, Group: GrantsGroup, Resource: ResourceDataPermissions, Namespace: organization, Name: application,
		}}, more...),
		Field: j.changed.path(u.User),
		Reason: fmt.Sprintf("%s would no longer filter the rows of %s of organization %s for %s%s: somebody else may give the access "+
			"at the same time", r.Source, rowsOf(application), organization, u.User, since(r.At, now)),
	})
}

func rowsOf(application string) string {
	if application == "" {
		return "every application that no other entry names"
	}
	return "application " + application
}

// wider reports whether a user with access before and after the change may see a row that was hidden before. In
// doubt it returns true.
func (j *judge) wider(before, after *resolve.Access) bool {
	if !before.GivesAccess() || !after.GivesAccess() {
		return false
	}
	// No row becomes visible if every filter of before contains a filter of after.
	return slices.ContainsFunc(before.Filters, func(was resolve.Filter) bool {
		return !slices.ContainsFunc(after.Filters, func(is resolve.Filter) bool { return j.filters.Within(is, was) })
	})
}

package validation

import (
	"fmt"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// widen requires the right to show more rows to whoever has access before and after. Rows that come with a role that is
// newly given come with the right to that role. A suspension hides no widening.
func (j *judge) widen(u *roster.Tried, m *moment, now time.Time) {
	switch {
	case u.Before.Rules == nil || u.After.Rules == nil:
	case !barred(u.Before.Decision) && !barred(u.After.Decision):
		j.widenAt(u, m, now)
	case m.at.Equal(now): // once: what follows has moments of its own
		free := withoutBars(u, now)
		eachMoment(free, now, func(m *moment) { j.widenAt(free, m, now) })
	}
}

func barred(d *resolve.Decision) bool {
	return d != nil && slices.Contains([]resolve.Rule{resolve.RuleSuspended, resolve.RuleExpired, resolve.RuleNotYetValid},
		d.OrganizationRole.Rule)
}

// withoutBars is how the user would stand if no UserAccess barred the user.
func withoutBars(u *roster.Tried, now time.Time) *roster.Tried {
	free := *u
	for _, s := range []*roster.Standing{&free.Before, &free.After} {
		s.User.Bars = nil
		d := s.Rules.At(&s.User, now)
		s.Decision = &d
	}
	return &free
}

func (j *judge) widenAt(u *roster.Tried, m *moment, now time.Time) {
	if wider(&m.before.Default, &m.after.Default) {
		j.requireRows(u, "", m.at, now)
		return // whoever may widen all may widen each
	}
	resolve.EachApplication(m.before, m.after, func(name string, before, after *resolve.Access) {
		if wider(before, after) {
			j.requireRows(u, name, m.at, now)
		}
	})
}

func (j *judge) requireRows(u *roster.Tried, application string, at, now time.Time) {
	organization := u.After.Rules.Rules().Organization
	what := "application " + application
	if application == "" {
		what = "every application that no other entry names"
	}
	n := need{resource: ResourceDataPermissions, namespace: organization, role: application}
	j.require(n, j.changed.path(u.User), nil, func() string {
		return fmt.Sprintf("%s would see more rows of %s of organization %s%s", u.User, what, organization, since(at, now))
	})
}

// wider says whether who has access before and after may see a row after that was hidden before. In doubt it says yes.
func wider(before, after *resolve.Access) bool {
	if !before.GivesAccess() || !after.GivesAccess() {
		return false
	}
	// Nothing new shows where every filter of before is held by a filter of after.
	return slices.ContainsFunc(before.Filters, func(was resolve.Filter) bool {
		return !slices.ContainsFunc(after.Filters, func(is resolve.Filter) bool { return within(is, was) })
	})
}

// within says whether every row that passes the first filter passes the second, as far as can be told alternative by
// alternative.
func within(is, was resolve.Filter) bool {
	if is.Equal(was) {
		return true
	}
	return !slices.ContainsFunc(is.AnyOf, func(a resolve.Alternative) bool {
		return !slices.ContainsFunc(was.AnyOf, func(b resolve.Alternative) bool { return implies(a, b) })
	})
}

// implies says whether a row that meets all requirements of a meets those of b.
func implies(a, b resolve.Alternative) bool {
	return !slices.ContainsFunc(b.AllOf, func(wanted resolve.Requirement) bool {
		return !slices.ContainsFunc(a.AllOf, func(has resolve.Requirement) bool { return requires(has, wanted) })
	})
}

func requires(has, wanted resolve.Requirement) bool {
	if has.Attribute != wanted.Attribute || has.Operator != wanted.Operator {
		return false
	}
	switch has.Operator {
	case "In":
		return containsAll(wanted.Values, has.Values)
	case "NotIn":
		return containsAll(has.Values, wanted.Values)
	default:
		return slices.Equal(has.Values, wanted.Values)
	}
}

func containsAll(list, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(s string) bool { return !slices.Contains(list, s) })
}

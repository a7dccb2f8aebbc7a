package validation

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// moment is how a user stands from an instant on, before and after the change. The first moment, and each one at which the
// organization role or the default access differs from the moment before, has all applications. Any other one has the
// applications that differ, and no default access.
type moment struct {
	at            time.Time
	before, after *resolve.Decision
}

// courses is how the entries of a user change over time, before and after the change.
type courses struct {
	before, after *resolve.Courses
}

// coursesOf evaluates every entry at the instants that bear on it, up to [resolve.MaximumInstants]. Where no window of the
// user opens or closes any more, it takes the decisions of now.
func coursesOf(u *roster.Tried, now time.Time) courses {
	return courses{courseOf(&u.Before, &u.After, now), courseOf(&u.After, &u.Before, now)}
}

func courseOf(s, other *roster.Standing, now time.Time) *resolve.Courses {
	if s.Rules == nil || !s.User.IsTimed(now) {
		return resolve.CoursesOf(decided(s, other), now)
	}
	return s.Rules.Courses(&s.User, now)
}

// decided is the decision of now.
func decided(s, other *roster.Standing) *resolve.Decision {
	if s.Decision != nil {
		return s.Decision
	}
	return nothing(s, other)
}

// nothing is the decision that gives nothing on the ladders of either side.
func nothing(s, other *roster.Standing) *resolve.Decision {
	rules := s.Rules
	if rules == nil {
		rules = other.Rules
	}
	d := rules.At(&resolve.User{}, time.Time{})
	return &d
}

// each calls yield for every moment, in order of time. The cost grows with the steps of the courses.
func (c courses) each(now time.Time, yield func(m *moment)) {
	names := c.applications()
	apart := map[time.Time][]string{} // applications that change while nothing common does
	common := map[time.Time]struct{}{}
	for _, course := range []*resolve.Course{
		&c.before.Organization, &c.after.Organization, &c.before.Default, &c.after.Default,
	} {
		eachStep(course, func(t time.Time) { common[t] = struct{}{} })
	}
	for _, name := range names {
		for _, side := range []*resolve.Courses{c.before, c.after} {
			eachStep(side.Application(name), func(t time.Time) {
				if _, all := common[t]; !all {
					apart[t] = append(apart[t], name)
				}
			})
		}
	}
	instants := make([]time.Time, 0, len(common)+len(apart))
	for t := range common {
		instants = append(instants, t)
	}
	for t := range apart {
		instants = append(instants, t)
	}
	slices.SortFunc(instants, time.Time.Compare)
	for _, t := range instants {
		of, partial := apart[t]
		if !partial {
			of = names
		} else {
			slices.Sort(of)
			of = slices.Compact(of)
		}
		yield(&moment{t, view(c.before, of, t, partial), view(c.after, of, t, partial)})
	}
}

func eachStep(c *resolve.Course, yield func(t time.Time)) {
	for i := range c.Steps {
		yield(c.Steps[i].At.UTC())
	}
}

// applications lists the applications that have a course of their own before or after the change.
func (c courses) applications() []string {
	var names []string
	for _, side := range []*resolve.Courses{c.before, c.after} {
		for i := range side.Applications {
			names = append(names, side.Applications[i].Application)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// view is the decision at t for the applications. Where nothing is known of an entry any more, it stands as it last did.
func view(c *resolve.Courses, applications []string, t time.Time, partial bool) *resolve.Decision {
	d := &resolve.Decision{
		OrganizationRole: lastAt(&c.Organization, t).Outcome,
		Default:          *lastAt(&c.Default, t),
		Applications:     make([]*resolve.ApplicationAccess, len(applications)),
	}
	if partial {
		d.Default = resolve.Nothing().Default
	}
	for i, name := range applications {
		d.Applications[i] = &resolve.ApplicationAccess{Application: name, Access: *lastAt(c.Application(name), t)}
	}
	return d
}

// lastAt returns the last access that is known at t.
func lastAt(c *resolve.Course, t time.Time) *resolve.Access {
	i, exact := slices.BinarySearchFunc(c.Steps, t, func(s resolve.Step, t time.Time) int { return s.At.Compare(t) })
	if !exact {
		i--
	}
	return &c.Steps[max(i, 0)].Access
}

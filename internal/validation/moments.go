package validation

import (
	"cmp"
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

// mostEvaluations bounds how often entries are evaluated for one request. The instants of an entry are bounded, but a
// change may bear on thousands of users with hundreds of entries each.
const mostEvaluations = 1_000_000

// courses is how the entries of a user change over time, before and after the change.
type courses struct {
	before, after *resolve.Courses
	// brief reports that nothing is known past the next instant at which a window of the user opens or closes.
	brief bool

	moments []moment // once they are asked for
}

// coursesOf evaluates every entry at the instants that bear on it, up to [resolve.MaximumInstants]. Where no window of the
// user opens or closes any more, it takes the decisions of now. It takes them as well where the request has used up its
// evaluations; then nothing is known of the entries once a window opens or closes.
func (j *judge) coursesOf(u *roster.Tried, now time.Time) *courses {
	timed := u.Before.User.IsTimed(now) || u.After.User.IsTimed(now)
	if timed && j.spent >= cmp.Or(j.MostEvaluations, mostEvaluations) {
		return &courses{before: briefly(&u.Before, &u.After, now), after: briefly(&u.After, &u.Before, now), brief: true}
	}
	c := &courses{before: courseOf(&u.Before, &u.After, now), after: courseOf(&u.After, &u.Before, now)}
	count := evaluations(c.before) + evaluations(c.after)
	j.Evaluations += count
	if timed {
		j.spent += count
	}
	return c
}

// briefly returns courses that end when the next window of the user opens or closes.
func briefly(s, other *roster.Standing, now time.Time) *resolve.Courses {
	c := resolve.CoursesOf(decided(s, other), now)
	instants := resolve.Transitions(&s.User, now)
	if s.Rules == nil || len(instants) == 0 {
		return c
	}
	c.Organization.Until, c.Default.Until = instants[0], instants[0]
	for i := range c.Applications {
		c.Applications[i].Until = instants[0]
	}
	return c
}

// evaluations returns how often entries were evaluated for the courses.
func evaluations(c *resolve.Courses) int {
	of := func(c *resolve.Course) int { return 1 + min(c.Instants, resolve.MaximumInstants) }
	count := of(&c.Organization) + of(&c.Default)
	for i := range c.Applications {
		count += of(&c.Applications[i].Course)
	}
	return count
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
func (c *courses) each(yield func(m *moment)) {
	if c.moments == nil {
		c.moments = c.list()
	}
	for i := range c.moments {
		yield(&c.moments[i])
	}
}

func (c *courses) list() []moment {
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
	moments := make([]moment, 0, len(instants))
	for _, t := range instants {
		of, partial := apart[t]
		if !partial {
			of = names
		} else {
			slices.Sort(of)
			of = slices.Compact(of)
		}
		moments = append(moments, moment{t, view(c.before, of, t, partial), view(c.after, of, t, partial)})
	}
	return moments
}

func eachStep(c *resolve.Course, yield func(t time.Time)) {
	for i := range c.Steps {
		yield(c.Steps[i].At.UTC())
	}
}

// applications lists the applications that have a course of their own before or after the change.
func (c *courses) applications() []string {
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
	all := make([]resolve.ApplicationAccess, len(applications))
	for i, name := range applications {
		all[i] = resolve.ApplicationAccess{Application: name, Access: *lastAt(c.Application(name), t)}
		d.Applications[i] = &all[i]
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

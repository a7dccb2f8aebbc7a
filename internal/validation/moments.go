package validation

import (
	"cmp"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// moment has the decisions for a user from an instant on, before and after the change. The first moment has all
// applications, and so has each moment at which the organization role or the default access changes. The other
// moments have only the applications that change, and no default access.
type moment struct {
	at            time.Time
	before, after *resolve.Decision
}

// mostEvaluations bounds how often entries are evaluated for one request. The instants of an entry are bounded,
// but a change may affect thousands of users with hundreds of entries each.
const mostEvaluations = 1_000_000

// courses has the entries of a user over time, before and after the change. If no window of the user opens or
// closes any more, it has only the current decisions.
type courses struct {
	now           time.Time
	timed         bool
	before, after *resolve.Courses
	// brief is set if nothing is known past the next instant at which a window of the user opens or closes.
	brief   bool
	moments []moment // computed on first use
}

// coursesOf evaluates every entry at the instants that affect it, up to [resolve.MaximumInstants]. If no window of
// the user opens or closes any more, it uses the current decisions. It also uses them if the request has used up
// its evaluations. The entries are then unknown once a window opens or closes.
func (j *judge) coursesOf(u *preview.Affected, now time.Time) *courses {
	c := &courses{now: now, timed: u.Before.User.IsTimed(now) || u.After.User.IsTimed(now)}
	c.brief = c.timed && j.spent >= cmp.Or(j.MostEvaluations, mostEvaluations)
	if !c.timed || c.brief {
		c.moments = []moment{{now, decided(&u.Before, &u.After), decided(&u.After, &u.Before)}}
		j.Evaluations += 4 + len(c.moments[0].before.Applications) + len(c.moments[0].after.Applications)
		if c.brief {
			c.before, c.after = briefly(&u.Before, &u.After, now), briefly(&u.After, &u.Before, now)
		}
		return c
	}
	c.before, c.after = u.Before.Rules.Courses(&u.Before.User, now), u.After.Rules.Courses(&u.After.User, now)
	count := evaluations(c.before) + evaluations(c.after)
	j.Evaluations, j.spent = j.Evaluations+count, j.spent+count
	return c
}

// briefly returns courses that end when the next window of the user opens or closes.
func briefly(s, other *preview.State, now time.Time) *resolve.Courses {
	var until time.Time
	if instants := resolve.Transitions(&s.User, now); s.Rules != nil && len(instants) > 0 {
		until = instants[0]
	}
	one := func(a resolve.Access) resolve.Course {
		return resolve.Course{Steps: []resolve.Step{{At: now, Access: a}}, Until: until}
	}
	d := decided(s, other)
	c := &resolve.Courses{Organization: one(resolve.Access{Outcome: d.OrganizationRole}), Default: one(d.Default)}
	for _, a := range d.Applications {
		c.Applications = append(c.Applications, resolve.ApplicationCourse{Application: a.Application, Course: one(a.Access)})
	}
	return c
}

// was returns the course of the entry before the change, and is returns the course after it. An empty name selects
// the organization role.
func (c *courses) was(application string) *resolve.Course {
	if !c.timed {
		return c.standing(c.moments[0].before, application)
	}
	return entryOf(c.before, application)
}

func (c *courses) is(application string) *resolve.Course {
	if !c.timed {
		return c.standing(c.moments[0].after, application)
	}
	return entryOf(c.after, application)
}

func (c *courses) standing(d *resolve.Decision, application string) *resolve.Course {
	access := &resolve.Access{Outcome: d.OrganizationRole}
	if application != "" {
		access = d.Application(application)
	}
	return &resolve.Course{Steps: []resolve.Step{{At: c.now, Access: *access}}}
}

func entryOf(c *resolve.Courses, application string) *resolve.Course {
	if application == "" {
		return &c.Organization
	}
	return c.Application(application)
}

// evaluations returns how many evaluations the courses took.
func evaluations(c *resolve.Courses) int {
	of := func(c *resolve.Course) int { return 1 + min(c.Instants, resolve.MaximumInstants) }
	count := of(&c.Organization) + of(&c.Default)
	for i := range c.Applications {
		count += of(&c.Applications[i].Course)
	}
	return count
}

// decided returns the current decision of the state, or an empty one if there is none.
func decided(s, other *preview.State) *resolve.Decision {
	if s.Decision != nil {
		return s.Decision
	}
	return nothing(s, other)
}

// nothing returns the decision that gives nothing, by the rules of s or, if it has none, of other.
func nothing(s, other *preview.State) *resolve.Decision {
	rules := s.Rules
	if rules == nil {
		rules = other.Rules
	}
	d := rules.At(&resolve.User{}, time.Time{})
	return &d
}

// each calls yield for every moment, in order of time. The cost grows with the number of steps in the courses.
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
	apart := map[time.Time][]string{} // applications that change while no common entry does
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

// view returns the decision at t for the applications. An entry that is no longer known keeps its last known
// access.
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

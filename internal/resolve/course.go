package resolve

import (
	"slices"
	"time"
)

// MaximumInstants is the maximum number of future instants of one entry that are evaluated exactly
// (docs/documents.md, notAfter).
const MaximumInstants = 256

// Step is the access of an entry from the instant At on. NotAfter of the access is zero.
type Step struct {
	At time.Time
	Access
}

// Course describes how one entry of a decision changes over time while the objects stay the same.
type Course struct {
	// Steps is sorted by time. The first step begins at the requested instant. Each later step differs from the one
	// before in role, rule, source or filters.
	Steps []Step
	// Instants is the number of future instants that affect the entry, counted up to MaximumInstants+1.
	Instants int
	// Until is set if Instants exceeds MaximumInstants. It is the last instant that is counted exactly. Nothing is
	// known of the entry from then on.
	Until time.Time
}

// At returns the access of the entry at the instant t, which must not be before the first step. It returns nil if
// Until is set and t is not before it.
func (c *Course) At(t time.Time) *Access {
	if !c.Until.IsZero() && !t.Before(c.Until) {
		return nil
	}
	after := slices.IndexFunc(c.Steps, func(s Step) bool { return s.At.After(t) })
	if after < 0 {
		after = len(c.Steps)
	}
	return &c.Steps[max(after-1, 0)].Access
}

// ApplicationCourse is the course of a user's access to one application.
type ApplicationCourse struct {
	Application string
	Course
}

// Courses are the courses of all entries of a user's decision. Filters of Organization are nil.
type Courses struct {
	Organization Course
	// Default is the course of the access to every application that Applications does not list.
	Default Course
	// Applications is sorted by name.
	Applications []ApplicationCourse
}

// Application returns the course of the user's access to the application.
func (c *Courses) Application(name string) *Course {
	i, found := slices.BinarySearchFunc(c.Applications, name, func(a ApplicationCourse, name string) int {
		return compareStrings(a.Application, name)
	})
	if found {
		return &c.Applications[i].Course
	}
	return &c.Default
}

// Courses returns how every entry of the user's decision changes from the instant now on while the objects stay
// the same.
//
// An entry is evaluated at the instants that affect it: those at which a window of the user's UserAccess objects,
// of the user's memberships, or of a grant that applies to the entry opens or closes. It is evaluated at most
// [MaximumInstants] times. The state that all entries share at an instant is computed once.
func (o *Organization) Courses(u *User, now time.Time) *Courses {
	f := newFuture(o, u, now)
	c := &Courses{
		Organization: f.organizationCourse(),
		Default:      f.course(f.instants(nil), func(t time.Time) Access { return f.accessAt(nil, t) }),
		Applications: make([]ApplicationCourse, 0, len(f.lines)),
	}
	for i := range f.lines {
		l := &f.lines[i]
		c.Applications = append(c.Applications, ApplicationCourse{
			l.application, f.course(f.instants(l), func(t time.Time) Access { return f.accessAt(l, t) }),
		})
	}
	return c
}

// OrganizationCourse returns the course of the organization role alone. It costs less than [Organization.Courses].
func (o *Organization) OrganizationCourse(u *User, now time.Time) Course {
	return newFutureWithoutLines(o, u, now).organizationCourse()
}

func (f *future) organizationCourse() Course {
	return f.course(f.atTop, func(t time.Time) Access { return Access{Outcome: f.organizationAt(t)} })
}

// course evaluates an entry now and at each of the instants, which are sorted.
func (f *future) course(instants []time.Time, at func(time.Time) Access) Course {
	c := Course{Steps: []Step{{f.now, at(f.now)}}, Instants: len(instants)}
	if most := f.o.instants; len(instants) > most {
		c.Until = instants[most-1]
		instants = instants[:most-1]
	}
	for _, t := range instants {
		access := at(t)
		if last := &c.Steps[len(c.Steps)-1]; !last.Equal(&access) {
			c.Steps = append(c.Steps, Step{t, access})
		}
	}
	return c
}

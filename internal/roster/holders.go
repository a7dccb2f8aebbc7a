package roster

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// WithoutAdministrator returns the first instant, not before from, at which no user holds the top organization
// role. It ignores a user if except returns true. It returns false if there is no such instant. The
// cost grows with the number of users of the organization and of their windows. It is small if one of the first
// users holds the role without an end.
func (v *View) WithoutAdministrator(
	organization string, from time.Time, except func(user string) bool,
) (time.Time, bool) {
	o := v.at(organization)
	if o.rules == nil {
		return from, true
	}
	var held []resolve.Window
	g := Gatherer{Sources: v.Sources(organization)}
	for user, rec := range o.records.All() {
		if except(user) {
			continue
		}
		if rec.decision.OrganizationRole.IsTop() && rec.decision.OrganizationRole.NotAfter.IsZero() {
			return time.Time{}, false
		}
		held = append(held, administers(&g, user, rec, from)...)
	}
	slices.SortFunc(held, func(a, b resolve.Window) int { return a.NotBefore.Compare(b.NotBefore) })
	for _, w := range held {
		if w.NotBefore.After(from) {
			break
		}
		if w.NotAfter.IsZero() {
			return time.Time{}, false
		}
		if w.NotAfter.After(from) {
			from = w.NotAfter
		}
	}
	return from, true
}

// administers returns the windows in which the user holds the top organization role, starting at from.
func administers(g *Gatherer, user string, rec *record, from time.Time) []resolve.Window {
	if rec.next.IsZero() {
		return nil // a user who holds the role now holds it without an end
	}
	var held []resolve.Window
	u := g.Gather(user)
	course := g.Rules.OrganizationCourse(&u, from)
	holding := false
	for i := range course.Steps {
		step := &course.Steps[i]
		switch holds := step.IsTop(); {
		case holds && !holding:
			held = append(held, resolve.Window{NotBefore: step.At})
			holding = true
		case !holds && holding:
			held[len(held)-1].NotAfter = step.At
			holding = false
		}
	}
	if holding {
		held[len(held)-1].NotAfter = course.Until // nothing is known after this instant
	}
	return held
}

// Holders counts the users of the organization who have access. It returns a function that returns the number of
// users with access to an application. The cost grows with the number of users and the size of their decisions.
// It is paid once for all applications.
func (v *View) Holders(organization string) func(application string) int {
	anywhere, more := 0, map[string]int{}
	for _, d := range v.Decisions(organization) {
		byDefault := d.Default.GivesAccess()
		if byDefault {
			anywhere++
		}
		for i := range d.Applications {
			switch a := d.Applications[i]; {
			case a.GivesAccess() && !byDefault:
				more[a.Application]++
			case !a.GivesAccess() && byDefault:
				more[a.Application]--
			}
		}
	}
	return func(application string) int { return anywhere + more[application] }
}

package roster

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// WithoutAdministrator returns the first instant, from the given one on, at which nobody but those excepted holds the top
// organization role in the organization; false where there is none. The cost grows with the users of the organization and
// their windows; it is small where one of the first that are looked at holds the role without an end.
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

// administers returns when the user holds the top organization role, from the instant on.
func administers(g *Gatherer, user string, rec *record, from time.Time) []resolve.Window {
	if rec.next.IsZero() {
		return nil // who holds it now holds it without an end
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
		held[len(held)-1].NotAfter = course.Until // nothing is known from then on
	}
	return held
}

// Holders counts the users of the organization who have access, and returns how many have it to an application. The cost
// grows with the users and with what is said of each, once for all applications.
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

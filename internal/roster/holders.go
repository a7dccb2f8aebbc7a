package roster

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// WithoutAdministrator returns the first instant, from the given one on, at which nobody but those excepted holds the top
// organization role in the organization; false where there is none. The cost grows with the users of the organization and
// their windows; it is small where one of the first that are looked at holds the role without an end.
func (r *Roster) WithoutAdministrator(
	organization string, from time.Time, except func(user string) bool,
) (time.Time, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return from, true
	}
	var held []resolve.Window
	for user, rec := range n.records {
		if except(user) {
			continue
		}
		if rec.decision.OrganizationRole.IsTop() && rec.decision.OrganizationRole.NotAfter.IsZero() {
			return time.Time{}, false
		}
		held = append(held, r.administers(n, user, rec, from)...)
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
func (r *Roster) administers(n *namespace, user string, rec *record, from time.Time) []resolve.Window {
	if rec.next.IsZero() {
		return nil // who holds it now holds it without an end
	}
	var held []resolve.Window
	var g gatherer
	u := r.gather(n, user, &g)
	course := n.compiled.OrganizationCourse(&u, from)
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
func (r *Roster) Holders(organization string) func(application string) int {
	anywhere, more := 0, map[string]int{}
	r.EachDecision(organization, func(_ string, d *resolve.Decision) {
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
	})
	return func(application string) int { return anywhere + more[application] }
}

// TopSystemRole returns the highest role of the system ladder.
func (r *Roster) TopSystemRole() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return rules("", nil, r.system.policy).SystemRoles[0].Name
}

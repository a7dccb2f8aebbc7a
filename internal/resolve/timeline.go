package resolve

import (
	"slices"
	"time"
)

// At decides like [Organization.Resolve] for one instant, without looking at what comes after: NotAfter, EntersNotAfter
// and Next stay zero.
func (o *Organization) At(u *User, t time.Time) Decision {
	at := o.resolveAt(u, t, true)
	return Decision{
		Exists:           at.held || u.Declared,
		Held:             at.held,
		OrganizationRole: at.organization,
		Default:          at.fallback,
		Applications:     at.applications,
		Conflicts:        at.conflicts,
		Exclusions:       at.exclusions,
		Enters:           at.enters(),
	}
}

// Transitions returns, sorted, the instants after now at which a window that bears on the user opens or closes: between
// two of them the decision stays the same.
func Transitions(u *User, now time.Time) []time.Time { return transitions(u, now) }

// Above says whether the role is higher than the other on the same ladder.
func (o *Outcome) Above(other *Outcome) bool { return o.rung < other.rung }

// IsTop says whether the role is the highest of its ladder.
func (o *Outcome) IsTop() bool { return o.rung == 0 }

// SameRungs says whether the roles of two equal decisions stand on the same rungs. They do not where the ladder has
// changed around them.
func (d *Decision) SameRungs(e *Decision) bool {
	return d.OrganizationRole.rung == e.OrganizationRole.rung && d.Default.rung == e.Default.rung &&
		slices.EqualFunc(d.Applications, e.Applications, func(a, b ApplicationAccess) bool { return a.rung == b.rung })
}

package resolve

import (
	"cmp"
	"slices"
	"time"
)

// Fate says what became of a grant.
type Fate string

// The fates. The first that holds is named.
const (
	FateUnknownRole       Fate = "UnknownRole"       // on no ladder (R2)
	FateWithoutPrivileges Fate = "WithoutPrivileges" // the group gives no roles (R2)
	FateBeingDeleted      Fate = "BeingDeleted"      // of its grants only NoAccess is left (R1)
	FateReviewMissed      Fate = "ReviewMissed"      // of the group's grants only NoAccess is left (R1)
	FateEnded             Fate = "Ended"             // the membership or the entry (R1)
	FateNotYet            Fate = "NotYet"            // the membership or the entry (R1)
	FateReplaced          Fate = "Replaced"          // groups take the place of individual access (R3)
	FateCounts            Fate = "Counts"
)

// ExplainedGrant is one grant as it is written, and what became of it.
type ExplainedGrant struct {
	Source string
	Origin Origin
	// Scope is that of the grant; Application is set in the scope of one.
	Scope       Scope
	Application string
	Role        string
	// Selector is what chose the application, ByOrganization what chose the organization. Nil: a name or [AnyApplication] did.
	Selector, ByOrganization Selector
	// InApplications is what a role at scope organization or system means in every application, ForOrganization what one
	// at scope system means there; empty: nothing.
	InApplications, ForOrganization string
	// Unmapped says that a declared meaning is not on the organization's ladder.
	Unmapped bool
	// Held is when the user holds the source (none: always), Window when the entry counts.
	Held   []Window
	Window Window

	Protected bool
	Fate      Fate
	// Begins is when a grant that does not count yet will, Ends when one that counts no longer does (zero: never).
	Begins, Ends time.Time
}

// explainClaim lists the grants of one source as the organization sees them.
func (o *Organization) explainClaim(c *Claim, at *Place, inGroup bool, now time.Time) []ExplainedGrant {
	s := c.Source
	var found []ExplainedGrant
	s.grants(at, at.selected, func(given Given) bool {
		g := o.explainGiven(s, &given)
		g.Source, g.Origin, g.Held = s.Name, s.Origin, c.Windows
		g.Protected = g.Protected && g.Fate == FateCounts
		live := s.Live
		if live == nil || g.Role == NoAccess {
			live = always
		}
		g.inTime(live, now)
		if g.Fate == FateCounts && s.Origin == Individual && inGroup && !o.rules.Combined && !g.Protected {
			g.Fate, g.Ends = FateReplaced, time.Time{}
		}
		found = append(found, g)
		return true
	})
	return found
}

// explainGiven looks the role up on its ladder, time and R3 aside.
func (o *Organization) explainGiven(s *Source, given *Given) ExplainedGrant {
	g := ExplainedGrant{Scope: given.Scope, Role: given.Role, Window: given.Window}
	g.Selector, g.ByOrganization = given.Selector, given.ByOrganization
	protects := s.Origin == Individual && o.rules.Protected
	switch given.Scope {
	case ScopeSystem:
		o.explainSystemRole(s, &g)
		return g
	case ScopeOrganization:
		r := o.organizationRung(given.Role)
		g.Protected, g.Fate = protects && r == 0, s.fate(r)
		if r != noRung && o.meaning(r) != noRung {
			g.InApplications = o.applicationRole(o.meaning(r))
		}
		return g
	case ScopeApplication:
		g.Application = given.Application
	}
	r := o.applicationRung(given.Role)
	g.Protected, g.Fate = protects && r == 0, s.fate(r)
	return g
}

func (o *Organization) explainSystemRole(s *Source, g *ExplainedGrant) {
	r := o.systemRung(g.Role)
	g.Fate = s.fate(r)
	switch r {
	case noRung:
	case noAccess:
		g.InApplications, g.ForOrganization = NoAccess, NoAccess
	default:
		in, of := o.systemApplication[r], o.systemOrganization[r]
		g.Unmapped = in.unmapped || of.unmapped
		if in.rung != noRung {
			g.InApplications = o.applicationRole(in.rung)
		}
		if of.rung != noRung {
			g.ForOrganization = o.organizationRole(of.rung)
		}
		g.Protected = s.Origin == IndividualAtSystem && o.rules.SystemProtected && r == 0
	}
}

// fate is what becomes of a grant at r for what its source is, time and R3 aside.
func (s *Source) fate(r rung) Fate {
	switch {
	case r == noRung:
		return FateUnknownRole
	case s.WithoutPrivileges:
		return FateWithoutPrivileges
	case len(s.windowsOf(r)) == 0:
		return FateBeingDeleted
	default:
		return FateCounts
	}
}

// inTime looks at when the source is held, when the entry counts, and when the source gives it: live.
func (g *ExplainedGrant) inTime(live []Window, now time.Time) {
	if g.Fate != FateCounts {
		return
	}
	held := g.Held
	if len(held) == 0 {
		held = []Window{{}}
	}
	open := intersections(held, []Window{g.Window})
	if isOpen(open, now) && !isOpen(live, now) {
		g.Fate = FateReviewMissed
		return
	}
	open = intersections(open, live)
	if len(open) == 0 || !contains(open, now) {
		g.Fate = FateEnded
		for _, w := range open {
			if w.NotBefore.After(now) && (g.Begins.IsZero() || w.NotBefore.Before(g.Begins)) {
				g.Fate, g.Begins = FateNotYet, w.NotBefore
			}
		}
		return
	}
	g.Ends = endOf(open, now)
}

// intersections returns the windows in which one of each list is open.
func intersections(a, b []Window) []Window {
	var open []Window
	for _, w := range a {
		for _, v := range b {
			if both, ok := w.intersect(v); ok {
				open = append(open, both)
			}
		}
	}
	return open
}

// endOf returns when the last of the windows that are open at now, or that follow on one without a gap, closes.
func endOf(windows []Window, now time.Time) time.Time {
	end := now
	slices.SortFunc(windows, func(a, b Window) int { return a.NotBefore.Compare(b.NotBefore) })
	for _, w := range windows {
		switch {
		case !w.Contains(end):
		case w.NotAfter.IsZero():
			return time.Time{}
		default:
			end = w.NotAfter
		}
	}
	return end
}

// intersect returns when both windows are open, and whether they ever are.
func (w Window) intersect(v Window) (Window, bool) {
	if v.NotBefore.After(w.NotBefore) {
		w.NotBefore = v.NotBefore
	}
	if !v.NotAfter.IsZero() && (w.NotAfter.IsZero() || v.NotAfter.Before(w.NotAfter)) {
		w.NotAfter = v.NotAfter
	}
	return w, w.NotAfter.IsZero() || w.NotBefore.Before(w.NotAfter)
}

func compareGrants(a, b ExplainedGrant) int {
	order := []Scope{ScopeSystem, ScopeOrganization, ScopeBroad, ScopeApplication}
	return cmp.Or(
		cmp.Compare(slices.Index(order, a.Scope), slices.Index(order, b.Scope)),
		compareStrings(a.Application, b.Application), compareStrings(a.Source, b.Source),
	)
}

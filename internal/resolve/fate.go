package resolve

import (
	"cmp"
	"slices"
	"time"
)

// Fate is what became of a grant.
type Fate string

// The fates. If several hold, the first one is reported.
const (
	FateUnknownRole       Fate = "UnknownRole"       // the role is on no ladder (R2)
	FateWithoutPrivileges Fate = "WithoutPrivileges" // the group gives no roles (R2)
	FateBeingDeleted      Fate = "BeingDeleted"      // only the object's NoAccess grants remain (R1)
	FateReviewMissed      Fate = "ReviewMissed"      // only the group's NoAccess grants remain (R1)
	FateEnded             Fate = "Ended"             // the membership or the entry (R1)
	FateNotYet            Fate = "NotYet"            // the membership or the entry (R1)
	FateReplaced          Fate = "Replaced"          // groups replace individual grants (R3)
	FateCounts            Fate = "Counts"
)

// ExplainedGrant is one grant in its written form, with its fate.
type ExplainedGrant struct {
	Source string
	Origin Origin
	// Scope is the scope of the grant. Application is set for ScopeApplication.
	Scope       Scope
	Application string
	Role        string
	// Selector is the selector that chose the application, ByOrganization the one that chose the organization. Nil
	// means that a name or [AnyApplication] chose it.
	Selector, ByOrganization Selector
	// InApplications is the meaning of an organization-scope or system-scope role in every application.
	// ForOrganization is the meaning of a system-scope role for the organization. Empty means no role.
	InApplications, ForOrganization string
	// Unmapped reports whether a declared meaning is not on the organization's ladder.
	Unmapped bool
	// Held lists the windows in which the user holds the source (none: always). Window is when the entry counts.
	Held   []Window
	Window Window

	Protected bool
	Fate      Fate
	// Begins is the instant at which a grant that does not count yet begins to count. Ends is the instant at which a
	// grant that counts stops counting (zero: never).
	Begins, Ends time.Time
}

// explainClaim returns the grants of one source in the organization.
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

// explainGiven looks the role up on its ladder. It ignores time and R3.
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

// fate returns the fate of a grant at the rung r that follows from the source. It ignores time and R3.
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

// inTime sets the fate that follows from time: when the user holds the source, when the entry counts, and in which
// windows (live) the source gives its roles.
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

// intersections returns the windows in which a window of each list is open.
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

// endOf returns when the windows close that are open at now, including windows that follow without a gap. Zero
// means never.
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

// intersect returns the window in which both windows are open, and whether it is not empty.
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

package resolve

import (
	"slices"
	"time"
)

// grant is one role that counts for the user at an instant.
type grant struct {
	source    *Bound
	rung      rung
	protected bool
}

type specificGrant struct {
	application string
	grant
}

// specificTier is the scope of one application.
type specificTier struct {
	application string
	grants      []grant
}

// grants is all that counts for one user at one instant, by scope (docs/rules.md R2, R3).
type grants struct {
	held               bool // there is a grant or an active membership
	organization       []grant
	broad              []grant        // scope all applications, and what the organization-scope roles mean
	specific           []specificTier // sorted by application
	systemApplication  []grant        // what the system-scope roles mean in applications
	systemOrganization []grant        // and of the organization
	groups             []*Bound

	anyFilters      []Filter // of every application that no data permission names, once anyFiltersKnown
	anyFiltersKnown bool
}

func collect(o *Organization, u *User, t time.Time) grants {
	g := grants{groups: make([]*Bound, 0, len(u.Holdings))}
	var specific []specificGrant
	inGroup := false
	for i := range u.Holdings {
		b := u.Holdings[i].Source
		if b != nil && b.origin == OrganizationGroup && contains(u.Holdings[i].Windows, t) {
			g.held = true
			g.groups = append(g.groups, b)
			inGroup = inGroup || b.group
		}
	}
	for i := range u.Holdings {
		b := u.Holdings[i].Source
		if b == nil || !contains(u.Holdings[i].Windows, t) {
			continue
		}
		onlyProtected := b.origin == Individual && inGroup && !o.rules.Combined
		g.add(o, b, t, onlyProtected)
		specific = b.appendSpecific(specific, t, onlyProtected)
	}
	g.held = g.held || len(specific) > 0
	g.specific = tiersOf(specific)
	return g
}

func (b *Bound) appendSpecific(to []specificGrant, t time.Time, onlyProtected bool) []specificGrant {
	for i := range b.specific {
		if bg := &b.specific[i]; bg.counts(t, onlyProtected) {
			to = append(to, specificGrant{bg.application, grant{b, bg.rung, bg.protected}})
		}
	}
	return to
}

// tiersOf sorts the grants and cuts them by application; the tiers share one array.
func tiersOf(specific []specificGrant) []specificTier {
	if len(specific) == 0 {
		return nil
	}
	slices.SortStableFunc(specific, func(a, b specificGrant) int { return compareStrings(a.application, b.application) })
	all := make([]grant, 0, len(specific))
	tiers := make([]specificTier, 0, len(specific))
	begin := 0
	for i := range specific {
		all = append(all, specific[i].grant)
		if i+1 == len(specific) || specific[i+1].application != specific[i].application {
			tiers = append(tiers, specificTier{specific[i].application, all[begin:]})
			begin = len(all)
		}
	}
	return tiers
}

// add takes the grants of the other scopes that count at t; onlyProtected is the Fallback of R3.
func (g *grants) add(o *Organization, b *Bound, t time.Time, onlyProtected bool) {
	for _, bg := range b.organization {
		if onlyProtected && !bg.protected {
			continue
		}
		counted := grant{b, bg.rung, bg.protected}
		g.organization = append(g.organization, counted)
		if meaning := o.meaning(bg.rung); meaning != noRung {
			counted.rung = meaning
			g.broad = append(g.broad, counted)
		}
		g.held = true
	}
	for i := range b.broad {
		if bg := &b.broad[i]; bg.counts(t, onlyProtected) {
			g.broad = append(g.broad, grant{b, bg.rung, bg.protected})
			g.held = true
		}
	}
	if b.system != nil {
		g.held = true
		if m := b.system.application.rung; m != noRung {
			g.systemApplication = append(g.systemApplication, grant{b, m, b.system.protected})
		}
		if m := b.system.organization.rung; m != noRung {
			g.systemOrganization = append(g.systemOrganization, grant{b, m, b.system.protected})
		}
	}
}

func (g *boundGrant) counts(t time.Time, onlyProtected bool) bool {
	return (g.protected || !onlyProtected) && (g.window.always() || g.window.Contains(t))
}

// meaning is what an organization role means in every application.
func (o *Organization) meaning(r rung) rung {
	if r == noAccess {
		return noAccess
	}
	return o.organizationMeaning[r]
}

// applications returns, sorted, the applications of which something is said for this user: a grant, a data
// permission, or rows that the application hides from those for whom no data permission speaks.
func (g *grants) applications(o *Organization) []string {
	names := make([]string, 0, len(g.specific))
	for i := range g.specific {
		names = append(names, g.specific[i].application)
	}
	speaks := false
	for _, b := range g.groups {
		speaks = speaks || b.anyRows != nil
		for i := range b.rows {
			names = append(names, b.rows[i].Application)
		}
	}
	if !speaks {
		names = append(names, o.hideUnmatched...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// protectedIn says whether a protected grant, a system one included and caps aside, gives the user the rung or a
// better one in the application (docs/rules.md R9).
func (g *grants) protectedIn(application string, minimum rung) bool {
	gives := func(c grant) bool { return c.protected && c.rung <= minimum }
	return slices.ContainsFunc(g.broad, gives) || slices.ContainsFunc(g.systemApplication, gives) ||
		slices.ContainsFunc(g.specific, func(tier specificTier) bool {
			return tier.application == application && slices.ContainsFunc(tier.grants, gives)
		})
}

// choice is the outcome of docs/rules.md R4 within one scope.
type choice struct {
	has     bool
	rung    rung
	source  string
	uniform bool // every grant of the scope gives that role
	raised  bool // a protected grant raised it over what the strategy gives

	isProtected     bool // some grant is protected
	protected       rung // the highest such
	protectedSource string
}

// choose is docs/rules.md R4: the lowest rung under MostRestrictive, the highest under MostPermissive, and never
// below the highest protected grant.
func choose(scope []grant, strategy Strategy) choice {
	if len(scope) == 0 {
		return choice{}
	}
	lowest, highest, best := scope[0].rung, scope[0].rung, noAccess
	isProtected := false
	for _, g := range scope {
		lowest, highest = max(lowest, g.rung), min(highest, g.rung)
		if g.protected {
			isProtected, best = true, min(best, g.rung)
		}
	}
	c := choice{has: true, rung: lowest, uniform: lowest == highest, isProtected: isProtected, protected: best}
	if strategy == MostPermissive {
		c.rung = highest
	}
	if isProtected && best < c.rung {
		c.rung, c.raised = best, true
	}
	c.source = smallestSource(scope, c.rung)
	if isProtected {
		c.protectedSource = smallestSource(scope, best)
	}
	return c
}

// smallestSource names the grant that gives the rung: a protected one first, then the smallest name.
func smallestSource(scope []grant, r rung) string {
	var first *grant
	for i := range scope {
		g := &scope[i]
		switch {
		case g.rung != r:
		case first == nil,
			g.protected && !first.protected,
			g.protected == first.protected && g.source.name < first.source.name:
			first = g
		}
	}
	return first.source.name
}

func byApplication(a, b boundGrant) int { return compareStrings(a.application, b.application) }

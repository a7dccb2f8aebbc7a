package resolve

import (
	"slices"
	"sync"
	"time"
)

// specificTier is the scope of one application.
type specificTier struct {
	application string
	grants      []*grant
	choice      choice
}

// grants holds everything that counts for one user at one instant, by scope (docs/rules.md R2, R3).
type grants struct {
	held               bool // there is a grant or an active membership
	organization       []*grant
	broad              []*grant       // scope all applications, and the meaning of organization-scope roles
	specific           []specificTier // sorted by application
	systemApplication  []*grant       // the meaning of system-scope roles in applications
	systemOrganization []*grant       // and for the organization
	inGroup            bool           // a group replaces individual grants (R3)
	speaking           []*Bound       // groups with row entries
	named              []string       // User.Named
	mayExceed          bool           // their filters may exceed the bound of R7 together

	anyFilters      []Filter // for applications that no data permission names; valid if anyFiltersKnown
	anyFiltersKnown bool
}

// collection is scratch space that is reused between users.
type collection struct {
	specific []*grant
	tiers    []specificTier
}

func (c *collection) collect(o *Organization, u *User, t time.Time) grants {
	var g grants
	g.collect(o, u, t, c)
	return g
}

// collect adds the grants that count at t. Without a collection, it omits grants in single applications.
func (g *grants) collect(o *Organization, u *User, t time.Time, c *collection) {
	for i := range u.Holdings {
		b := u.Holdings[i].Source
		if b == nil {
			continue
		}
		if b.origin == OrganizationGroup && contains(u.Holdings[i].Windows, t) {
			g.held = true
			g.inGroup = g.inGroup || b.group
			if b.hasRows() {
				g.speaking = append(g.speaking, b)
			}
		}
	}
	g.mayExceed = len(g.speaking) > 0 && o.mayExceed(g.speaking)
	g.named = u.Named
	if c != nil {
		c.specific = c.specific[:0]
	}
	for i := range u.Holdings {
		b := u.Holdings[i].Source
		if b == nil || !contains(u.Holdings[i].Windows, t) {
			continue
		}
		onlyProtected := b.origin == Individual && g.inGroup && !o.rules.Combined
		g.organization = b.organization.appendCounting(g.organization, t, onlyProtected)
		g.broad = b.broad.appendCounting(g.broad, t, onlyProtected)
		g.systemApplication = b.systemApplication.appendCounting(g.systemApplication, t, false)
		g.systemOrganization = b.systemOrganization.appendCounting(g.systemOrganization, t, false)
		g.held = g.held || isOpen(b.system, t)
		if c != nil {
			c.specific = b.specific.appendCounting(c.specific, t, onlyProtected)
		}
	}
	if c == nil {
		return
	}
	g.held = g.held || len(g.organization)+len(g.broad)+len(c.specific) > 0
	c.cut(o.rules.Strategy)
	g.specific = c.tiers
}

// cut sorts the specific grants, splits them by application, and decides each tier.
func (c *collection) cut(strategy Strategy) {
	slices.SortFunc(c.specific, func(a, b *grant) int { return compareStrings(a.application, b.application) })
	c.tiers = c.tiers[:0]
	begin := 0
	for end := range c.specific {
		name := c.specific[end].application
		if end+1 == len(c.specific) || c.specific[end+1].application != name {
			scope := c.specific[begin : end+1]
			c.tiers = append(c.tiers, specificTier{name, scope, choose(scope, strategy)})
			begin = end + 1
		}
	}
}

// collections pools scratch space, because one pass resolves tens of thousands of users.
var collections = sync.Pool{New: func() any { return &collection{} }}

// appendCounting appends the grants that count at t. onlyProtected applies the Fallback of R3.
func (l grantList) appendCounting(to []*grant, t time.Time, onlyProtected bool) []*grant {
	for i := range l {
		if g := &l[i]; g.counts(t, onlyProtected) {
			to = append(to, g)
		}
	}
	return to
}

// counts reports whether the grant counts at t. onlyProtected applies the Fallback of R3.
func (g *grant) counts(t time.Time, onlyProtected bool) bool {
	return (g.protected || !onlyProtected) && (g.window.always() || g.window.Contains(t))
}

// meaning returns the meaning of an organization role in every application.
func (o *Organization) meaning(r rung) rung {
	if r == noAccess {
		return noAccess
	}
	return o.organizationMeaning[r]
}

// otherApplications returns the applications that something other than a grant mentions for this user, sorted: a
// data permission, or HideUnmatched if no data permission covers all applications. Applications with a grant may
// be among them.
func (g *grants) otherApplications(o *Organization) []string {
	if len(g.speaking) == 0 {
		return o.hideUnmatched
	}
	var names []string
	speaks := false
	for _, b := range g.speaking {
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

// protectedIn reports whether a protected grant, including one of the system namespace, gives the user the rung or
// a higher one in the application (docs/rules.md R9). It ignores caps.
func (g *grants) protectedIn(application string, minimum rung) bool {
	gives := func(c *grant) bool { return c.protected && c.rung <= minimum }
	return slices.ContainsFunc(g.broad, gives) || slices.ContainsFunc(g.systemApplication, gives) ||
		slices.ContainsFunc(g.specific, func(tier specificTier) bool {
			return tier.application == application && slices.ContainsFunc(tier.grants, gives)
		})
}

// choice is the outcome of docs/rules.md R4 within one scope.
type choice struct {
	won     *grant // the grant that is reported as the source; nil if the scope has none
	guard   *grant // the highest protected grant, or nil
	rung    rung
	has     bool
	uniform bool // every grant of the scope gives the same role
	raised  bool // a protected grant raised it above the role that the strategy gives
}

func (c *choice) source() string {
	if c.won == nil {
		return ""
	}
	return c.won.source.name
}

// choose applies docs/rules.md R4: it returns the lowest rung under MostRestrictive and the highest under
// MostPermissive, but never a rung below the highest protected grant.
func choose(scope []*grant, strategy Strategy) choice {
	if len(scope) == 0 {
		return choice{}
	}
	if one := scope[0]; len(scope) == 1 && !one.protected {
		return choice{has: true, rung: one.rung, won: one, uniform: true}
	}
	lowest, highest, best := scope[0].rung, scope[0].rung, noAccess
	isProtected := false
	for _, g := range scope {
		lowest, highest = max(lowest, g.rung), min(highest, g.rung)
		if g.protected {
			isProtected, best = true, min(best, g.rung)
		}
	}
	c := choice{has: true, rung: lowest, uniform: lowest == highest}
	if strategy == MostPermissive {
		c.rung = highest
	}
	if isProtected && best < c.rung {
		c.rung, c.raised = best, true
	}
	c.won = first(scope, c.rung)
	if isProtected {
		c.guard = first(scope, best)
	}
	return c
}

// first returns the grant that is reported for the rung: protected grants come first, then the smallest source
// name.
func first(scope []*grant, r rung) *grant {
	var found *grant
	for _, g := range scope {
		switch {
		case g.rung != r:
		case found == nil,
			g.protected && !found.protected,
			g.protected == found.protected && g.source.name < found.source.name:
			found = g
		}
	}
	return found
}

func byApplication(a, b grant) int { return compareStrings(a.application, b.application) }

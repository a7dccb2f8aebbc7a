package resolve

import (
	"slices"
	"time"
)

// Bar is the suspension and the validity window that one UserAccess sets for its user (docs/rules.md R1).
type Bar struct {
	Source    string // Kind/namespace/name
	AtSystem  bool   // in the system namespace
	Suspended bool
	Window    Window
}

// Holding is a source that the user holds: a group that the user is a member of, or the user's UserAccess. The
// source is active while any of Windows is open. Without Windows it is always active.
type Holding struct {
	Source  *Bound
	Windows []Window
}

// User is one user as an organization sees it.
type User struct {
	// Declared reports whether the organization has a declared UserAccess for the user.
	Declared bool
	// Bars has one element for every declared UserAccess of the user, in the organization and in the system
	// namespace.
	Bars []Bar
	// Holdings are the user's sources, bound to the organization. A holding with a nil Source is ignored.
	Holdings []Holding
	// Named lists the applications that are named in the organization, sorted. It is read only if the bound of
	// docs/rules.md R7 may hide rows from the user.
	Named []string
}

// Resolve returns the user's decision at the instant now.
//
// The cost grows with the user's own grants and rows. Each entry is evaluated again at the instants that affect
// it, at most [MaximumInstants]. The cost does not grow with the number of applications that the user's sources do
// not name.
func (o *Organization) Resolve(u *User, now time.Time) Decision {
	return o.Resume(nil, u, now, nil)
}

// Resume decides like [Organization.Resolve] within the budget. A nil budget has no bound.
//
// The caller guarantees that only time has passed since the previous decision. It passes nil if there is no
// previous decision or if anything else may have changed. Resume keeps an end of the previous decision unless the
// role or the filters of the entry differ, or the end has passed. It continues the search for an end that was cut
// off or is unfinished where the search stopped.
//
// Each decision has a few free evaluations in addition to the budget. If both are spent, the decision is still
// correct at the instant now, but it is marked [Decision.Unfinished]. Resuming it until it is finished gives the
// same ends as deciding without a budget. Every call makes progress as long as something is left to evaluate.
func (o *Organization) Resume(previous *Decision, u *User, now time.Time, b *Budget) Decision {
	return o.withEnds(o.At(u, now), previous, u, now, b)
}

// instant is the decision at one instant, without the ends of its entries.
type instant struct {
	held         bool
	organization Outcome
	fallback     Access
	applications []*ApplicationAccess
	conflicts    []Conflict
	exclusions   []Exclusion
	hiddenRows   []string // Decision.HiddenRows
}

func (i *instant) application(name string) *Access {
	if at, found := slices.BinarySearchFunc(i.applications, name, compareApplication); found {
		return &i.applications[at].Access
	}
	return &i.fallback
}

func (i *instant) enters() bool {
	return i.organization.GivesAccess() || i.fallback.GivesAccess() ||
		slices.ContainsFunc(i.applications, func(a *ApplicationAccess) bool { return a.GivesAccess() })
}

func (o *Organization) resolveAt(u *User, t time.Time) instant {
	c := collections.Get().(*collection)
	defer collections.Put(c)
	g := c.collect(o, u, t)
	at := instant{held: g.held}
	if barred, ok := bar(u.Bars, t); ok {
		at.organization = barred
		at.fallback = Access{Outcome: barred}
		return at
	}
	at.organization = o.organizationOutcome(&g)
	broad := choose(g.broad, o.rules.Strategy)
	system := choose(g.systemApplication, o.rules.SystemStrategy)
	at.fallback.Outcome = o.applicationOutcome(choice{}, broad, system)
	if at.fallback.GivesAccess() {
		at.fallback.Filters = o.filters(&g, "")
	}
	at.applications = o.namedApplications(&g, broad, system)
	o.exclude(&at, &g)
	if g.mayExceed {
		o.boundRows(&at, &g)
	}
	at.conflicts = o.conflicts(&g, broad, system)
	return at
}

// namedApplications returns the access to every application that a specific grant, a data permission or
// HideUnmatched names for this user.
func (o *Organization) namedApplications(g *grants, broad, system choice) []*ApplicationAccess {
	others := g.otherApplications(o)
	if len(g.specific)+len(others) == 0 {
		return nil
	}
	decided := make([]*ApplicationAccess, 0, len(g.specific)+len(others))
	for i := range g.specific {
		tier := &g.specific[i]
		for len(others) > 0 && others[0] < tier.application {
			decided = append(decided, o.decideApplication(g, others[0], choice{}, broad, system))
			others = others[1:]
		}
		if len(others) > 0 && others[0] == tier.application {
			others = others[1:]
		}
		decided = append(decided, o.decideApplication(g, tier.application, tier.choice, broad, system))
	}
	for _, name := range others {
		decided = append(decided, o.decideApplication(g, name, choice{}, broad, system))
	}
	return decided
}

func (o *Organization) decideApplication(g *grants, name string, own, broad, system choice) *ApplicationAccess {
	if own.has && own.uniform && !own.raised && !broad.has && !system.has {
		alone := own.won.alone
		if !alone.GivesAccess() {
			return alone
		}
		filters := o.filters(g, name)
		if filters == nil {
			return alone
		}
		return &ApplicationAccess{name, Access{alone.Outcome, filters}}
	}
	a := &ApplicationAccess{Application: name}
	a.Outcome = o.applicationOutcome(own, broad, system)
	if a.GivesAccess() {
		a.Filters = o.filters(g, name)
	}
	return a
}

// applicationOutcome applies docs/rules.md R5 to one application. Without a specific tier, it returns the default
// role.
func (o *Organization) applicationOutcome(specific, broad, system choice) Outcome {
	l := o.localOf(&broad)
	if specific.has {
		l = o.localOf(&specific)
		switch {
		case broad.guard != nil && broad.guard.rung < specific.rung:
			l.rung, l.source, l.rule = broad.guard.rung, broad.guard.source.name, RuleProtectedAdministrator
		case broad.has && broad.rung != specific.rung && l.rule != RuleProtectedAdministrator:
			l.rule = RuleSpecificApplication
		}
	}
	r, rule, source := o.combine(l, system)
	return Outcome{Role: o.applicationRole(r), Rule: rule, Source: source, rung: r}
}

// organizationOutcome applies docs/rules.md R6.
func (o *Organization) organizationOutcome(g *grants) Outcome {
	own := choose(g.organization, o.rules.Strategy)
	system := choose(g.systemOrganization, o.rules.SystemStrategy)
	r, rule, source := o.combine(o.localOf(&own), system)
	return Outcome{Role: o.organizationRole(r), Rule: rule, Source: source, rung: r}
}

// local is the role that the organization itself gives, with its reason.
type local struct {
	has    bool
	rung   rung
	rule   Rule
	source string
}

func (o *Organization) localOf(c *choice) local {
	return local{has: c.has, rung: c.rung, rule: ruleOf(c, o.rules.Strategy), source: c.source()}
}

// combine combines the organization's role with the system role (docs/rules.md R5).
func (o *Organization) combine(l local, system choice) (rung, Rule, string) {
	floor := o.isFloor(&system)
	switch {
	case !system.has && !l.has:
		return noAccess, RuleNoGrant, ""
	case !system.has:
		return l.rung, l.rule, l.source
	case system.rung == noAccess:
		return noAccess, RuleSystemBlock, system.source()
	case !l.has:
		return system.rung, RuleSystemGrant, system.source()
	case floor && system.rung < l.rung:
		return system.rung, RuleSystemFloor, system.source()
	case !floor && system.rung > l.rung:
		return system.rung, RuleSystemCap, system.source()
	default:
		return l.rung, l.rule, l.source
	}
}

// isFloor reports whether the system role is a floor rather than a cap.
func (o *Organization) isFloor(system *choice) bool {
	return o.rules.SystemStrategy == MostPermissive || (system.guard != nil && system.guard.rung <= system.rung)
}

// ruleOf returns the rule that decided the choice within one scope.
func ruleOf(c *choice, strategy Strategy) Rule {
	switch {
	case !c.has:
		return RuleNoGrant
	case c.raised:
		return RuleProtectedAdministrator
	case c.uniform:
		return RuleOnlyGrant
	case strategy == MostPermissive:
		return RuleMostPermissive
	default:
		return RuleMostRestrictive
	}
}

// bar returns the outcome of the bar that is reported at t, and whether there is one (docs/rules.md R1). Suspended
// precedes Expired, which precedes NotYetValid. Among equal rules the organization precedes the system namespace,
// then the smallest source name comes first.
func bar(bars []Bar, t time.Time) (Outcome, bool) {
	var first *Bar
	var why Rule
	for i := range bars {
		b := &bars[i]
		rule := b.rule(t)
		if rule == "" {
			continue
		}
		if first == nil || comesBefore(b, rule, first, why) {
			first, why = b, rule
		}
	}
	if first == nil {
		return Outcome{}, false
	}
	return Outcome{Role: NoAccess, Rule: why, Source: first.Source, rung: noAccess}, true
}

func (b *Bar) rule(t time.Time) Rule {
	switch {
	case b.Suspended:
		return RuleSuspended
	case !b.Window.NotAfter.IsZero() && !t.Before(b.Window.NotAfter):
		return RuleExpired
	case !b.Window.Contains(t):
		return RuleNotYetValid
	default:
		return ""
	}
}

func comesBefore(b *Bar, rule Rule, c *Bar, other Rule) bool {
	if rule != other {
		order := []Rule{RuleSuspended, RuleExpired, RuleNotYetValid}
		return slices.Index(order, rule) < slices.Index(order, other)
	}
	if b.AtSystem != c.AtSystem {
		return c.AtSystem
	}
	return b.Source < c.Source
}

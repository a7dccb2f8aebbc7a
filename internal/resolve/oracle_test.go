package resolve_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// The oracle is a second implementation of docs/rules.md, written as plainly as the rules: with lists of grants,
// names of roles and a verdict for every instant. It shares only the input types with the engine, and ignores
// cost.

// world is the input of the engine before it is bound.
type world struct {
	rules    resolve.Rules
	held     []held
	bars     []resolve.Bar
	declared bool

	// labels are the labels of the organization's namespace. applications has the labels of the ApplicationAccess
	// objects, by name.
	labels       map[string]string
	applications map[string]map[string]string
	// own and atSystem are the attributes of the user in the organization and in the system namespace.
	own, atSystem resolve.Attributes

	// maximumInstants and maximumBytes are the limits of instants and of filter bytes. Zero stands for the limits of
	// the rules.
	maximumInstants, maximumBytes int
}

func (w world) instantLimit() int { return cmp.Or(w.maximumInstants, 256) }
func (w world) filterBytes() int  { return cmp.Or(w.maximumBytes, 64*1024) }

type held struct {
	source  resolve.Source
	windows []resolve.Window
}

// grant is a grant by R2: a source, a role, and whether R3 protects it. Its scope follows from the list that
// contains it. dying is set if the object is being deleted: it then gives only NoAccess (R1). outer and inner are
// the positions of the entry in a source of the system namespace and of the entry for applications, from 1.
type grant struct {
	source       string
	role         string
	protected    bool
	dying        bool
	outer, inner int
}

// atOdds reports whether the grants conflict by R8: they give different roles, and come from different sources or
// from different entries of one source.
func (g grant) atOdds(h grant) bool {
	entries := g.outer != h.outer || (g.inner > 0 && h.inner > 0 && g.inner != h.inner)
	return g.role != h.role && (g.source != h.source || entries)
}

// scopes holds the grants of one user that count at one instant, by scope.
type scopes struct {
	organization []grant
	all          []grant
	specific     map[string][]grant
	system       []grant
}

// living returns the grants that R1 leaves to an object that is being deleted: those of NoAccess or with that
// meaning.
func living(grants []grant) []grant {
	return slices.DeleteFunc(slices.Clone(grants), func(g grant) bool {
		return g.dying && g.role != resolve.NoAccess
	})
}

// verdict is a role and its trace.
type verdict struct {
	Role     string
	Rule     resolve.Rule
	Source   string
	NotAfter time.Time
	Filters  string
}

// answer is the common form of the oracle's and the engine's result.
type answer struct {
	Exists, Held     bool
	OrganizationRole verdict
	Default          verdict
	Applications     map[string]verdict
	Conflicts        []resolve.Conflict
	Exclusions       []resolve.Exclusion
	Enters           bool
	EntersNotAfter   time.Time
	Next             time.Time
	HiddenRows       []string
	TooManyWindows   bool
}

// snapshot is the oracle's result at one instant.
type snapshot struct {
	held         bool
	organization verdict
	fallback     verdict // the access to an application that nothing names
	applications map[string]verdict
	conflicts    []resolve.Conflict
	exclusions   []resolve.Exclusion
	hidden       []string // by R7's bound
}

const unnamed = ""

func open(w resolve.Window, t time.Time) bool {
	return (w.NotBefore.IsZero() || !w.NotBefore.After(t)) && (w.NotAfter.IsZero() || t.Before(w.NotAfter))
}

func (h held) active(t time.Time) bool {
	return len(h.windows) == 0 || slices.ContainsFunc(h.windows, func(w resolve.Window) bool { return open(w, t) })
}

func names(w world) (application, organization, system []string) {
	for _, r := range w.rules.ApplicationRoles {
		application = append(application, r.Name)
	}
	for _, r := range w.rules.OrganizationRoles {
		organization = append(organization, r.Name)
	}
	for _, r := range w.rules.SystemRoles {
		system = append(system, r.Name)
	}
	return application, organization, system
}

// height returns the place of a role on its ladder. A higher number is more permissive, 0 stands for NoAccess, and
// -1 for a role that is not on the ladder.
func height(ladder []string, role string) int {
	if role == resolve.NoAccess {
		return 0
	}
	if i := slices.Index(ladder, role); i >= 0 {
		return len(ladder) - i
	}
	return -1
}

// grants applies R2 and R3 at the instant t.
func (w world) grants(t time.Time) scopes {
	fallen := false
	for _, h := range w.held {
		if h.source.Origin == resolve.OrganizationGroup && !h.source.WithoutPrivileges && h.active(t) {
			fallen = true
		}
	}
	s := scopes{specific: map[string][]grant{}}
	for _, h := range w.held {
		if h.active(t) && !h.source.WithoutPrivileges {
			w.add(&s, h.source, t, fallen && !w.rules.Combined)
		}
	}
	return s
}

// add adds the grants of one source. If groups replace a UserAccess, only its protected grants count.
func (w world) add(s *scopes, source resolve.Source, t time.Time, fallen bool) {
	application, organization, system := names(w)
	dying := source.BeingDeleted || missed(source, t)
	for i, e := range w.entries(source) {
		outer := i + 1
		if height(system, e.Role) >= 0 {
			top := source.Origin == resolve.IndividualAtSystem && w.rules.SystemProtected && e.Role == system[0]
			s.system = append(s.system, grant{source.Name, e.Role, top && !source.BeingDeleted, dying, outer, 0})
		}
		counts := func(ladder []string, role string, inner int) (grant, bool) {
			top := source.Origin == resolve.Individual && w.rules.Protected && role == ladder[0] && !source.BeingDeleted
			counts := height(ladder, role) >= 0 && (source.Origin != resolve.Individual || !fallen || top)
			return grant{source.Name, role, top, dying, outer, inner}, counts
		}
		if g, ok := counts(organization, e.OrganizationRole, 0); ok {
			s.organization = append(s.organization, g)
		}
		for j, a := range e.Applications {
			g, ok := counts(application, a.Role, j+1)
			if !ok || !open(a.Window, t) {
				continue
			}
			if a.Application == "*" {
				s.all = append(s.all, g)
				continue
			}
			for _, name := range w.chosen(a) {
				s.specific[name] = append(s.specific[name], g)
			}
		}
	}
}

// missed reports whether a review of the source is missed at the instant (R1).
func missed(source resolve.Source, t time.Time) bool {
	return source.Live != nil && !slices.ContainsFunc(source.Live, func(w resolve.Window) bool { return open(w, t) })
}

// entries returns the entries of the source for the organization. For a source of the system namespace these are
// the entry by name, otherwise the entries by label, otherwise the entry for all.
func (w world) entries(source resolve.Source) []resolve.SystemGrant {
	if source.Origin != resolve.SystemGroup && source.Origin != resolve.IndividualAtSystem {
		return []resolve.SystemGrant{{OrganizationRole: source.OrganizationRole, Applications: source.Applications}}
	}
	for _, applies := range []func(resolve.SystemGrant) bool{
		func(e resolve.SystemGrant) bool { return e.Selector == nil && e.Organization == w.rules.Organization },
		func(e resolve.SystemGrant) bool { return e.Selector != nil && e.Selector.Selects(w.labels) },
		func(e resolve.SystemGrant) bool { return e.Selector == nil && e.Organization == "*" },
	} {
		var found []resolve.SystemGrant
		for _, e := range source.System {
			if applies(e) {
				found = append(found, e)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// chosen returns the applications in whose scope the entry gives its role. The entry must not be for all
// applications.
func (w world) chosen(e resolve.ApplicationGrant) []string {
	if e.Selector == nil {
		return []string{e.Application}
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(w.applications)) {
		if e.Selector.Selects(w.applications[name]) {
			found = append(found, name)
		}
	}
	return found
}

// tiers holds the lists that R4 chooses from.
type tiers struct {
	organization       []grant
	broad              []grant
	specific           map[string][]grant
	systemApplication  []grant
	systemOrganization []grant
}

func (w world) tiers(s scopes) tiers {
	application, organization, _ := names(w)
	all := tiers{organization: living(s.organization), broad: living(s.all), specific: map[string][]grant{}}
	for _, g := range s.organization {
		g.role = meaning(g.role, w.rules.OrganizationRoles, func(r resolve.OrganizationRole) (string, string) {
			return r.Name, r.ApplicationRole
		})
		if height(application, g.role) >= 0 {
			all.broad = append(all.broad, living([]grant{g})...)
		}
	}
	for name, grants := range s.specific {
		if grants = living(grants); len(grants) > 0 {
			all.specific[name] = grants
		}
	}
	all.systemApplication = w.system(s, application, func(r resolve.SystemRole) (string, string) {
		return r.Name, r.ApplicationRole
	})
	all.systemOrganization = w.system(s, organization, func(r resolve.SystemRole) (string, string) {
		return r.Name, r.OrganizationRole
	})
	return all
}

// meaning returns the meaning of the role. of returns the name and the meaning of a rung.
func meaning[R any](role string, ladder []R, of func(R) (string, string)) string {
	for _, r := range ladder {
		if name, means := of(r); name == role {
			return means
		}
	}
	return resolve.NoAccess // NoAccess means NoAccess
}

// system returns the system tier of R5 on the given ladder.
func (w world) system(s scopes, ladder []string, of func(resolve.SystemRole) (string, string)) []grant {
	var tier []grant
	for _, g := range s.system {
		top := g.role == w.rules.SystemRoles[0].Name
		g.role = meaning(g.role, w.rules.SystemRoles, of)
		if g.role != "" && height(ladder, g.role) < 0 && !top && w.rules.SystemStrategy == resolve.MostRestrictive {
			g.role = resolve.NoAccess
		}
		if height(ladder, g.role) >= 0 {
			tier = append(tier, g)
		}
	}
	return living(tier)
}

// highest returns the height of the highest protected grant, or -1 if there is none.
func highest(ladder []string, grants []grant) int {
	top := -1
	for _, g := range grants {
		if g.protected {
			top = max(top, height(ladder, g.role))
		}
	}
	return top
}

// choose applies R4. It sets the part of the trace that concerns one scope.
func choose(ladder []string, grants []grant, strategy resolve.Strategy) verdict {
	if len(grants) == 0 {
		return verdict{Role: resolve.NoAccess, Rule: resolve.RuleNoGrant}
	}
	byHeight := func(a, b grant) int { return height(ladder, a.role) - height(ladder, b.role) }
	low, high := slices.MinFunc(grants, byHeight).role, slices.MaxFunc(grants, byHeight).role
	v := verdict{Role: low, Rule: resolve.RuleMostRestrictive}
	if strategy == resolve.MostPermissive {
		v = verdict{Role: high, Rule: resolve.RuleMostPermissive}
	}
	if low == high {
		v.Rule = resolve.RuleOnlyGrant
	}
	if floor := highest(ladder, grants); floor > height(ladder, v.Role) {
		v.Role, v.Rule = roleAt(ladder, floor), resolve.RuleProtectedAdministrator
	}
	v.Source = sourceOf(grants, v.Role)
	return v
}

func roleAt(ladder []string, height int) string {
	if height == 0 {
		return resolve.NoAccess
	}
	return ladder[len(ladder)-height]
}

// sourceOf returns the source for the trace: protected grants first, then the smallest name.
func sourceOf(grants []grant, role string) string {
	giving := slices.DeleteFunc(slices.Clone(grants), func(g grant) bool { return g.role != role })
	return slices.MinFunc(giving, func(a, b grant) int {
		if a.protected != b.protected {
			if a.protected {
				return -1
			}
			return 1
		}
		return strings.Compare(a.source, b.source)
	}).source
}

// combine combines the system tier with the local role, which is nil if no grant gives one.
func (w world) combine(ladder []string, local *verdict, tier []grant) verdict {
	if len(tier) == 0 {
		if local == nil {
			return verdict{Role: resolve.NoAccess, Rule: resolve.RuleNoGrant}
		}
		return *local
	}
	v := choose(ladder, tier, w.rules.SystemStrategy)
	floor := w.rules.SystemStrategy == resolve.MostPermissive ||
		highest(ladder, tier) >= height(ladder, v.Role)
	switch {
	case v.Role == resolve.NoAccess:
		v.Rule = resolve.RuleSystemBlock
	case local == nil:
		v.Rule = resolve.RuleSystemGrant
	case floor && height(ladder, v.Role) > height(ladder, local.Role):
		v.Rule = resolve.RuleSystemFloor
	case !floor && height(ladder, v.Role) < height(ladder, local.Role):
		v.Rule = resolve.RuleSystemCap
	default:
		v = *local
	}
	return v
}

// application applies R5. It also returns the height of the highest protected grant of any tier, for R9.
func (w world) application(all tiers, name string) (verdict, int) {
	ladder, _, _ := names(w)
	specific, broad, system := all.specific[name], all.broad, all.systemApplication
	protected := max(highest(ladder, specific), highest(ladder, broad), highest(ladder, system))

	local := choose(ladder, broad, w.rules.Strategy)
	if len(specific) > 0 {
		alone := local
		local = choose(ladder, specific, w.rules.Strategy)
		if floor := highest(ladder, broad); floor > height(ladder, local.Role) {
			role := roleAt(ladder, floor)
			local = verdict{Role: role, Rule: resolve.RuleProtectedAdministrator, Source: sourceOf(broad, role)}
		} else if local.Rule != resolve.RuleProtectedAdministrator && alone.Role != local.Role && len(broad) > 0 {
			// A broad tier without grants gives no role, so there is no role to differ from.
			local.Rule = resolve.RuleSpecificApplication
		}
	}
	if len(specific)+len(broad) == 0 {
		return w.combine(ladder, nil, system), protected
	}
	return w.combine(ladder, &local, system), protected
}

// bar applies the bars of R1.
func (w world) bar(t time.Time) (verdict, bool) {
	type barred struct {
		order  int
		system bool
		verdict
	}
	var all []barred
	for _, b := range w.bars {
		v := verdict{Role: resolve.NoAccess, Source: b.Source}
		if b.Suspended {
			v.Rule = resolve.RuleSuspended
			all = append(all, barred{0, b.AtSystem, v})
		}
		if !b.Window.NotAfter.IsZero() && !t.Before(b.Window.NotAfter) {
			v.Rule = resolve.RuleExpired
			all = append(all, barred{1, b.AtSystem, v})
		}
		if t.Before(b.Window.NotBefore) {
			v.Rule = resolve.RuleNotYetValid
			all = append(all, barred{2, b.AtSystem, v})
		}
	}
	if len(all) == 0 {
		return verdict{}, false
	}
	return slices.MinFunc(all, func(a, b barred) int {
		place := map[bool]int{false: 0, true: 1}
		return cmp.Or(a.order-b.order, place[a.system]-place[b.system], strings.Compare(a.Source, b.Source))
	}).verdict, true
}

// exclude applies R9 to the roles of R5.
func (w world) exclude(all tiers, applications map[string]verdict) (map[string]verdict, []resolve.Exclusion) {
	ladder, _, _ := names(w)
	after, reports := map[string]verdict{}, []resolve.Exclusion(nil)
	for name, v := range applications {
		after[name] = v
	}
	for _, rule := range w.rules.ExclusiveAccess {
		minimum := max(height(ladder, rule.MinimumRole), 1)
		var holds, taken []string
		for _, name := range rule.Applications {
			r5, protected := w.application(all, name)
			if protected >= minimum {
				continue
			}
			taken = append(taken, name)
			if height(ladder, r5.Role) >= minimum {
				holds = append(holds, name)
			}
		}
		if len(holds) < 2 {
			continue
		}
		slices.Sort(holds)
		reports = append(reports, resolve.Exclusion{Name: rule.Name, Source: rule.Source, Applications: holds})
		for _, name := range taken {
			if after[name].Rule != resolve.RuleExclusiveAccess {
				after[name] = verdict{Role: resolve.NoAccess, Rule: resolve.RuleExclusiveAccess, Source: rule.Source}
			}
		}
	}
	return after, reports
}

// at returns the result at one instant, without notAfter.
func (w world) at(t time.Time, applications []string) snapshot {
	s := w.grants(t)
	all := w.tiers(s)
	_, organizationLadder, _ := names(w)
	d := snapshot{held: w.holds(s, all, t), applications: map[string]verdict{}}
	if v, barred := w.bar(t); barred {
		d.organization, d.fallback = v, v
		for _, name := range applications {
			d.applications[name] = v
		}
		return d
	}
	var local *verdict
	if len(all.organization) > 0 {
		v := choose(organizationLadder, all.organization, w.rules.Strategy)
		local = &v
	}
	d.organization = w.combine(organizationLadder, local, all.systemOrganization)
	d.fallback, _ = w.application(all, unnamed)
	for _, name := range applications {
		d.applications[name], _ = w.application(all, name)
	}
	d.applications, d.exclusions = w.exclude(all, d.applications)
	w.bound(t, &d)
	d.conflicts = w.conflicts(all)
	return d
}

// holds reports whether there is a grant or an active membership.
func (w world) holds(s scopes, all tiers, t time.Time) bool {
	member := slices.ContainsFunc(w.held, func(h held) bool {
		return h.source.Origin == resolve.OrganizationGroup && h.active(t)
	})
	grants := len(living(s.system)) + len(all.organization) + len(all.broad) + len(all.specific) +
		len(all.systemApplication) + len(all.systemOrganization)
	return member || grants > 0
}

// conflicts returns the conflicts of R8, in the order of its scopes. Of the two meanings in the system scope, it
// reports the meaning in applications first.
func (w world) conflicts(all tiers) []resolve.Conflict {
	application, organization, _ := names(w)
	var found []resolve.Conflict
	report := func(scope resolve.Scope, name string, ladder []string, grants []grant, strategy resolve.Strategy) bool {
		differ := false
		var roles []resolve.SourceRole
		for _, a := range grants {
			for _, b := range grants {
				differ = differ || a.atOdds(b)
			}
			roles = append(roles, resolve.SourceRole{Source: a.source, Role: a.role})
		}
		if !differ {
			return false
		}
		slices.SortFunc(roles, func(a, b resolve.SourceRole) int {
			return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Role, b.Role))
		})
		won := choose(ladder, grants, strategy)
		found = append(found, resolve.Conflict{
			Scope: scope, Application: name, Grants: slices.Compact(roles), Role: won.Role, Rule: won.Rule,
		})
		return true
	}
	for _, name := range slices.Sorted(maps.Keys(all.specific)) {
		report(resolve.ScopeApplication, name, application, all.specific[name], w.rules.Strategy)
	}
	report(resolve.ScopeBroad, "", application, all.broad, w.rules.Strategy)
	report(resolve.ScopeOrganization, "", organization, all.organization, w.rules.Strategy)
	if !report(resolve.ScopeSystem, "", application, all.systemApplication, w.rules.SystemStrategy) {
		report(resolve.ScopeSystem, "", organization, all.systemOrganization, w.rules.SystemStrategy)
	}
	return found
}

package resolve

import (
	"cmp"
	"slices"
)

// filters applies docs/rules.md R7 to one application. An empty name stands for an application that nothing names.
// It returns nil if the filters may exceed the bound of R7: see [Organization.boundRows].
func (o *Organization) filters(g *grants, application string) []Filter {
	if g.mayExceed {
		return nil
	}
	_, hidden := slices.BinarySearch(o.hideUnmatched, application)
	if len(g.speaking) == 0 && !hidden {
		return nil
	}
	named := func(b *Bound) bool { return b.rowsOf(application) != nil }
	if hidden || slices.ContainsFunc(g.speaking, named) {
		return o.filtersOf(g, application, hidden)
	}
	// All applications that no data permission names share the filters of the entries for all applications.
	if !g.anyFiltersKnown {
		g.anyFilters, g.anyFiltersKnown = o.filtersOf(g, application, false), true
	}
	return g.anyFilters
}

func (o *Organization) filtersOf(g *grants, application string, hidden bool) []Filter {
	contributed := contributions(g.speaking, application)
	switch {
	case len(contributed) == 0 && hidden:
		return noRow
	case o.rules.Strategy == MostPermissive:
		return o.shared.unite(contributed)
	default:
		return intersect(contributed)
	}
}

// contributions returns the filters that the groups contribute for the application: the entry for it, otherwise
// the entry for all applications.
func contributions(speaking []*Bound, application string) []Filter {
	var contributed []Filter
	for _, b := range speaking {
		if own := b.rowsOf(application); own != nil {
			contributed = append(contributed, *own)
		} else if b.anyRows != nil {
			contributed = append(contributed, *b.anyRows)
		}
	}
	return contributed
}

// rowsOf returns the filter of the group's entry for the application, or nil if it has none.
func (b *Bound) rowsOf(application string) *Filter {
	i, found := slices.BinarySearchFunc(b.rows, application, func(r Rows, name string) int {
		return compareStrings(r.Application, name)
	})
	if !found {
		return nil
	}
	return &b.rows[i].Filter
}

// exclude applies docs/rules.md R9. Every rule is applied to the roles before any rule has taken one.
func (o *Organization) exclude(at *instant, g *grants) {
	var denied map[string]string // application to source
	for i := range o.exclusive {
		rule := &o.exclusive[i]
		if !at.holdsSeveral(rule) {
			continue
		}
		var held, taken []string
		for _, name := range rule.Applications {
			if g.protectedIn(name, rule.minimum) {
				continue
			}
			taken = append(taken, name)
			if at.application(name).rung <= rule.minimum {
				held = append(held, name)
			}
		}
		if len(held) < 2 {
			continue
		}
		at.exclusions = append(at.exclusions, Exclusion{Name: rule.Name, Source: rule.Source, Applications: held})
		if denied == nil {
			denied = map[string]string{}
		}
		for _, name := range taken {
			if _, already := denied[name]; !already {
				denied[name] = rule.Source
			}
		}
	}
	for name, source := range denied {
		at.set(name, Access{Outcome: Outcome{Role: NoAccess, Rule: RuleExclusiveAccess, Source: source, rung: noAccess}})
	}
}

// holdsSeveral reports whether the rule may take a role: the user holds its minimum role in at least two
// applications. It ignores protected grants.
func (i *instant) holdsSeveral(rule *exclusiveRule) bool {
	held := 0
	for _, name := range rule.Applications {
		if i.application(name).rung <= rule.minimum {
			held++
		}
	}
	return held > 1
}

func (i *instant) set(name string, access Access) {
	at, found := slices.BinarySearchFunc(i.applications, name, compareApplication)
	if found {
		i.applications[at] = &ApplicationAccess{name, access}
		return
	}
	i.applications = slices.Insert(i.applications, at, &ApplicationAccess{name, access})
}

// conflicts applies the first half of docs/rules.md R8.
func (o *Organization) conflicts(g *grants, broad, system choice) []Conflict {
	var found []Conflict
	report := func(scope Scope, application string, of []*grant, c choice, s Strategy, name func(rung) string) bool {
		if c.uniform || !differ(of) {
			return false
		}
		roles := make([]SourceRole, 0, len(of))
		for _, each := range of {
			roles = append(roles, SourceRole{each.source.name, name(each.rung)})
		}
		slices.SortFunc(roles, func(a, b SourceRole) int {
			return cmp.Or(compareStrings(a.Source, b.Source), compareStrings(a.Role, b.Role))
		})
		found = append(found, Conflict{
			Scope: scope, Application: application, Grants: slices.Compact(roles), Role: name(c.rung), Rule: ruleOf(&c, s),
		})
		return true
	}
	for i := range g.specific {
		tier := &g.specific[i]
		report(ScopeApplication, tier.application, tier.grants, tier.choice, o.rules.Strategy, o.applicationRole)
	}
	report(ScopeBroad, "", g.broad, broad, o.rules.Strategy, o.applicationRole)
	own := choose(g.organization, o.rules.Strategy)
	report(ScopeOrganization, "", g.organization, own, o.rules.Strategy, o.organizationRole)
	// The system scope has one report: for the meaning of the roles in applications, otherwise for their meaning for
	// the organization.
	if !report(ScopeSystem, "", g.systemApplication, system, o.rules.SystemStrategy, o.applicationRole) {
		atTop := choose(g.systemOrganization, o.rules.SystemStrategy)
		report(ScopeSystem, "", g.systemOrganization, atTop, o.rules.SystemStrategy, o.organizationRole)
	}
	return found
}

// entriesDiffer reports whether two entries of one source give different roles. All grants of the scope must come
// from that source.
func entriesDiffer(scope []*grant) bool {
	for i, g := range scope {
		for _, h := range scope[:i] {
			if g.rung != h.rung && g.entry.differs(h.entry) {
				return true
			}
		}
	}
	return false
}

// differ reports whether two sources of the scope, or two entries of one source, give different roles.
func differ(scope []*grant) bool {
	var others, ownDiffers bool
	for _, g := range scope {
		other, differs := g.source.name != scope[0].source.name, g.rung != scope[0].rung
		if other && differs {
			return true
		}
		others, ownDiffers = others || other, ownDiffers || differs
	}
	// All other sources agree with the first grant. They differ only from another grant of its source.
	return others && ownDiffers || ownDiffers && entriesDiffer(scope)
}

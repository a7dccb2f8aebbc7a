package resolve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// dice is the source of a random world: a generator of random numbers, or the bytes of a fuzz input.
type dice interface {
	// IntN returns a number in [0, n).
	IntN(n int) int
}

// byteDice reads one number per byte, and zeros after the last byte. A roll of zero is always the choice that adds
// nothing.
type byteDice struct{ rest []byte }

func (d *byteDice) IntN(n int) int {
	if len(d.rest) == 0 {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return int(b) % n
}

var (
	epoch        = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	applications = []string{"blue", "green", "red", "white", "yellow"}
)

// at returns the instant the given number of hours after the epoch.
func at(hours int) time.Time { return epoch.Add(time.Duration(hours) * time.Hour) }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// rarely returns true once in n rolls, and never for a roll of zero.
func rarely(d dice, n int) bool { return d.IntN(n) == n-1 }

// randomWorld returns a small world in which names often coincide. It also contains what admission refuses:
// unknown roles, fields in the wrong place, windows that never open.
func randomWorld(d dice) world {
	w := world{rules: randomRules(d), declared: rarely(d, 3), labels: randomLabels(d), applications: map[string]map[string]string{}}
	for _, name := range applications {
		if rarely(d, 2) {
			w.applications[name] = randomLabels(d)
		}
	}
	w.own, w.atSystem = randomAttributes(d), randomAttributes(d)
	if rarely(d, 4) {
		w.maximumInstants = 1 + d.IntN(6)
	}
	if rarely(d, 3) {
		w.maximumBytes = 50 + 10*d.IntN(60)
	}
	groups := d.IntN(5)
	for i := range groups {
		origin := pick(d, resolve.OrganizationGroup, resolve.OrganizationGroup, resolve.SystemGroup)
		h := held{source: randomSource(d, w.rules, origin)}
		h.source.Name = "AccessGroup/" + pick(d, "acme", "access-system") + "/" + pick(d, "a", "b", "c") + string(rune('0'+i))
		h.source.WithoutPrivileges = rarely(d, 5)
		if rarely(d, 4) {
			h.source.Live = []resolve.Window{{NotAfter: at(d.IntN(8))}}
			if rarely(d, 3) {
				h.source.Live = append(h.source.Live, resolve.Window{NotBefore: at(8 + d.IntN(2)), NotAfter: at(10 + d.IntN(3))})
			}
		}
		for range d.IntN(3) {
			h.windows = append(h.windows, randomWindow(d))
		}
		w.held = append(w.held, h)
		if rarely(d, 12) {
			w.held = append(w.held, h)
		}
	}
	if rarely(d, 2) {
		h := held{source: randomSource(d, w.rules, resolve.Individual)}
		h.source.Name = "UserAccess/acme/" + pick(d, "user", "zoe")
		w.held, w.declared = append(w.held, h), true
	}
	if rarely(d, 3) {
		h := held{source: randomSource(d, w.rules, resolve.IndividualAtSystem)}
		h.source.Name = "UserAccess/access-system/" + pick(d, "user", "zoe")
		w.held = append(w.held, h)
	}
	if rarely(d, 2) {
		for range d.IntN(3) {
			b := resolve.Bar{AtSystem: rarely(d, 2), Suspended: rarely(d, 6), Window: randomWindow(d)}
			b.Source = "UserAccess/acme/" + pick(d, "user", "zoe")
			if b.AtSystem {
				b.Source = "UserAccess/access-system/" + pick(d, "user", "zoe")
			}
			w.bars = append(w.bars, b)
		}
	}
	return w
}

func randomRules(d dice) resolve.Rules {
	r := resolve.Rules{
		Organization:      "acme",
		ApplicationRoles:  resolve.BuiltInApplicationRoles(),
		OrganizationRoles: resolve.BuiltInOrganizationRoles(),
		SystemRoles:       resolve.BuiltInSystemRoles(),
		Strategy:          pick(d, resolve.MostRestrictive, resolve.MostPermissive),
		SystemStrategy:    pick(d, resolve.MostRestrictive, resolve.MostPermissive),
		Combined:          rarely(d, 2),
		Protected:         d.IntN(4) > 0,
		SystemProtected:   d.IntN(4) > 0,
	}
	if rarely(d, 2) {
		r.ApplicationRoles = nil
		for _, name := range randomLadder(d, "Administrator", "Editor", "Viewer", "Auditor") {
			r.ApplicationRoles = append(r.ApplicationRoles, resolve.ApplicationRole{Name: name})
		}
	}
	if rarely(d, 2) {
		r.OrganizationRoles = nil
		for _, name := range randomLadder(d, "Administrator", "Editor", "Viewer", "Host") {
			r.OrganizationRoles = append(r.OrganizationRoles, resolve.OrganizationRole{
				Name: name, ApplicationRole: pick(d, "", "Editor", "Viewer", "Administrator", resolve.NoAccess, "Ghost"),
			})
		}
	}
	if rarely(d, 2) {
		r.SystemRoles = nil
		for _, name := range randomLadder(d, "SystemAdministrator", "Observer", "Helper") {
			r.SystemRoles = append(r.SystemRoles, resolve.SystemRole{
				Name:             name,
				OrganizationRole: pick(d, "", "Administrator", "Viewer", "Editor", resolve.NoAccess, "Ghost"),
				ApplicationRole:  pick(d, "", "Administrator", "Viewer", "Editor", resolve.NoAccess, "Ghost"),
			})
		}
	}
	for i := range d.IntN(3) {
		rule := resolve.ExclusiveAccess{
			Name:        "rule" + string(rune('0'+i)),
			Source:      "AccessPolicy/" + []string{"acme", "access-system"}[i] + "/default",
			MinimumRole: pick(d, "Viewer", "Editor", "Administrator", "Ghost", resolve.NoAccess),
		}
		for _, name := range applications {
			if rarely(d, 2) {
				rule.Applications = append(rule.Applications, name)
			}
		}
		r.ExclusiveAccess = append(r.ExclusiveAccess, rule)
	}
	for _, name := range applications {
		if rarely(d, 4) {
			r.HideUnmatched = append(r.HideUnmatched, name)
		}
	}
	return r
}

// randomLadder returns a ladder of one or more of the names, in any order.
func randomLadder(d dice, from ...string) []string {
	from = slices.Clone(from)
	for i := range from {
		j := i + d.IntN(len(from)-i)
		from[i], from[j] = from[j], from[i]
	}
	return from[:1+d.IntN(len(from))]
}

func randomSource(d dice, r resolve.Rules, origin resolve.Origin) resolve.Source {
	s := resolve.Source{Origin: origin, BeingDeleted: rarely(d, 8)}
	if misplaced := rarely(d, 10); misplaced || origin == resolve.OrganizationGroup || origin == resolve.Individual {
		s.OrganizationRole = randomRole(d, r)
		s.Applications = randomGrants(d, r)
	}
	if misplaced := rarely(d, 10); misplaced || origin == resolve.SystemGroup || origin == resolve.IndividualAtSystem {
		for _, organization := range []string{"other", "*", "acme"} {
			if rarely(d, 2) {
				s.System = append(s.System, resolve.SystemGrant{
					Organization: organization, Role: randomSystemRole(d, r),
					OrganizationRole: randomRole(d, r), Applications: randomGrants(d, r),
				})
			}
		}
		for range d.IntN(3) {
			s.System = append(s.System, resolve.SystemGrant{
				Selector: randomSelector(d), Role: randomSystemRole(d, r),
				OrganizationRole: randomRole(d, r), Applications: randomGrants(d, r),
			})
		}
	}
	if misplaced := rarely(d, 10); misplaced || origin == resolve.OrganizationGroup {
		for _, name := range append([]string{"*"}, applications...) {
			if rarely(d, 5) {
				s.Rows = append(s.Rows, resolve.Rows{Application: name, Filter: randomFilter(d)})
			}
		}
	}
	return s
}

func randomGrants(d dice, r resolve.Rules) []resolve.ApplicationGrant {
	var grants []resolve.ApplicationGrant
	for range d.IntN(4) {
		role := randomRole(d, r)
		grants = append(grants, resolve.ApplicationGrant{
			Application: pick(d, "*", "red", "blue", "green", "white"), Role: role, Window: randomWindow(d),
		})
	}
	for range d.IntN(2) {
		grants = append(grants, resolve.ApplicationGrant{
			Selector: randomSelector(d), Role: randomRole(d, r), Window: randomWindow(d),
		})
	}
	return grants
}

// term is a selector with one term: a label has the value, or does not have it.
type term struct {
	Key, Value string
	Not        bool
}

func (t term) String() string { return fmt.Sprintf("%s=%s (not: %t)", t.Key, t.Value, t.Not) }

func (t term) Selects(labels map[string]string) bool { return (labels[t.Key] == t.Value) != t.Not }

func randomSelector(d dice) resolve.Selector {
	return term{pick(d, "stage", "team"), pick(d, "one", "two"), rarely(d, 4)}
}

func randomLabels(d dice) map[string]string {
	labels := map[string]string{}
	for _, key := range []string{"stage", "team"} {
		if rarely(d, 2) {
			labels[key] = pick(d, "one", "two")
		}
	}
	return labels
}

func randomAttributes(d dice) resolve.Attributes {
	attributes := resolve.Attributes{}
	for _, name := range []string{"countries", "level"} {
		if rarely(d, 2) {
			attributes[name] = [][]string{{"a"}, {"a", "b"}, {"<b>", "a b", "b"}}[d.IntN(3)]
		}
	}
	return attributes
}

func randomRole(d dice, r resolve.Rules) string {
	if rarely(d, 8) {
		return pick(d, "Ghost", resolve.NoAccess)
	}
	if d.IntN(3) == 0 {
		return ""
	}
	return pick(d, r.ApplicationRoles...).Name
}

func randomSystemRole(d dice, r resolve.Rules) string {
	if rarely(d, 8) {
		return pick(d, "", "Ghost", resolve.NoAccess)
	}
	return pick(d, r.SystemRoles...).Name
}

// randomWindow returns a window with bounds within a few hours of the epoch, in any order. Most windows have no
// bounds.
func randomWindow(d dice) resolve.Window {
	var w resolve.Window
	if rarely(d, 4) {
		w.NotBefore = at(d.IntN(8))
	}
	if rarely(d, 4) {
		w.NotAfter = at(1 + d.IntN(8))
	}
	return w
}

func randomFilter(d dice) resolve.Filter {
	var alternatives []resolve.Alternative
	for range 1 + d.IntN(2) {
		var a resolve.Alternative
		for range 1 + d.IntN(2) {
			requirement := resolve.Requirement{
				Attribute: pick(d, "country", "product"), Operator: pick(d, "In", "NotIn"),
				Values: []string{pick(d, "a", "a b", "b", "<b>", `"b\`)},
			}
			if rarely(d, 3) {
				requirement.Values = append(requirement.Values, pick(d, "a", "b", "c"))
			}
			if rarely(d, 4) {
				requirement.Values, requirement.UserAttribute = nil, pick(d, "countries", "level", "none")
				requirement.Operator = pick(d, "In", "NotIn", "GreaterThan", "LessThan")
			}
			a.AllOf = append(a.AllOf, requirement)
		}
		alternatives = append(alternatives, a)
	}
	return resolve.NewFilter(alternatives)
}

// bind prepares the world for the engine.
func (w world) bind() (*resolve.Organization, *resolve.User) {
	o := resolve.NewOrganization(w.rules).WithLimits(w.instantLimit(), w.filterBytes())
	u := &resolve.User{Declared: w.declared, Bars: w.bars, Named: applications}
	for _, h := range w.held {
		bound := o.Bind(&h.source, w.place()).For(w.own, w.atSystem)
		u.Holdings = append(u.Holdings, resolve.Holding{Source: bound, Windows: h.windows})
	}
	return o, u
}

// place returns the organization as selectors see it.
func (w world) place() *resolve.Place {
	return &resolve.Place{Organization: w.rules.Organization, Labels: w.labels, Applications: maps.All(w.applications)}
}

// engine returns the engine's decision.
func (w world) engine(now time.Time) resolve.Decision {
	o, u := w.bind()
	return o.Resolve(u, now)
}

// answerOf converts a decision into the form of the oracle.
func answerOf(tb testing.TB, d *resolve.Decision) answer {
	tb.Helper()
	a := answer{
		Exists: d.Exists, Held: d.Held, Default: verdictOf(tb, &d.Default), Applications: map[string]verdict{},
		OrganizationRole: verdictOf(tb, &resolve.Access{Outcome: d.OrganizationRole}),
		Conflicts:        d.Conflicts, Exclusions: d.Exclusions,
		Enters: d.Enters, EntersNotAfter: d.EntersNotAfter, Next: d.Next,
		HiddenRows: d.HiddenRows, TooManyWindows: d.TooManyWindows,
	}
	for _, name := range applications {
		a.Applications[name] = verdictOf(tb, d.Application(name))
	}
	return a
}

func verdictOf(tb testing.TB, a *resolve.Access) verdict {
	tb.Helper()
	var filters []string
	for _, f := range a.Filters {
		filters = append(filters, asJSON(tb, f))
	}
	return verdict{a.Role, a.Rule, a.Source, a.NotAfter, strings.Join(filters, ",")}
}

func asJSON(tb testing.TB, v any) string {
	tb.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

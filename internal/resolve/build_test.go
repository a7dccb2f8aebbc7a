package resolve_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/resolve"
)

// builtIn returns the rules of an organization without a policy, in a system without one.
func builtIn() resolve.Rules {
	return resolve.Rules{
		Organization:      "acme",
		ApplicationRoles:  resolve.BuiltInApplicationRoles(),
		OrganizationRoles: resolve.BuiltInOrganizationRoles(),
		SystemRoles:       resolve.BuiltInSystemRoles(),
		Protected:         true,
		SystemProtected:   true,
	}
}

// give modifies a source under construction.
type give func(*resolve.Source)

// group returns an Organization group that the user is a member of.
func group(name string, gives ...give) held {
	return source(resolve.OrganizationGroup, "AccessGroup/acme/"+name, gives)
}

// systemGroup returns a System group that the user is a member of.
func systemGroup(name string, gives ...give) held {
	return source(resolve.SystemGroup, "AccessGroup/access-system/"+name, gives)
}

// own returns the user's UserAccess in the organization.
func own(gives ...give) held { return source(resolve.Individual, "UserAccess/acme/ana", gives) }

// ownAtSystem returns the user's UserAccess in the system namespace.
func ownAtSystem(gives ...give) held {
	return source(resolve.IndividualAtSystem, "UserAccess/access-system/ana", gives)
}

func source(origin resolve.Origin, name string, gives []give) held {
	s := resolve.Source{Name: name, Origin: origin}
	for _, g := range gives {
		g(&s)
	}
	return held{source: s}
}

// during limits the membership to the windows.
func (h held) during(windows ...resolve.Window) held {
	h.windows = windows
	return h
}

func organizationRole(role string) give {
	return func(s *resolve.Source) { s.OrganizationRole = role }
}

func role(application, role string) give {
	return roleDuring(application, role, resolve.Window{})
}

func roleDuring(application, role string, window resolve.Window) give {
	return func(s *resolve.Source) {
		s.Applications = append(s.Applications, resolve.ApplicationGrant{
			Application: application, Role: role, Window: window,
		})
	}
}

func systemRole(organization, role string) give {
	return system(resolve.SystemGrant{Organization: organization, Role: role})
}

func system(g resolve.SystemGrant) give {
	return func(s *resolve.Source) { s.System = append(s.System, g) }
}

func sees(application string, requirements ...resolve.Requirement) give {
	return func(s *resolve.Source) { s.Rows = append(s.Rows, rows(application, requirements...)) }
}

func withoutPrivileges(s *resolve.Source) { s.WithoutPrivileges = true }

func beingDeleted(s *resolve.Source) { s.BeingDeleted = true }

// rows returns an entry that shows the rows for which all of the requirements hold.
func rows(application string, requirements ...resolve.Requirement) resolve.Rows {
	return resolve.Rows{
		Application: application,
		Filter:      resolve.NewFilter([]resolve.Alternative{{AllOf: requirements}}),
	}
}

func in(attribute string, values ...string) resolve.Requirement {
	return resolve.Requirement{Attribute: attribute, Operator: "In", Values: values}
}

func from(hours int) resolve.Window  { return resolve.Window{NotBefore: at(hours)} }
func until(hours int) resolve.Window { return resolve.Window{NotAfter: at(hours)} }
func between(begin, end int) resolve.Window {
	return resolve.Window{NotBefore: at(begin), NotAfter: at(end)}
}

// where returns the built-in rules with the changes applied.
func where(changes ...func(*resolve.Rules)) resolve.Rules {
	r := builtIn()
	for _, change := range changes {
		change(&r)
	}
	return r
}

func permissive(r *resolve.Rules)        { r.Strategy = resolve.MostPermissive }
func systemPermissive(r *resolve.Rules)  { r.SystemStrategy = resolve.MostPermissive }
func combined(r *resolve.Rules)          { r.Combined = true }
func unprotected(r *resolve.Rules)       { r.Protected = false }
func systemUnprotected(r *resolve.Rules) { r.SystemProtected = false }
func hiding(names ...string) func(*resolve.Rules) {
	return func(r *resolve.Rules) { r.HideUnmatched = names }
}

// exclusive adds a rule of exclusive access to the organization's own rules.
func exclusive(name, minimum string, names ...string) func(*resolve.Rules) {
	return func(r *resolve.Rules) {
		r.ExclusiveAccess = append(r.ExclusiveAccess, resolve.ExclusiveAccess{
			Name: name, Source: "AccessPolicy/acme/default", MinimumRole: minimum, Applications: names,
		})
	}
}

// ownLadders declares short ladders that share no role with the built-in ones.
func ownLadders(r *resolve.Rules) {
	r.ApplicationRoles = []resolve.ApplicationRole{{Name: "Owner"}, {Name: "Guest"}}
	r.OrganizationRoles = []resolve.OrganizationRole{{Name: "Host", ApplicationRole: "Owner"}, {Name: "Visitor"}}
}

// outcome is a role with its reason, without the other fields of a verdict.
type outcome struct {
	Role   string
	Rule   resolve.Rule
	Source string
}

var nobody = outcome{resolve.NoAccess, resolve.RuleNoGrant, ""}

// scenario is one row of a table of roles: what the user holds under the rules, and the resulting roles. A zero
// organization or fallback stands for nobody.
type scenario struct {
	rules        resolve.Rules
	held         []held
	bars         []resolve.Bar
	organization outcome
	fallback     outcome // in an application that nothing names
	red          outcome // in the application of that name
}

func runScenarios(t *testing.T, scenarios map[string]scenario) {
	t.Helper()
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			if s.rules.Organization == "" {
				s.rules = builtIn()
			}
			w := world{rules: s.rules, held: s.held, bars: s.bars}
			d := w.engine(epoch)
			want := []outcome{orNobody(s.organization), orNobody(s.fallback), orNobody(s.red)}
			got := []outcome{outcomeOf(d.OrganizationRole), outcomeOf(d.Default.Outcome), outcomeOf(d.Application("red").Outcome)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("roles of the organization, by default, in red (-want, +got):\n%s", diff)
			}
			// The table has the expected result. The oracle must agree with it.
			if diff := cmp.Diff(w.resolve(epoch, applications), answerOf(t, &d), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("oracle (-), engine (+):\n%s", diff)
			}
		})
	}
}

func orNobody(o outcome) outcome {
	if o == (outcome{}) {
		return nobody
	}
	return o
}

func outcomeOf(o resolve.Outcome) outcome { return outcome{o.Role, o.Rule, o.Source} }

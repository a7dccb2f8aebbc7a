package validation_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// plays is the number of worlds. Increase it for a longer search.
var plays = flag.Uint64("plays", 12, "how many random worlds the oracle looks at")

// TestRightsEqualTheOracle makes random changes to random worlds. It compares the required rights with the oracle
// in both directions: every new declaration, every rise and every new row requires a right, and every required
// right has a cause.
func TestRightsEqualTheOracle(t *testing.T) {
	for seed := range *plays {
		p := newPlay(t, seed, 21, 18)
		for step := range 5 {
			if p.Chance(20) {
				p.relabel()
				p.roster.Settle(p.now)
			}
			c := p.change()
			where := fmt.Sprintf("seed %d, step %d: %s", seed, step, c)
			j := p.judge(c)
			p.unchanged(where)
			if (len(j.Errors) > 0) != p.isAhead(c) {
				t.Fatalf("%s: %v", where, j.Errors)
			}
			if len(j.Errors) > 0 {
				continue
			}
			newRightsOracle(p, c, j, where).compare()
			p.keep(c.key, c.afters[len(c.afters)-1])
			p.roster.Settle(p.now)
		}
	}
}

// rightsOracle compares one judgement with the objects.
type rightsOracle struct {
	*play
	change   *change
	given    *validation.Judgement
	where    string
	declared map[tuple]bool
	rises    map[rise]*resolve.Organization
	rows     map[widened]bool
	differ   map[widened]bool
	sources  objects
	withheld map[rise]bool
}

func newRightsOracle(p *play, c *change, j *validation.Judgement, where string) *rightsOracle {
	o := &rightsOracle{
		play: p, change: c, given: j, where: where,
		declared: map[tuple]bool{}, rises: map[rise]*resolve.Organization{},
		rows: map[widened]bool{}, differ: map[widened]bool{}, sources: p.objects, withheld: map[rise]bool{},
	}
	before := p.objects
	for _, made := range c.afters {
		after := before.with(c.key, made)
		o.sources = o.sources.with(c.key, made)
		f := look(p.t, p.options, before, after, p.now, true)
		for _, each := range []*futures{f, look(p.t, p.options, unbarred(before), unbarred(after), p.now, true)} {
			surely, suspected := each.widens()
			if each == f {
				maps.Copy(o.rows, surely)
			}
			maps.Copy(o.differ, suspected)
		}
		if _, is := o.object().(*accessv1alpha1.AccessPolicy); is {
			continue
		}
		maps.Copy(o.rises, f.rises())
		o.withhold(f, before, after)
		maps.Copy(o.declared, newlyDeclared(before, after, o.object().GetNamespace(), "", ""))
		if _, is := o.object().(*accessv1alpha1.ApplicationAccess); is { // objects above select it by its labels
			maps.Copy(o.declared, newlyDeclared(before, after, rostertest.System, "", ""))
		}
		was, _ := c.request.Old.(*accessv1alpha1.AccessGroup)
		is, _ := made.(*accessv1alpha1.AccessGroup)
		maps.Copy(o.declared, givenToWhoeverBelongs(before, after, was, is))
		maps.Copy(o.declared, givenToTheSelected(before, after, was, is))
	}
	if c.afters[len(c.afters)-1] == nil && c.request.Old != nil {
		o.sources = o.sources.with(c.key, c.request.Old)
	}
	return o
}

func (o *rightsOracle) object() client.Object {
	if o.change.request.New != nil {
		return o.change.request.New
	}
	return o.change.request.Old
}

func (o *rightsOracle) compare() {
	o.t.Helper()
	for t := range o.declared {
		if !t.isByText() && !o.met(o.alternatives(t)) {
			o.fail("nothing is asked for what is declared: %s", t)
		}
	}
	for r, rules := range o.rises {
		if !o.met(append(o.ofRise(r), o.asWritten(r, rules)...)) {
			o.fail("nothing is asked for what becomes effective: %+v", r)
		}
	}
	for w := range o.rows {
		if !o.met([]string{fmt.Sprintf("datapermissions %s @%s", w.application, w.organization), "datapermissions  @" + w.organization}) {
			o.fail("nothing is asked for more rows: %+v", w)
		}
	}
	for i := range o.given.Rights {
		o.explained(&o.given.Rights[i])
	}
}

func (o *rightsOracle) fail(format string, args ...any) {
	o.t.Helper()
	var rest []string
	for _, object := range o.objects.sorted() {
		rest = append(rest, (&change{key: "beside", request: &validation.Request{Old: object}}).describe())
	}
	o.t.Fatalf("%s: %s\nasked for: %s\n%s\nnow %s\n%s", o.where, fmt.Sprintf(format, args...),
		strings.Join(rightsOf(o.given), "; "), o.change.describe(), o.now, strings.Join(rest, "\n"))
}

func attribute(a validation.Attributes) string {
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return fmt.Sprintf("%s %s @%s", resource, a.Name, a.Namespace)
}

// met reports whether a right is required that is held only together with one of these.
func (o *rightsOracle) met(by []string) bool {
	return slices.ContainsFunc(o.given.Rights, func(r validation.Right) bool {
		return !slices.ContainsFunc(r.AnyOf, func(a validation.Attributes) bool {
			return a.Verb != "grant" || a.Group != "grants.access.usher.dev" || !slices.Contains(by, attribute(a))
		})
	})
}

// alternatives returns the rights that each permit the declaration. A right in all namespaces is also a right in
// each of them.
func (o *rightsOracle) alternatives(t tuple) []string {
	t = t.byName()
	namespaces := []string{t.organization, ""}
	switch {
	case t.resource == onSystem:
		namespaces = []string{rostertest.System}
	case isMany(t.organization):
		namespaces = []string{""}
	}
	var all []string
	for _, namespace := range namespaces {
		all = append(all, fmt.Sprintf("%s %s @%s", t.resource, t.role, namespace))
		if t.resource == onApplications && !isMany(t.application) {
			all = append(all, fmt.Sprintf("%s/%s %s @%s", t.resource, t.application, t.role, namespace))
		}
	}
	return all
}

// isMany reports whether the name means everything, or everything with some labels.
func isMany(name string) bool { return name == "*" || strings.HasPrefix(name, labelled) }

func (o *rightsOracle) ofRise(r rise) []string {
	if r.application == "" {
		return o.alternatives(tuple{"", r.organization, onOrganizations, "", r.role})
	}
	return o.alternatives(tuple{"", r.organization, onApplications, r.application, r.role})
}

// asWritten returns the rights to what the deciding source declares, if that includes the role.
func (o *rightsOracle) asWritten(r rise, organization *resolve.Organization) []string {
	var organizationRoles, systemRoles []string // several where several selectors select the organization
	for key, object := range o.sources {
		kind := strings.TrimPrefix(strings.SplitN(key, "/", 2)[0], "*v1alpha1.")
		if fmt.Sprintf("%s/%s/%s", kind, object.GetNamespace(), object.GetName()) != r.source {
			continue
		}
		d := declaration{objects: o.objects, namespace: object.GetNamespace()}
		said := map[tuple]bool{}
		switch source := object.(type) {
		case *accessv1alpha1.AccessGroup:
			d.say(said, "", givenByGroup(source))
		case *accessv1alpha1.UserAccess:
			d.say(said, "", givenByUser(source))
		}
		for t := range said {
			switch {
			case t.organization != r.organization:
			case t.resource == onOrganizations:
				organizationRoles = append(organizationRoles, t.role)
			case t.resource == onSystem:
				systemRoles = append(systemRoles, t.role)
			}
		}
	}
	var all []string
	for _, role := range organization.Rules().OrganizationRoles {
		if r.application != "" && slices.Contains(organizationRoles, role.Name) && role.ApplicationRole == r.role {
			all = append(all, o.alternatives(tuple{"", r.organization, onOrganizations, "", role.Name})...)
		}
	}
	for _, role := range organization.Rules().SystemRoles {
		meaning := role.OrganizationRole
		if r.application != "" {
			meaning = role.ApplicationRole
		}
		if slices.Contains(systemRoles, role.Name) && meaning == r.role {
			all = append(all, o.alternatives(tuple{"", r.organization, onSystem, "", role.Name})...)
		}
	}
	return all
}

// explained fails if the right is required without a cause.
func (o *rightsOracle) explained(right *validation.Right) {
	o.t.Helper()
	first := right.AnyOf[0]
	if first.Verb == "join" {
		return // tables say when
	}
	if _, is := o.object().(*accessv1alpha1.AccessPolicy); is && first.Name == "" {
		return
	}
	if first.Resource == "datapermissions" {
		if !o.differ[widened{first.Namespace, first.Name}] && !o.filters(first.Namespace) {
			o.fail("more rows out of nothing: %s", right.Reason)
		}
		return
	}
	text := attribute(first)
	if made, is := o.object().(*accessv1alpha1.AccessGroup); is && o.change.request.Old == nil && first.Resource == "systemroles" &&
		made.Spec.Type == accessv1alpha1.GroupTypeSystem && text == attribute(o.given.Exempting.AnyOf[0]) {
		return // a new group that speaks across organizations
	}
	for t := range o.declared {
		if slices.Contains(o.alternatives(t), text) && (first.Namespace != "" || isMany(t.organization)) {
			return
		}
	}
	for r := range o.rises {
		if slices.Contains(o.ofRise(r), text) {
			return
		}
	}
	for r := range o.withheld {
		if slices.Contains(o.ofRise(r), text) {
			return
		}
	}
	o.fail("out of nothing: %s, %s", text, right.Reason)
}

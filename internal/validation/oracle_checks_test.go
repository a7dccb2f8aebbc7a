package validation_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// TestChecksEqualTheOracle makes random changes to random worlds. It compares the findings about role conflicts,
// exclusive access, last administrators and the revocation brake with the decisions at every minute.
func TestChecksEqualTheOracle(t *testing.T) {
	for seed := range *plays {
		p := newPlay(t, seed, 23, 24)
		for step := range 4 {
			c := p.change()
			where := fmt.Sprintf("seed %d, step %d: %s", seed, step, c)
			o := &checksOracle{rightsOracle{play: p, change: c, given: p.judge(c), where: where}}
			if p.isAhead(c) {
				continue
			}
			if old := c.request.Old; old == nil || old.GetDeletionTimestamp() == nil { // else nothing stands in its way
				o.compareFindings()
				o.compareBrake()
			}
			p.unchanged(where)
			p.keep(c.key, c.afters[len(c.afters)-1])
			p.roster.Settle(p.now)
		}
	}
}

type checksOracle struct{ rightsOracle }

// finding is a reported conflict, broken rule or last administrator. From is zero if it applies now.
type finding struct {
	what string
	deny bool
	from time.Time
}

var findingTexts = []*regexp.Regexp{
	regexp.MustCompile(`role conflict of (\S+) in (.+) of organization (\S+?)(?:, from (\S+) on)?:`),
	regexp.MustCompile(`exclusive access: (\S+) would hold (.+) in organization (\S+?)(?:, from (\S+) on)?, which rule (\S+ of \S+) excludes`),
	regexp.MustCompile(`organization (\S+) would have nobody with (its top organization role) (\S+?)(?:, from (\S+) on)?: `),
}

// found parses the messages of the judgement. more is set if some findings are only counted.
func (o *checksOracle) found() (all map[finding]bool, more bool) {
	all = map[finding]bool{}
	read := func(text string, deny bool) {
		more = more || strings.Contains(text, "more like these")
		for i, pattern := range findingTexts {
			parts := pattern.FindStringSubmatch(text)
			if parts == nil {
				continue
			}
			f := finding{what: fmt.Sprint(i, " ", parts[1], " ", parts[2], " ", parts[3]), deny: deny}
			switch i {
			case 1:
				f.what += " " + parts[5] // two policies may have rules of the same name
			case 2:
				f.what = "2 " + parts[1]
			}
			if parts[4] != "" {
				f.from, _ = time.Parse(time.RFC3339, parts[4])
			}
			all[f] = true
		}
	}
	for _, text := range o.given.Warnings {
		read(text, false)
	}
	for _, e := range o.given.Refusals {
		read(e.Error(), true)
	}
	return all, more
}

// expected returns the findings of every minute. Each is reported for its first minute only.
func (o *checksOracle) expected() map[finding]bool {
	first := map[finding]time.Time{}
	for _, made := range o.change.afters {
		before, after := o.objects, o.objects.with(o.change.key, made)
		f := look(o.t, o.options, before, after, o.now, false)
		f.each(func(s *standing) {
			mode := o.mode(s, before, after)
			if mode == "Ignore" || s.is == nil {
				return
			}
			for _, what := range brought(s) {
				note(first, finding{what: what, deny: mode == "Deny"}, s.at)
			}
		})
		o.administrators(first, f, before, after)
	}
	all := map[finding]bool{}
	for f, at := range first {
		if at.After(o.now) {
			f.from = at
		}
		all[f] = true
	}
	return all
}

func note(first map[finding]time.Time, f finding, at time.Time) {
	if was, is := first[f]; !is || at.Before(was) {
		first[f] = at
	}
}

// mode returns crossObjectChecks after the change or, for a namespace that stops being an organization, before it.
func (o *checksOracle) mode(s *standing, before, after objects) accessv1alpha1.CrossObjectChecks {
	if s.ladders == nil {
		after = before
	}
	for _, namespace := range []string{s.organization, rostertest.System} {
		p, is := after[policyKey(namespace)].(*accessv1alpha1.AccessPolicy)
		if is {
			return p.Spec.CrossObjectChecks
		}
	}
	return "Warn"
}

func policyKey(namespace string) string {
	p := &accessv1alpha1.AccessPolicy{}
	p.Namespace, p.Name = namespace, "default"
	return rostertest.Key(p)
}

func brought(s *standing) []string {
	var was resolve.Decision
	if s.was != nil {
		was = *s.was
	}
	var all []string
	for _, c := range s.is.Conflicts {
		sides := map[resolve.SourceRole]bool{}
		for _, before := range was.Conflicts {
			if before.Scope == c.Scope && before.Application == c.Application {
				for _, g := range before.Grants {
					sides[g] = true
				}
			}
		}
		if slices.ContainsFunc(c.Grants, func(g resolve.SourceRole) bool { return !sides[g] }) {
			scope := map[resolve.Scope]string{
				"Application": "application " + c.Application, "Broad": "all applications",
				"Organization": "the organization role", "System": "the system roles",
			}[c.Scope]
			all = append(all, fmt.Sprint("0 ", s.user, " ", scope, " ", s.organization))
		}
	}
	for _, e := range s.is.Exclusions {
		held := map[string]bool{}
		for _, before := range was.Exclusions {
			if before.Name == e.Name && before.Source == e.Source {
				for _, application := range before.Applications {
					held[application] = true
				}
			}
		}
		if slices.ContainsFunc(e.Applications, func(application string) bool { return !held[application] }) {
			all = append(all, fmt.Sprint("1 ", s.user, " ", strings.Join(e.Applications, " and "), " ", s.organization, " ", e.Name, " of ", e.Source))
		}
	}
	return all
}

// administrators records the first minute at which an organization loses the last user with its top role.
func (o *checksOracle) administrators(first map[finding]time.Time, f *futures, before, after objects) {
	type moment struct {
		organization string
		at           time.Time
	}
	had, has, modes := map[moment]bool{}, map[moment]bool{}, map[moment]accessv1alpha1.CrossObjectChecks{}
	f.each(func(s *standing) {
		m := moment{s.organization, s.at}
		modes[m] = o.mode(s, before, after)
		if s.rules != nil {
			had[m] = had[m] || organizationRole(s.was).Role == s.rules.Rules().OrganizationRoles[0].Name
		}
		if s.ladders != nil {
			has[m] = has[m] || organizationRole(s.is).Role == s.ladders.Rules().OrganizationRoles[0].Name
		}
	})
	for m := range had {
		if had[m] && !has[m] && modes[m] != "Ignore" {
			note(first, finding{what: "2 " + m.organization, deny: modes[m] == "Deny"}, m.at)
		}
	}
}

func (o *checksOracle) compareFindings() {
	o.t.Helper()
	found, more := o.found()
	expected := o.expected()
	for f := range found {
		if !expected[f] {
			o.fail("told of %+v, which is not so; %v", f, expected)
		}
	}
	for f := range expected {
		if !found[f] && !more {
			o.fail("not told of %+v: %v %v", f, o.given.Warnings, o.given.Refusals)
		}
	}
}

// compareBrake counts, for each organization and application, the users who lose all access at any minute, by the
// change or because the access ends by itself.
func (o *checksOracle) compareBrake() {
	o.t.Helper()
	expected := map[string]bool{}
	for _, made := range o.change.afters {
		before, after := o.objects, o.objects.with(o.change.key, made)
		f := look(o.t, o.options, before, after, o.now, false)
		lost, ending := map[widened]map[string]bool{}, map[widened]map[string]bool{}
		f.each(func(s *standing) {
			if s.at.After(o.now.Add(24 * time.Hour)) {
				return // no loss yet
			}
			for _, application := range everyApplication {
				where := widened{s.organization, application}
				if application != anywhere && !f.named(s, application) {
					continue
				}
				is := sees(access(s.is, application)) && !(made == nil && s.at.Equal(o.now) && o.endsDocument(where))
				if sees(access(s.was, application)) && !is {
					add(lost, where, s.user)
				}
				if sees(access(f.before[0].View().Decision(s.organization, s.user), application)) && !is {
					add(ending, where, s.user)
				}
			}
		})
		for where, users := range lost {
			maps.Copy(users, ending[where])
			if o.braked(f, where, len(users), before) {
				expected[where.String()] = true
			}
		}
	}
	found := map[string]bool{}
	text := regexp.MustCompile(`would lose all access to (?:application (\S+)|(every application that nothing names)) of organization (\S+),`)
	for _, e := range o.given.Braked {
		parts := text.FindStringSubmatch(e.Error())
		where := widened{parts[3], parts[1] + strings.Repeat(anywhere, len(parts[2])/len("every application that nothing names"))}
		if found[where.String()] {
			o.fail("told twice: %s", e)
		}
		found[where.String()] = true
	}
	if !maps.Equal(expected, found) {
		o.fail("the brake: %v, not %v", slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(expected)))
	}
}

func add(to map[widened]map[string]bool, where widened, user string) {
	if to[where] == nil {
		to[where] = map[string]bool{}
	}
	to[where][user] = true
}

// sees reports whether the user has a role and sees any possible row.
func sees(a *resolve.Access) bool {
	if a.Role == resolve.NoAccess {
		return false
	}
	for _, country := range []string{"France", "Germany", "neither", string(rostertest.Large[0])} {
		for _, line := range []string{"x", "another"} {
			for _, level := range []string{"2", "3.5", "5"} {
				r := row{"country": country, "line": line, "level": level}
				if r.shown(a) {
					return true
				}
			}
		}
	}
	return false
}

// endsDocument reports whether the change removes the object that requests the application's document.
func (o *checksOracle) endsDocument(where widened) bool {
	gone, is := o.change.request.Old.(*accessv1alpha1.ApplicationAccess)
	return is && gone.Namespace == where.organization && gone.Name == where.application
}

// named reports whether the application existed before the change or has a decision of its own for the user.
func (f *futures) named(s *standing, application string) bool {
	if slices.Contains(f.before[0].View().Applications(s.organization), application) {
		return true
	}
	for _, d := range []*resolve.Decision{s.was, s.is} {
		if d != nil && slices.ContainsFunc(d.Applications, func(a *resolve.ApplicationAccess) bool { return a.Application == application }) {
			return true
		}
	}
	return false
}

func (w widened) String() string { return w.organization + "/" + w.application }

func (o *checksOracle) braked(f *futures, where widened, lost int, before objects) bool {
	holders := 0
	for _, user := range rostertest.Users {
		if access(f.before[0].View().Decision(where.organization, user), where.application).Role != resolve.NoAccess {
			holders++
		}
	}
	for _, object := range []client.Object{before[policyKey(where.organization)], before[policyKey(rostertest.System)]} {
		p, is := object.(*accessv1alpha1.AccessPolicy)
		if !is {
			continue
		}
		if most := p.Spec.RevocationLimit.Users; most != nil && lost > int(*most) {
			return true
		}
		if most := p.Spec.RevocationLimit.Percent; most != nil && lost > holders*int(*most)/100 {
			return true
		}
	}
	return false
}

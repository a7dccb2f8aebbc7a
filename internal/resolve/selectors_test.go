package resolve_test

import (
	"iter"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/resolve"
)

func selected(key, value, role string) resolve.ApplicationGrant {
	return resolve.ApplicationGrant{Selector: term{Key: key, Value: value}, Role: role}
}

func application(g resolve.ApplicationGrant) give {
	return func(s *resolve.Source) { s.Applications = append(s.Applications, g) }
}

func TestEntriesOfASystemGroup(t *testing.T) {
	prod, eu := term{Key: "stage", Value: "prod"}, term{Key: "region", Value: "eu"}
	all := []resolve.SystemGrant{
		{Organization: "acme", Role: "named"}, {Organization: "*", Role: "any"},
		{Selector: prod, Role: "prod"}, {Selector: eu, Role: "eu"},
	}
	for name, tc := range map[string]struct {
		entries []resolve.SystemGrant
		at      resolve.Place
		want    []string
	}{
		"the entry that names the organization comes first": {
			all, resolve.Place{Organization: "acme", Labels: map[string]string{"stage": "prod"}}, []string{"named"},
		},
		"every selector that selects comes before the entry for all": {
			all, resolve.Place{Organization: "globex", Labels: map[string]string{"stage": "prod", "region": "eu"}}, []string{"prod", "eu"},
		},
		"the entry for all comes last": {
			all, resolve.Place{Organization: "globex", Labels: map[string]string{"stage": "test"}}, []string{"any"},
		},
		"no entry may apply":            {all[2:], resolve.Place{Organization: "globex"}, nil},
		"never another organization's":  {all[:1], resolve.Place{Organization: "globex"}, nil},
		"wherever the entry for all is": {[]resolve.SystemGrant{all[1], all[0]}, resolve.Place{Organization: "acme"}, []string{"named"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := resolve.Source{Origin: resolve.SystemGroup, System: tc.entries}
			var got []string
			for _, e := range s.Entries(&tc.at) {
				got = append(got, e.Role)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("entries (-want, +got):\n%s", diff)
			}
			if speaks := s.SpeaksOf(&tc.at); speaks != (len(tc.want) > 0) {
				t.Errorf("SpeaksOf() = %t, entries %v", speaks, got)
			}
		})
	}
}

func TestWhatIsWritten(t *testing.T) {
	type given struct {
		Application, Role           string
		Organizations, Applications resolve.Selector
	}
	team, prod := term{Key: "team", Value: "one"}, term{Key: "stage", Value: "prod"}
	selectors := []resolve.ApplicationGrant{{Application: "red", Role: "Editor"}, selected("team", "one", "Viewer")}
	spanning := resolve.Source{Origin: resolve.SystemGroup, System: []resolve.SystemGrant{
		{Organization: "acme", Applications: selectors},
		{Organization: "*", Applications: []resolve.ApplicationGrant{{Application: "blue", Role: "Editor"}}},
		{Selector: prod, Applications: selectors[1:]},
	}}
	own := resolve.Source{Origin: resolve.OrganizationGroup, Applications: selectors}
	for name, tc := range map[string]struct {
		written iter.Seq[resolve.Written]
		want    []given
	}{
		"a selector is for all applications": {
			own.WrittenIn(&resolve.Place{Organization: "acme"}), []given{{"red", "Editor", nil, nil}, {"*", "Viewer", nil, team}},
		},
		"of an organization that is named": {
			spanning.WrittenIn(&resolve.Place{Organization: "acme"}), []given{{"red", "Editor", nil, nil}, {"*", "Viewer", nil, team}},
		},
		"of one that is selected": {
			spanning.WrittenIn(&resolve.Place{Organization: "globex", Labels: map[string]string{"stage": "prod"}}),
			[]given{{"*", "Viewer", prod, team}},
		},
		"of any other": {
			spanning.WrittenIn(&resolve.Place{Organization: "globex"}), []given{{"blue", "Editor", nil, nil}},
		},
		"of many":                    {spanning.WrittenForMany(), []given{{"blue", "Editor", nil, nil}, {"*", "Viewer", prod, team}}},
		"of many, by a group of one": {own.WrittenForMany(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []given
			for w := range tc.written {
				got = append(got, given{w.Application, w.Role, w.Organizations, w.Applications})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("written (-want, +got):\n%s", diff)
			}
		})
	}
}

// TestAReviewEndsWhatIsGiven checks that the source gives its declared roles until the review is missed.
func TestAReviewEndsWhatIsGiven(t *testing.T) {
	s := resolve.Source{
		Origin: resolve.OrganizationGroup, OrganizationRole: "Viewer", Live: []resolve.Window{until(2), between(4, 6)},
		Applications: []resolve.ApplicationGrant{
			{Application: "red", Role: "Editor", Window: from(5)}, {Application: "blue", Role: resolve.NoAccess},
		},
	}
	want := map[string][]resolve.Window{
		"Viewer": {until(2), between(4, 6)}, "Editor": {between(5, 6)}, resolve.NoAccess: {{}},
	}
	got := map[string][]resolve.Window{}
	for g := range s.WrittenIn(&resolve.Place{Organization: "acme"}) {
		got[g.Role] = append(got[g.Role], g.Window)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("windows by role (-want, +got):\n%s", diff)
	}
}

func TestSelectorsNameNoApplication(t *testing.T) {
	s := resolve.Source{Applications: []resolve.ApplicationGrant{{Application: "red"}, {Application: "*"}, selected("team", "one", "Viewer")}}
	at := &resolve.Place{Applications: maps.All(map[string]map[string]string{"blue": {"team": "one"}})}
	var named []string
	s.EachNamed(at, func(application string) { named = append(named, application) })
	if diff := cmp.Diff([]string{"red"}, named); diff != "" {
		t.Errorf("named (-want, +got):\n%s", diff)
	}
}

func TestEntriesOfOneSourceConflict(t *testing.T) {
	one := map[string]map[string]string{"red": {"team": "one"}}
	for name, tc := range map[string]struct {
		held held
		want bool
	}{
		"a name and a selector": {group("g", role("red", "Editor"), application(selected("team", "one", "Viewer"))), true},
		"two selectors": {
			group("g", application(selected("team", "one", "Editor")), application(selected("team", "one", "Viewer"))), true,
		},
		"two that agree": {
			group("g", application(selected("team", "one", "Viewer")), application(selected("team", "one", "Viewer"))), false,
		},
		"not the organization role beside an entry": {group("g", organizationRole("Viewer"), role("*", "Editor")), false},
		"two entries for organizations": {
			systemGroup("s",
				system(resolve.SystemGrant{Selector: term{}, OrganizationRole: "Editor"}),
				system(resolve.SystemGrant{Selector: term{}, OrganizationRole: "Viewer"})), true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{rules: builtIn(), held: []held{tc.held}, applications: one}
			d := w.engine(epoch)
			if got := len(d.Conflicts) > 0; got != tc.want {
				t.Errorf("conflicts %+v, want some: %t", d.Conflicts, tc.want)
			}
			if diff := cmp.Diff(w.resolve(epoch, applications), answerOf(t, &d), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("oracle (-), engine (+):\n%s", diff)
			}
		})
	}
}

func TestSelectsDifferently(t *testing.T) {
	one, two := map[string]string{"team": "one"}, map[string]string{"team": "two"}
	s := resolve.Source{Applications: []resolve.ApplicationGrant{selected("team", "one", "Viewer")}}
	for name, tc := range map[string]struct {
		before, after *map[string]string
		want          bool
	}{
		"the label goes":                   {&one, &two, true},
		"the label comes":                  {&two, &one, true},
		"the label stays":                  {&one, &one, false},
		"an ApplicationAccess comes":       {nil, &one, true},
		"one that is not selected goes":    {&two, nil, false},
		"nothing is there before or after": {nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.SelectsDifferently(&resolve.Place{}, tc.before, tc.after); got != tc.want {
				t.Errorf("SelectsDifferently() = %t, want %t", got, tc.want)
			}
		})
	}
}

// TestReviewsEndAccess checks a group whose review is missed, at the instants around it.
func TestReviewsEndAccess(t *testing.T) {
	reviewed := func(s *resolve.Source) { s.Live = []resolve.Window{until(3)} }
	runScenarios(t, map[string]scenario{
		"before it is missed": {
			held:         []held{group("g", organizationRole("Viewer"), role("red", "Editor"), reviewed)},
			organization: outcome{"Viewer", resolve.RuleOnlyGrant, "AccessGroup/acme/g"},
			fallback:     outcome{"Viewer", resolve.RuleOnlyGrant, "AccessGroup/acme/g"},
			red:          outcome{"Editor", resolve.RuleSpecificApplication, "AccessGroup/acme/g"},
		},
		"the group still takes the place of individual access": {
			held: []held{
				group("g", role("red", "Editor"), func(s *resolve.Source) { s.Live = []resolve.Window{until(0)} }),
				own(role("red", "Viewer")),
			},
		},
		"NoAccess stays": {
			held: []held{
				group("g", role("red", resolve.NoAccess), func(s *resolve.Source) { s.Live = []resolve.Window{until(0)} }),
				group("h", role("red", "Viewer")),
			},
			red: outcome{resolve.NoAccess, resolve.RuleMostRestrictive, "AccessGroup/acme/g"},
		},
	})
	w := world{rules: builtIn(), held: []held{
		group("g", organizationRole("Viewer"), role("red", "Editor"), reviewed),
		systemGroup("s", systemRole("*", "Observer"), reviewed),
	}}
	d := w.engine(epoch)
	for name, end := range map[string]resolve.Outcome{
		"organization role": d.OrganizationRole, "default": d.Default.Outcome, "red": d.Application("red").Outcome,
	} {
		if !end.NotAfter.Equal(at(3)) {
			t.Errorf("%s ends at %v, want %v", name, end.NotAfter, at(3))
		}
	}
	_, u := w.bind()
	if transitions := resolve.Transitions(u, epoch); len(transitions) != 1 || !transitions[0].Equal(at(3)) {
		t.Errorf("transitions %v, want %v", transitions, at(3))
	}
	if later := w.engine(at(3)); later.Enters {
		t.Errorf("access after the review was missed: %+v", later)
	}
}

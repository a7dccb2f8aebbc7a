package publish_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

// FuzzPublishThenRead checks that a reader of the documents answers what was decided, and that the API server would
// accept every shard.
func FuzzPublishThenRead(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint16(1+seed*seed*20), uint8(seed), uint16(1<<(2*seed)))
	}
	f.Add(uint64(9), uint16(40), uint8(9), uint16(60_000)) // filters larger than shards
	f.Add(uint64(10), uint16(5000), uint8(10), uint16(10))
	f.Fuzz(func(t *testing.T, seed uint64, users uint16, options uint8, valueBytes uint16) {
		w := &randomWorld{random: rand.New(rand.NewPCG(seed, 1)), valueBytes: int(valueBytes)}
		o := []*resolve.Organization{organization(), restrictive()}[options&1]
		decisions := w.decisions(o, int(users)%6000)
		var formats []accessv1alpha1.PublishFormat
		for i, format := range allFormats {
			if options>>(1+i)&1 == 1 {
				formats = append(formats, format)
			}
		}
		rendered := publish.Application(o, "finance", 1<<(options>>5), each(decisions), formats...)
		if rendered.Shards < 1 || rendered.Shards > publish.MaximumShards || rendered.Shards&(rendered.Shards-1) != 0 {
			t.Fatalf("%d shards", rendered.Shards)
		}
		if diff := cmp.Diff(expectedAnswers(decisions, rendered), answersIn(shardsIn(t, rendered))); diff != "" {
			t.Errorf("answers (-decided +read):\n%s", diff)
		}
		for n := range rendered.Shards {
			checkCanonical(t, rendered.Data(n)[document.AccessKey], &document.Application{})
		}
		for user, d := range decisions {
			checkUserDocument(t, o, user, d)
			break // any one of them
		}
	})
}

// randomWorld generates decisions with roles, ends and filters.
type randomWorld struct {
	random     *rand.Rand
	valueBytes int
	kinds      []*resolve.Decision
}

func (w *randomWorld) decisions(o *resolve.Organization, users int) map[string]*resolve.Decision {
	for range 1 + w.random.IntN(12) {
		w.kinds = append(w.kinds, w.decision(o))
	}
	decisions := map[string]*resolve.Decision{}
	for i := range users {
		d := w.kinds[w.random.IntN(len(w.kinds))]
		if w.random.IntN(50) == 0 {
			d = w.decision(o) // not shared with other users
		}
		decisions[fmt.Sprintf("%s%d@acme.example", []string{"user", "Zoë'", "山", "<&>"}[w.random.IntN(4)], i)] = d
	}
	return decisions
}

func (w *randomWorld) decision(o *resolve.Organization) *resolve.Decision {
	window := resolve.Window{}
	if w.random.IntN(3) == 0 {
		window.NotAfter = june.Add(time.Duration(1+w.random.IntN(1e9)) * time.Second)
	}
	role := []string{"Administrator", "Editor", "Viewer", "NoAccess"}[w.random.IntN(4)]
	sources := []*resolve.Source{{
		Name:         fmt.Sprintf("AccessGroup/acme/team-%d", w.random.IntN(5)),
		Applications: []resolve.ApplicationGrant{{Application: []string{"finance", "*"}[w.random.IntN(2)], Role: role, Window: window}},
	}}
	for range w.random.IntN(4) {
		sources = append(sources, &resolve.Source{
			Name: fmt.Sprintf("AccessGroup/acme/rows-%d", w.random.IntN(100)), WithoutPrivileges: true,
			Rows: []resolve.Rows{{Application: []string{"finance", "*"}[w.random.IntN(2)], Filter: w.filter()}},
		})
	}
	return decide(o, sources...)
}

func (w *randomWorld) filter() resolve.Filter {
	var alternatives []resolve.Alternative
	for range w.random.IntN(3) {
		var a resolve.Alternative
		for range 1 + w.random.IntN(2) {
			value := strings.Repeat(string(rune('a'+w.random.IntN(26))), w.random.IntN(w.valueBytes+1))
			a.AllOf = append(a.AllOf, resolve.Requirement{
				Attribute: "a", Operator: "In", Values: []string{value, `<"\&é>`[:1+w.random.IntN(3)]},
			})
		}
		alternatives = append(alternatives, a)
	}
	return resolve.NewFilter(alternatives)
}

// answer is what a document contains for one user. Absent users have none.
type answer struct {
	Role, Source string
	NotAfter     time.Time
	Filters      string // as JSON
}

// expectedAnswers returns what was decided, without what the document reports as left out.
func expectedAnswers(decisions map[string]*resolve.Decision, rendered *publish.ApplicationDocument) map[string]answer {
	expected := map[string]answer{}
	for user, d := range decisions {
		access := d.Application("finance")
		if !access.GivesAccess() || slices.Contains(rendered.LeftOut, user) {
			continue
		}
		filters := decidedFilters(access)
		if slices.Contains(rendered.WithoutRows, user) {
			filters = jsonOf(document.Nothing())
		}
		expected[user] = answer{access.Role, access.Source, access.NotAfter, filters}
	}
	return expected
}

func decidedFilters(access *resolve.Access) string {
	if access.Filters == nil {
		return "null"
	}
	var texts []string
	for _, filter := range access.Filters {
		texts = append(texts, filter.JSON())
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func answersIn(shards []document.Application) map[string]answer {
	read := map[string]answer{}
	for i := range shards {
		for user, entry := range shards[i].Users {
			read[user] = answer{entry.Role, entry.Source, entry.NotAfter, jsonOf(shards[i].FiltersOf(user))}
		}
	}
	return read
}

func jsonOf(v any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// checkCanonical checks that a document is the encoding of its type, and that its list of filters is sorted and has
// neither duplicates nor unused filters.
func checkCanonical(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(jsonOf(to), text); diff != "" {
		t.Errorf("text (-encoding +got):\n%s", diff)
	}
	var filters []document.Filter
	used := map[int]bool{}
	use := func(places []int) {
		for _, place := range places {
			used[place] = true
		}
	}
	switch d := to.(type) {
	case *document.Application:
		filters = d.Filters
		for _, entry := range d.Users {
			use(entry.Filters)
		}
	case *document.User:
		filters = d.Filters
		use(d.DefaultFilters)
		for _, entry := range d.Applications {
			use(entry.Filters)
		}
	}
	if len(used) != len(filters) {
		t.Errorf("%d filters in the list, %d of them are used", len(filters), len(used))
	}
	for i := range filters[min(1, len(filters)):] {
		if jsonOf(filters[i]) >= jsonOf(filters[i+1]) {
			t.Errorf("filter %d is not before filter %d", i, i+1)
		}
	}
}

// checkUserDocument compares the document of a user with the decision.
func checkUserDocument(t *testing.T, o *resolve.Organization, user string, d *resolve.Decision) {
	t.Helper()
	data, whole := publish.FitUserData(publish.User(o, user, d, []string{"finance", "sales"}))
	text := data[document.AccessKey]
	checkCanonical(t, text, &document.User{})
	documents, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	read := documents.Users[0]
	if !whole {
		if size := sizeOf(data); size > publish.MaximumDataBytes {
			t.Errorf("the document of %s has %d bytes", user, size)
		}
		return
	}
	for application, access := range map[string]*resolve.Access{
		"finance": d.Application("finance"), "sales": d.Application("sales"), "other": &d.Default,
	} {
		want, role := decidedFilters(access), read.DefaultRole
		if !access.GivesAccess() {
			want = jsonOf(document.Nothing())
		}
		if entry, has := read.Applications[application]; has {
			role = entry.Role
		}
		if got := jsonOf(read.FiltersOf(application)); got != want || role != access.Role {
			t.Errorf("%s in %s: role %s, filters %s; decided: %s, %s", user, application, role, got, access.Role, want)
		}
	}
}

// restrictive returns an organization in which every filter counts by itself.
func restrictive() *resolve.Organization {
	rules := *organization().Rules()
	rules.Strategy = resolve.MostRestrictive
	return resolve.NewOrganization(rules)
}

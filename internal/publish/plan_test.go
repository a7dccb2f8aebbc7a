package publish_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

// changingWorld is an application whose users and settings change step by step.
type changingWorld struct {
	randomWorld

	plan      publish.Plan
	o         *resolve.Organization
	minimum   int
	formats   []accessv1alpha1.PublishFormat
	decisions map[string]*resolve.Decision
	touched   publish.ShardSet
	joined    int
}

func newChangingWorld(seed uint64) *changingWorld {
	return &changingWorld{
		randomWorld: randomWorld{random: rand.New(rand.NewPCG(seed, 7)), valueBytes: 40},
		o:           organization(), minimum: 1, decisions: map[string]*resolve.Decision{},
	}
}

func (w *changingWorld) input() *publish.Input {
	return &publish.Input{
		Organization: w.o, Application: "finance", MinimumShards: w.minimum, Formats: w.formats,
		Decisions: maps.All(w.decisions),
	}
}

func (w *changingWorld) set(user string, d *resolve.Decision) {
	w.touched |= publish.ShardOf(user)
	if d == nil {
		delete(w.decisions, user)
	} else {
		w.decisions[user] = d
	}
}

// join adds users with names of that many bytes; if crowded is set, all belong to one shard of [publish.MaximumShards].
func (w *changingWorld) join(users, nameBytes int, crowded bool) {
	for range users {
		for {
			w.joined++
			user := fmt.Sprintf("%d-%s", w.joined, strings.Repeat("x", nameBytes))
			if !crowded || shardOf(user, publish.MaximumShards) == 3 {
				w.set(user, w.randomWorld.decision(w.o))
				break
			}
		}
	}
}

// some returns up to that many users.
func (w *changingWorld) some(count int) []string {
	users := slices.Sorted(maps.Keys(w.decisions))
	w.random.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	return users[:min(count, len(users))]
}

// step makes a random change and returns its description.
func (w *changingWorld) step() string {
	w.touched = 0
	few := 1 + w.random.IntN(5)
	switch w.random.IntN(14) {
	case 0:
		w.join(60+w.random.IntN(200), 3000, false)
		return "many join"
	case 1:
		w.join(40+w.random.IntN(40), 15_000, true)
		return "many of one shard join"
	case 2, 3:
		w.join(few, w.random.IntN(100), false)
		return "some join"
	case 4:
		for _, user := range w.some(w.random.IntN(len(w.decisions) + 1)) {
			w.set(user, nil)
		}
		return "many leave"
	case 5:
		for _, user := range w.some(few) {
			w.set(user, nil)
		}
		return "some leave"
	case 6:
		shared := w.randomWorld.decision(w.o)
		for _, user := range w.some(10 * few) {
			w.set(user, shared)
		}
		return "some share their filters"
	case 7:
		for _, user := range w.some(2) {
			w.set(user, restricted(w.o, "Viewer", 1+w.random.IntN(20), 1+w.random.IntN(300)))
		}
		return "filters are large"
	case 8:
		w.formats = allFormats[w.random.IntN(len(allFormats)):]
		return "the formats change"
	case 9:
		w.minimum = 1 << w.random.IntN(8)
		return "the least number of shards changes"
	case 10:
		rules := *w.o.Rules()
		rules.ApplicationRoles = slices.Clone(rules.ApplicationRoles)
		rules.ApplicationRoles[1].Permissions = []string{fmt.Sprintf("permission-%d", w.random.IntN(1000))}
		w.o = resolve.NewOrganization(rules)
		return "the rules change"
	case 11:
		w.touched = publish.ShardSet(w.random.Uint64())
		return "shards are touched in which nothing changes"
	default:
		for _, user := range w.some(few) {
			w.set(user, w.randomWorld.decision(w.o))
		}
		return "some change"
	}
}

// check renders the touched shards and compares the document with a full rendering. It returns the number of shards
// that were taken from the plan.
func (w *changingWorld) check(t *testing.T, what string) (kept int) {
	t.Helper()
	got := w.plan.Render(w.input(), w.touched)
	want := publish.Application(w.o, "finance", w.minimum, each(w.decisions), w.formats...)
	if diff := cmp.Diff(figuresOf(want), figuresOf(got)); diff != "" {
		t.Fatalf("%s: the document (-whole +got):\n%s", what, diff)
	}
	for n := range want.Shards {
		if got.Digest(n) != want.Digest(n) {
			t.Fatalf("%s: shard %d of %d has another digest than the whole document", what, n, want.Shards)
		}
		if !got.IsRendered(n) {
			kept++
			continue
		}
		if data := got.Data(n); !maps.Equal(data, want.Data(n)) || publish.Digest(data) != got.Digest(n) {
			t.Fatalf("%s: shard %d of %d has other data than the whole document", what, n, want.Shards)
		}
	}
	return kept
}

// figures are the numbers that a document reports.
type figures struct {
	Shards, Users, Omitted, Bytes int
	UsersByRole                   map[string]int
	LeftOut, WithoutRows          []string
	WithoutPermissions, Grows     bool
}

func figuresOf(d *publish.ApplicationDocument) figures {
	return figures{
		d.Shards, d.Users, d.Omitted, d.Bytes, d.UsersByRole, d.LeftOut, d.WithoutRows, d.WithoutPermissions, d.Grows(),
	}
}

// FuzzPlan changes a document at random and checks that rendering only the touched shards gives the same document as
// rendering all of them.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(2) {
		f.Add(100+seed, uint8(10)) // TestPlanSeesEveryCase takes many more steps
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		w := newChangingWorld(seed)
		w.check(t, "nobody")
		for range steps {
			w.check(t, w.step())
		}
	})
}

// TestPlanSeesEveryCase makes many of the random steps of FuzzPlan and checks that they reach the cases that they are
// meant to reach.
func TestPlanSeesEveryCase(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(3) {
		w := newChangingWorld(seed)
		shards := 1
		for range 40 {
			kept := w.check(t, w.step())
			now := publish.Application(w.o, "finance", w.minimum, each(w.decisions), w.formats...)
			for what, reached := range map[string]bool{
				"grows": now.Shards > shards, "shrinks": now.Shards < shards, "left out": now.LeftOut != nil,
				"without rows": now.WithoutRows != nil, "kept with users left out": kept > 0 && now.LeftOut != nil,
				"kept with users without rows": kept > 0 && now.WithoutRows != nil, "omitted": kept > 0 && now.Omitted > 0,
				"some are kept and others rendered": kept > 0 && kept < now.Shards,
			} {
				seen[what] = seen[what] || reached
			}
			shards = now.Shards
		}
	}
	for what, reached := range seen {
		if !reached {
			t.Errorf("no step leads to: %s", what)
		}
	}
}

// TestPlanRendersTouchedShardsOnly checks that shards without touched users are not rendered, whatever their decisions
// are.
func TestPlanRendersTouchedShardsOnly(t *testing.T) {
	o := organization()
	editor, viewer := holding(o, "Editor", resolve.Window{}), holding(o, "Viewer", resolve.Window{})
	w := newChangingWorld(1)
	w.minimum = 8
	for i := range 400 {
		w.set(fmt.Sprintf("user-%d", i), editor)
	}
	for n, rendered := range renderedBy(w, 0) {
		if !rendered {
			t.Errorf("the first rendering leaves shard %d out", n)
		}
	}
	user := "user-7"
	w.set(user, viewer)
	for n, rendered := range renderedBy(w, publish.ShardOf(user)) {
		if want := n == shardOf(user, 8); rendered != want {
			t.Errorf("shard %d is rendered: %t, want %t", n, rendered, want)
		}
	}
	for n, rendered := range renderedBy(w, 0) {
		if rendered {
			t.Errorf("shard %d is rendered although nobody was touched", n)
		}
	}
	for n, rendered := range renderedBy(w, publish.ShardAt(5, 8)) {
		if want := n == 5; rendered != want {
			t.Errorf("shard %d is rendered: %t, want %t", n, rendered, want)
		}
	}
}

func renderedBy(w *changingWorld, touched publish.ShardSet) []bool {
	document := w.plan.Render(w.input(), touched)
	rendered := make([]bool, document.Shards)
	for n := range rendered {
		rendered[n] = document.IsRendered(n)
	}
	return rendered
}

// BenchmarkTouched renders the document of an application with 10,000 users after the access of some of them has
// changed.
func BenchmarkTouched(b *testing.B) {
	o := organization()
	var kinds []*resolve.Decision
	for i := range 10 {
		kinds = append(kinds, decide(o, &resolve.Source{
			Name:         fmt.Sprintf("AccessGroup/acme/group-%d", i),
			Applications: []resolve.ApplicationGrant{{Application: "finance", Role: []string{"Editor", "Viewer"}[i%2]}},
		}))
	}
	users, decisions := make([]string, 10_000), make([]*resolve.Decision, 10_000)
	for i := range users {
		users[i], decisions[i] = fmt.Sprintf("user-%05d@acme.example", i), kinds[i%len(kinds)]
	}
	in := &publish.Input{
		Organization: o, Application: "finance", MinimumShards: 1,
		Decisions: func(yield func(string, *resolve.Decision) bool) {
			for i, user := range users {
				if !yield(user, decisions[i]) {
					return
				}
			}
		},
	}
	for _, touched := range []int{1, 50, 500, 5000} {
		b.Run(fmt.Sprintf("%d/whole", touched), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var plan publish.Plan // without a previous rendering
				plan.Render(in, publish.EveryShard)
			}
		})
		b.Run(fmt.Sprintf("%d/touched", touched), func(b *testing.B) {
			var plan publish.Plan
			plan.Render(in, 0)
			rendered, step := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				var set publish.ShardSet
				step++
				for i := range touched {
					at := (i + step) % len(users)
					decisions[at] = kinds[(at+step)%len(kinds)]
					set |= publish.ShardOf(users[at])
				}
				document := plan.Render(in, set)
				rendered = 0
				for n := range document.Shards {
					if document.IsRendered(n) {
						rendered++
					}
				}
			}
			b.ReportMetric(float64(rendered), "shards")
		})
	}
}

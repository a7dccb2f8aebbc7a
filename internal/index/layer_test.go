package index_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// TestALayerLeavesTheIndexAlone changes layers at random. Each index must keep giving the answers that it gave
// when it was made. In the end, each layer must give the same answers as a new layer with the same objects.
func TestALayerLeavesTheIndexAlone(t *testing.T) {
	for seed := range uint64(10) {
		w := rostertest.NewWorld(seed, 31)
		options := index.Options{SystemNamespace: rostertest.System}
		layer := index.New(options)
		objects := map[string]client.Object{}
		type frozen struct {
			index *index.Index
			says  string
		}
		var kept []frozen
		for step := range 60 {
			o := w.Object()
			if w.Chance(10) {
				o = w.Namespace()
			}
			o.SetResourceVersion(strconv.Itoa(step))
			key := rostertest.Key(o)
			if old := objects[key]; old != nil && w.Chance(40) {
				must(t, layer.Remove(old))
				delete(objects, key)
			} else {
				must(t, layer.Set(o))
				objects[key] = o
			}
			if w.Chance(30) {
				x := layer.Freeze()
				kept = append(kept, frozen{x, says(x)})
				other := x.Layer()
				for range 3 {
					must(t, other.Set(w.Object()))
				}
			}
			for _, f := range kept {
				if now := says(f.index); now != f.says {
					t.Fatalf("seed %d, step %d: an index has changed:\n%s\n%s", seed, step, f.says, now)
				}
			}
		}
		fresh := index.New(options)
		for _, o := range objects {
			must(t, fresh.Set(o))
		}
		if got, want := says(layer.Freeze()), says(fresh.Freeze()); got != want {
			t.Fatalf("seed %d: the layer says\n%s\na new one\n%s", seed, got, want)
		}
	}
}

// says returns the answers of an index as text.
func says(x *index.Index) string {
	text := ""
	for at, group := range x.Reviews(time.Time{}) {
		text += fmt.Sprintln(at, group)
	}
	for name, n := range x.Namespaces() {
		if n.IsEmpty() {
			continue
		}
		text += fmt.Sprintln(name, x.IsOrganization(n), x.Applications(n), n.HasDeclared(), len(x.Candidates(n)), n.Labels())
		for o := range n.Objects() {
			text += fmt.Sprintln(o, x.Lookup(o).GetResourceVersion())
		}
		for group := range n.Groups() {
			text += fmt.Sprintln(group, n.TransitiveMembers(group), len(n.SourcesAbove(group)))
			for given := range n.Group(group).Source.Grants(n.Place()) {
				text += fmt.Sprintln(given.Scope, given.Application, given.Role, given.Window)
			}
		}
		for _, user := range rostertest.Users {
			var walk index.Walk
			for _, m := range walk.Memberships(n, user) {
				text += fmt.Sprintln(user, m.Group.Object.Name, m.Windows)
			}
			text += fmt.Sprintln(user, n.Paths(user), n.Ignored(user))
		}
	}
	return text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

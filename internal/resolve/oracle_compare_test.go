package resolve_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// worlds is the number of random worlds for each property. With this number, the rarest combinations occur several
// times.
const worlds = 20_000

// eachWorld calls check with many random worlds and an instant among their windows.
func eachWorld(t *testing.T, seed uint64, check func(t *testing.T, w world, now time.Time)) {
	t.Helper()
	count := worlds
	if testing.Short() {
		count /= 20
	}
	for i := range count {
		d := rand.New(rand.NewPCG(seed, uint64(i)))
		check(t, randomWorld(d), at(d.IntN(8)))
		if t.Failed() {
			t.Fatalf("in world %d of seed %d", i, seed)
		}
	}
}

func TestTheEngineAgreesWithTheOracle(t *testing.T) {
	eachWorld(t, 1, compareWithOracle)
}

func compareWithOracle(t *testing.T, w world, now time.Time) {
	t.Helper()
	d := w.engine(now)
	if diff := cmp.Diff(w.resolve(now, applications), answerOf(t, &d), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("oracle (-), engine (+):\n%s\nnow %s\nworld %s", diff, now, asJSON(t, map[string]any{
			"rules": w.rules, "sources": sourcesOf(w), "bars": w.bars,
		}))
	}
}

func sourcesOf(w world) []any {
	var all []any
	for _, h := range w.held {
		all = append(all, h.source, h.windows)
	}
	return all
}

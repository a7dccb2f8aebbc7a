package index

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMapCopies changes copies of maps at random and compares each with an ordinary map.
func TestMapCopies(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		type pair struct {
			shared Map[int]
			plain  map[string]int
		}
		all := []*pair{{plain: map[string]int{}}}
		for range 400 {
			p := all[random.IntN(len(all))]
			key := fmt.Sprint(random.IntN(60))
			switch random.IntN(10) {
			case 0:
				if len(all) < 8 {
					copied := &pair{p.shared, maps.Clone(p.plain)}
					p.shared.Share()
					copied.shared.Share()
					all = append(all, copied)
				}
			case 1, 2, 3:
				p.shared.Delete(key)
				delete(p.plain, key)
			default:
				value := random.Int()
				p.shared.Set(key, value)
				p.plain[key] = value
			}
		}
		for i, p := range all {
			if diff := cmp.Diff(p.plain, maps.Collect(p.shared.All())); diff != "" {
				t.Fatalf("seed %d, map %d (-plain +shared):\n%s", seed, i, diff)
			}
			if !slices.Equal(slices.Sorted(maps.Keys(p.plain)), slices.Collect(p.shared.Keys())) {
				t.Fatalf("seed %d, map %d: the keys are not sorted", seed, i)
			}
			if p.shared.Len() != len(p.plain) {
				t.Fatalf("seed %d, map %d: length %d, want %d", seed, i, p.shared.Len(), len(p.plain))
			}
			for key, value := range p.plain {
				if p.shared.Get(key) != value {
					t.Fatalf("seed %d, map %d: %s is %d, want %d", seed, i, key, p.shared.Get(key), value)
				}
			}
		}
	}
}

// TestMapIsReadAndCopiedByMany reads one map and changes copies of it in several goroutines, for the race
// detector.
func TestMapIsReadAndCopiedByMany(t *testing.T) {
	var original Map[int]
	for i := range 1000 {
		original.Set(fmt.Sprint(i), i)
	}
	original.Share()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 100 {
				copied := original
				copied.Set(fmt.Sprint(i), g)
				copied.Delete(fmt.Sprint(i + 1))
				if original.Get(fmt.Sprint(i)) != i || original.Get(fmt.Sprint(i+1)) != i+1 {
					t.Error("the original has changed")
				}
			}
		})
	}
	all.Wait()
}

func TestCountHasNoZeros(t *testing.T) {
	var c Count
	for _, step := range []struct{ by, want int }{{1, 1}, {2, 3}, {-3, 0}, {-1, -1}, {1, 0}} {
		if got := c.Add("a", step.by); got != step.want {
			t.Errorf("adding %d: got %d, want %d", step.by, got, step.want)
		}
	}
	if c.Len() != 0 {
		t.Errorf("%d keys are left", c.Len())
	}
}

func TestLinks(t *testing.T) {
	var l links
	for _, to := range []string{"b", "a", "c"} {
		l.put("from", to, true)
	}
	l.put("from2", "d", true)
	l.put("from", "b", false)
	l.put("other", "b", false)
	if got := slices.Collect(l.from("from")); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %q", got)
	}
	for range l.from("from") {
		break // an iteration may stop early
	}
}

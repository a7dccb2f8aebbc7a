package resolve_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzResolve builds a world from the bytes. It compares the engine with the oracle, with the same world in
// reverse order, and with the engine under a small budget.
func FuzzResolve(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{1}, 200))
	f.Add(bytes.Repeat([]byte{1, 2, 3, 5, 7, 11}, 100))
	for seed := range uint64(6) {
		d := rand.New(rand.NewPCG(seed, 0))
		data := make([]byte, 400)
		for i := range data {
			data[i] = byte(d.IntN(256))
		}
		f.Add(data)
	}
	reverse := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &byteDice{slices.Clone(data)}
		now := at(d.IntN(8))
		w := randomWorld(d)
		compareWithOracle(t, w, now)
		checkOrder(t, w, now, reverse)
		checkRefining(t, w, now, d, false)
	})
}

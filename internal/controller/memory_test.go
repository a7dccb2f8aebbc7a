package controller

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// TestLargestGroupFitsIntoMemory publishes for 500 members of a group with the largest legal row-level filters. The
// manager may use 1 GiB (config/manager), and the garbage collector lets the heap grow to twice the live heap.
func TestLargestGroupFitsIntoMemory(t *testing.T) {
	const most = 512 << 20
	w := newWorld(t)
	writes, peak := 0, uint64(0)
	w.refuse = func(client.Object) error {
		if writes++; writes%50 == 0 {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapInuse)
		}
		return nil
	}
	members := make([]string, 500)
	for i := range members {
		members[i] = fmt.Sprintf("{user: user-%d@acme.example}", i)
	}
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.declare(&accessv1alpha1.AccessGroup{}, "team", fmt.Sprintf(
		"{members: [%s], applicationAccess: [{application: red, role: Editor}], %s}", strings.Join(members, ", "), rows("x", 33)))
	t.Logf("%d writes, at most %d MiB in use", writes, peak>>20)
	if peak == 0 || peak > most {
		t.Errorf("%d MiB are in use while the documents are written, more than %d MiB", peak>>20, most>>20)
	}
}

package feed

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// TestViewIncludesARunningSettlement asks for the view during a settlement. The changes that are being settled are no
// longer pending, but subscribers do not know them yet.
func TestViewIncludesARunningSettlement(t *testing.T) {
	f := newFeed()
	f.Settle()
	begun, asked := make(chan struct{}), make(chan struct{})
	var noted atomic.Bool
	f.Settled = func(*Settlement) {
		close(begun)
		<-asked
		for range 1000 {
			runtime.Gosched()
		}
		noted.Store(true)
	}
	f.Handler().OnAdd(group("one", "1", 1), false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Settle()
	}()
	<-begun
	close(asked)
	f.View()
	if !noted.Load() {
		t.Error("a view was returned before the settlement was noted")
	}
	<-done
}

package v1alpha1

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// soak is how long TestAttackRandomReviews runs. For example:
//
//	go test -race -timeout=2h -run=TestAttackRandomReviews ./internal/webhook/v1alpha1 -soak=1h -v
var soak = flag.Duration("soak", 2*time.Second, "how long random reviews are posted")

// mostGrowth is the normal variation in the heap size of a process.
const mostGrowth = 32 << 20

// soaking is a world whose webhook gets random reviews.
type soaking struct {
	handler *Handler
	roster  *roster.Roster
	objects map[string]client.Object
	version int
	start   time.Time
}

func newSoaking(t *testing.T, w *rostertest.World) *soaking {
	t.Helper()
	s := &soaking{objects: map[string]client.Object{}, start: w.Start}
	for range 60 {
		s.put(w.Object())
	}
	s.handler, s.roster = realHandlerAt(t, s.start, slices.Collect(maps.Values(s.objects))...)
	s.handler.patience = 5 * time.Minute
	return s
}

// put creates or replaces an object, and sets what the API server sets.
func (s *soaking) put(o client.Object) client.Object {
	s.version++
	o.SetResourceVersion(strconv.Itoa(s.version))
	o.SetUID(types.UID("uid-" + rostertest.Key(o)))
	o.SetGeneration(int64(s.version))
	s.objects[rostertest.Key(o)] = o
	return o
}

// change changes an object permanently, as the watch would report it.
func (s *soaking) change(t *testing.T, w *rostertest.World) {
	t.Helper()
	o := w.Object()
	if old := s.objects[rostertest.Key(o)]; old != nil && w.Chance(40) {
		if err := s.roster.Remove(old); err != nil {
			t.Fatal(err)
		}
		delete(s.objects, rostertest.Key(o))
	} else if err := s.roster.Set(s.put(o)); err != nil {
		t.Fatal(err)
	}
	s.roster.Settle(s.start)
}

// review returns a review that the API server would send, or a forged one.
func (s *soaking) review(t *testing.T, w *rostertest.World) []byte {
	t.Helper()
	made := w.Object()
	old := s.objects[rostertest.Key(made)]
	if old == nil || w.Chance(30) {
		old = w.Another(made)
	}
	review := updating(t, old, made)
	review.UserInfo.Username = rostertest.Pick(w, rostertest.Users)
	switch w.IntN(3) {
	case 0:
		review.Operation, review.OldObject = admissionv1.Create, k8sruntime.RawExtension{}
	case 1:
		made.SetUID(old.GetUID())
		made.SetGeneration(old.GetGeneration() + 1)
		review.Object = raw(t, made)
	default:
		review.Operation, review.Object = admissionv1.Delete, k8sruntime.RawExtension{}
	}
	for w.Chance(50) {
		forge(t, w, &review, made, old)
	}
	text := encoded(t, &review)
	if w.Chance(3) { // no review at all
		at := w.IntN(len(text))
		text = append(text[:at:at], bytes.Repeat([]byte{byte(w.IntN(256))}, w.IntN(100))...)
	}
	return text
}

// forge turns the review into one that no API server would send.
func forge(t *testing.T, w *rostertest.World, review *admission.Request, made, old client.Object) {
	t.Helper()
	other := w.Object()
	which := rostertest.Pick(w, []*k8sruntime.RawExtension{&review.Object, &review.OldObject})
	object := rostertest.Pick(w, []client.Object{made, old, other}).DeepCopyObject().(client.Object)
	switch w.IntN(9) {
	case 0:
		*which = raw(t, other)
	case 1:
		object.SetName(other.GetName())
		*which = raw(t, object)
	case 2:
		object.SetNamespace("unknown-" + strconv.Itoa(w.IntN(10_000)))
		*which = raw(t, object)
		review.Namespace = rostertest.Pick(w, []string{object.GetNamespace(), review.Namespace})
	case 3:
		object.SetUID(types.UID(strconv.Itoa(w.IntN(1000))))
		object.SetGeneration(int64(w.IntN(5)) - 1)
		*which = raw(t, object)
	case 4:
		if group, is := object.(*accessv1alpha1.AccessGroup); is {
			group.Spec.Members = nil
			*which = raw(t, withMembersOf(group, w.IntN(8000)))
		}
	case 5:
		review.Name = rostertest.Pick(w, []string{"", "other", other.GetName()})
	case 6:
		review.Operation = rostertest.Pick(w, []admissionv1.Operation{
			admissionv1.Create, admissionv1.Update, admissionv1.Delete, admissionv1.Connect, "",
		})
	case 7:
		review.Kind = kindOf(other)
	case 8:
		var content map[string]any
		if json.Unmarshal(which.Raw, &content) == nil {
			content["spec"] = map[string]any{"unknown": w.IntN(100), "members": w.IntN(2)}
			*which = raw(t, content)
		}
	}
}

func withMembersOf(group *accessv1alpha1.AccessGroup, count int) *accessv1alpha1.AccessGroup {
	for i := range count {
		group.Spec.Members = append(group.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(fmt.Sprintf("user-%d", i))})
	}
	return group
}

// TestAttackRandomReviews posts random reviews over TLS, real and forged, concurrently, while objects change.
// After each round the state of the roster equals the state before it. At the end it equals that of a newly built
// roster, and the memory has not grown.
func TestAttackRandomReviews(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := rostertest.NewWorld(seed, 31)
	s := newSoaking(t, w)
	server := serve(t, s.handler, DefaultLimits())
	ctx, cancel := context.WithTimeout(t.Context(), *soak)
	defer cancel()
	answers, first := map[int]int{}, uint64(0)
	for round := 0; ctx.Err() == nil || round < 2; round++ {
		s.change(t, w)
		was := rostertest.Dump(s.roster)
		var mu sync.Mutex
		var posts sync.WaitGroup
		for range 40 {
			body := s.review(t, w)
			posts.Go(func() {
				got, err := send(t.Context(), server, bytes.NewReader(body))
				if err != nil {
					t.Errorf("no answer: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				status := got.status
				if got.answer != nil {
					status = int(got.answer.Result.Code)
				}
				if answers[status]++; status >= 500 {
					t.Errorf("got %d %+v to %.2000s", got.status, got.answer, body)
				}
			})
		}
		posts.Wait()
		if diff := cmp.Diff(was, rostertest.Dump(s.roster)); diff != "" {
			t.Fatalf("round %d: reviews left a trace (-before +after):\n%s", round, diff)
		}
		if round == 100 {
			first = heap()
		}
	}
	fresh := roster.New(roster.Options{SystemNamespace: rostertest.System})
	for _, o := range s.objects {
		if err := fresh.Set(o); err != nil {
			t.Fatal(err)
		}
	}
	fresh.Settle(s.start)
	if diff := cmp.Diff(rostertest.DumpLasting(fresh), rostertest.DumpLasting(s.roster)); diff != "" {
		t.Errorf("the roster differs from a newly built one (-new +kept):\n%s", diff)
	}
	if answers[200] == 0 || answers[400] == 0 {
		t.Errorf("not all kinds of answers were given: %v", answers)
	}
	last := heap()
	t.Logf("answers by status: %v; heap in use from %d KiB to %d KiB", answers, first>>10, last>>10)
	if first > 0 && last > first+mostGrowth {
		t.Errorf("the heap has grown from %d to %d bytes", first, last)
	}
}

// heap returns the number of heap bytes in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

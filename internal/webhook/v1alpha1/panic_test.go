package v1alpha1

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// panicking is a context that panics when a preview checks whether it has ended. The panic occurs in the middle of
// the preview, and in every goroutine that the preview has started.
type panicking struct{ context.Context }

func (panicking) Err() error { panic("a defect of a preview") }

func withPanic(ctx context.Context) context.Context { return panicking{ctx} }

// TestPreviewThatPanics posts reviews whose previews panic beside other reviews. A review whose preview panics
// gets status 500, and every other review is answered. The roster stays as it is, and takes in the next change.
func TestPreviewThatPanics(t *testing.T) {
	staff := groupOf("acme", "staff", "ana", "Viewer")
	h, r := realHandler(t, staff)
	h.patience = 5 * time.Minute // the machine of a test may be slow
	judge := h.Judge
	h.Judge = func(ctx context.Context, request *validation.Request) (*validation.Judgement, error) {
		if request.New.GetName() != staff.Name {
			ctx = withPanic(ctx)
		}
		return judge(ctx, request)
	}
	server := serve(t, h, DefaultLimits())
	was := rostertest.Dump(r)
	edits := map[string]struct {
		old, made client.Object
		want      int32
	}{
		"one member": {
			groupOf("acme", "panics", "ana", "Viewer"), groupOf("acme", "panics", "ben", "Viewer"), http.StatusInternalServerError,
		},
		"a thousand members": { // several goroutines look at them
			groupOf("acme", "panics", "ana", "Viewer"), withMembersOf(groupOf("acme", "panics", "ana", "Viewer"), 1000),
			http.StatusInternalServerError,
		},
		"no panic":                     {staff, groupOf("acme", "staff", "ben", "Viewer"), http.StatusOK},
		"a thousand members, no panic": {staff, withMembersOf(groupOf("acme", "staff", "ana", "Viewer"), 1000), http.StatusOK},
	}
	// More reviews than are judged at the same time: a review whose preview panics must free its place.
	const each = 50
	var posts sync.WaitGroup
	for name, edit := range edits {
		review := updating(t, edit.old, edit.made)
		body := encoded(t, &review)
		for range each {
			posts.Go(func() {
				got, err := send(t.Context(), server, bytes.NewReader(body))
				if err != nil {
					t.Errorf("%s: no answer: %v", name, err)
					return
				}
				if got.answer == nil || got.answer.Result.Code != edit.want {
					t.Errorf("%s: got %s, want an answer of status %d", name, got.text, edit.want)
				}
			})
		}
	}
	posts.Wait()
	if diff := cmp.Diff(was, rostertest.Dump(r)); diff != "" {
		t.Errorf("the roster has changed (-before +after):\n%s", diff)
	}
	if err := r.Set(groupOf("acme", "staff", "cat", "Viewer")); err != nil {
		t.Fatal(err)
	}
	if changes := r.Settle(now); len(changes.Users) != 2 {
		t.Errorf("one member left and one joined, but %d users have changed: %+v", len(changes.Users), changes.Users)
	}
}

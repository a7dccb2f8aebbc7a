package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/roster"
)

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func TestObjectWaitsForItsDocuments(t *testing.T) {
	group := roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "france"}
	other := roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "germany"}
	application := Output{ApplicationDocument, "acme", "finance"}
	user := Output{UserDocument, "acme", "ana"}
	tr := newTracker()
	tr.touch(application, touch{causes: []roster.Object{group}}, june)
	tr.touch(user, touch{causes: []roster.Object{group}}, june)

	rendered := tr.begin(application)
	tr.touch(application, touch{causes: []roster.Object{other}}, june.Add(time.Second)) // after that rendering

	free, took := tr.finish(application, rendered, june.Add(3*time.Second))
	if len(free.objects) != 0 || took != 3*time.Second {
		t.Errorf("with a document left: free %v, took %s", free, took)
	}
	if tr.openSince(application).IsZero() {
		t.Error("a document touched after its rendering counts as finished")
	}
	if free, _ := tr.finish(user, tr.begin(user), june.Add(4*time.Second)); !cmp.Equal(free.objects, []roster.Object{group}) {
		t.Errorf("with the last document: free %v, want the group", free)
	}
	if !tr.waitingSince(group).IsZero() || tr.waitingSince(other).IsZero() {
		t.Error("the group still waits, or the other does not")
	}
	if free, _ := tr.finish(application, tr.begin(application), june.Add(5*time.Second)); !cmp.Equal(free.objects, []roster.Object{other}) {
		t.Errorf("with the later rendering: free %v, want the other", free)
	}
	if _, took := tr.finish(application, tr.begin(application), june.Add(9*time.Second)); took != 0 {
		t.Errorf("nothing was open, but it took %s", took)
	}
}

func TestBlockedDocumentDelaysNoObject(t *testing.T) {
	group := roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "france"}
	user := Output{UserDocument, "acme", "ana"}
	why := errors.New("exceeded quota")
	tr := newTracker()
	tr.touch(user, touch{causes: []roster.Object{group}}, june)
	if free, attempts := tr.block(user, tr.begin(user), why, nil, june); !cmp.Equal(free.objects, []roster.Object{group}) || attempts != 1 {
		t.Errorf("free %v after %d attempts, want the group after one", free, attempts)
	}
	if _, attempts := tr.block(user, tr.begin(user), why, nil, june); attempts != 2 {
		t.Errorf("%d attempts, want 2", attempts)
	}
	if diff := cmp.Diff([]Output{user}, tr.blocked()); diff != "" {
		t.Errorf("blocked (-want +got):\n%s", diff)
	}
	tr.finish(user, tr.begin(user), june)
	if diff := cmp.Diff([]Output(nil), tr.blocked(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("blocked after it was written (-want +got):\n%s", diff)
	}
}

func TestNoStatusBeforeAllDocumentsAreChecked(t *testing.T) {
	tr := newTracker()
	application := Output{ApplicationDocument, "acme", "finance"}
	tr.touch(application, touch{isResync: true, awaited: true}, june)
	user := Output{UserDocument, "acme", "ana"}
	tr.touch(user, touch{isResync: true, awaited: true}, june)
	tr.touch(user, touch{isResync: true, awaited: true}, june)
	if free, _ := tr.finish(user, tr.begin(user), june); free.namespace {
		t.Error("the statuses are released with the first document")
	}
	for namespace, want := range map[string]bool{"acme": true, "globex": false, "": true} {
		if got := !tr.lastChecked(namespace).IsZero(); got != want {
			t.Errorf("sweeping %q: %t", namespace, got)
		}
	}
	if free, _ := tr.finish(application, tr.begin(application), june); !free.namespace || len(free.objects) > 0 {
		t.Errorf("free %+v, want the statuses of the namespace", free)
	}
	if !tr.lastChecked("").IsZero() {
		t.Error("it does not end")
	}
}

func TestStateOfUnwantedDocumentsIsDropped(t *testing.T) {
	tr := newTracker()
	user := Output{UserDocument, "acme", "ana"}
	tr.touch(user, touch{isResync: true}, june)
	tr.forget(user)
	if tr.begin(user) == 0 {
		t.Error("a document that is not finished is forgotten")
	}
	tr.finish(user, tr.begin(user), june)
	tr.forget(user)
	if len(tr.documents) != 0 {
		t.Error("the state of a finished document that should not exist is kept")
	}
}

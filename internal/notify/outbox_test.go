package notify

import (
	"errors"
	"testing"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// idleOutbox returns an outbox that delivers nothing, with a job for each ID.
func idleOutbox(t *testing.T, jobs ...*job) *outbox {
	t.Helper()
	w := newWorld(t)
	w.set(policy(acme, byMail), group("france", "finance", "Viewer", "ana@acme.example"))
	w.start()
	o := newOutbox(w.n, ChannelKey{acme, "mail"})
	for _, j := range jobs {
		j.organization, j.user, j.duty.Channel = acme, "ana@acme.example", o.key
		o.add(j)
	}
	return o
}

func TestAnOutboxSkipsWithdrawnNotices(t *testing.T) {
	o := idleOutbox(t, &job{duty: duty{ID: "a"}}, &job{duty: duty{ID: "b"}}, &job{duty: duty{ID: "c"}})
	if !o.withdraw("b") || o.withdraw("b") || o.withdraw("unknown") {
		t.Error("b is withdrawn once")
	}
	if j := o.first(); j == nil || j.duty.ID != "a" || o.withdraw("a") {
		t.Errorf("got %v, which is being sent", j)
	}
	if got := o.left(); got != 2 {
		t.Errorf("%d are left", got)
	}
	o.finish(o.jobs["a"], delivered, nil)
	if j := o.first(); j == nil || j.duty.ID != "c" {
		t.Errorf("got %v, want c", j)
	}
}

func TestDelaysContinueAfterARestart(t *testing.T) {
	o := idleOutbox(t, &job{duty: duty{ID: "new"}}, &job{duty: duty{ID: "old", Tries: 3}}, &job{duty: duty{ID: "oldest", Tries: 90}})
	for id, want := range map[string]time.Duration{"new": firstRetry, "old": 8 * firstRetry, "oldest": lastRetry} {
		if got := o.retries.When(id); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
}

// The notice stays in the outbox, can be withdrawn again, and the attempt is recorded.
func TestARetriedNoticeWaits(t *testing.T) {
	o := idleOutbox(t, &job{duty: duty{ID: "a"}})
	o.retry(o.first(), errors.New("try later"))
	if got := o.left(); got != 1 {
		t.Errorf("%d are left", got)
	}
	if got := o.notifier.inbox.take(acme).results; len(got) != 1 || got[0].outcome != retried {
		t.Errorf("reported %v", got)
	}
	if !o.withdraw("a") {
		t.Error("it cannot be withdrawn")
	}
	if reason, message := o.notifier.Condition(group("france", "", "")); reason == accessv1alpha1.ReasonNotDelivered {
		t.Errorf("got %s", message)
	}
}

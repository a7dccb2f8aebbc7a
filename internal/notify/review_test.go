package notify

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// reviewed makes the group require a review every so many days after an instant.
func reviewed(g *accessv1alpha1.AccessGroup, days int32, at time.Time) *accessv1alpha1.AccessGroup {
	last := metav1.NewTime(at)
	g.Spec.Review.EveryDays, g.Spec.ReviewedAt = days, &last
	return g
}

func ending(g *accessv1alpha1.AccessGroup) *accessv1alpha1.AccessGroup {
	g.Spec.Review.IfMissed = accessv1alpha1.MissedReviewEnd
	return g
}

func administrator(user string) *accessv1alpha1.UserAccess {
	ua := account(user, user+"@acme.example")
	ua.Spec.OrganizationRole = "Administrator"
	return ua
}

// reviewWorld has two administrators, a channel of each kind, and a group whose notices go by mail.
func reviewWorld(t *testing.T, groups ...*accessv1alpha1.AccessGroup) *world {
	t.Helper()
	w := newWorld(t)
	w.set(policy(acme, byMail, channel("hook", accessv1alpha1.ChannelTypeWebhook)), administrator("ana"), administrator("ben"),
		account("cy", "cy@acme.example"))
	for _, g := range groups {
		w.set(g)
	}
	w.start()
	return w
}

// expect passes the window and compares the delivered notices.
func (w *world) expect(when string, want ...string) {
	w.Helper()
	w.pass(window)
	if diff := cmp.Diff(want, w.deliver()); diff != "" {
		w.Errorf("%s: unexpected notices (-want +got):\n%s", when, diff)
	}
}

func TestAdministratorsAreToldAboutReviewsOnce(t *testing.T) {
	w := reviewWorld(t, ending(reviewed(disabled(group("france", "finance", "Viewer", "cy")), 90, start)))
	w.expect("long before")
	w.pass(76*day - 2*window)
	w.expect("just before the notice period")
	w.pass(window)
	w.expect("14 days before", "mail ana: france Coming 2027-02-20 End", "mail ben: france Coming 2027-02-20 End")
	for range 13 {
		w.pass(day)
		w.start()
		w.expect("before it is due, after a restart")
	}
	w.pass(day)
	w.expect("when it is due", "mail ana: france Ended 2027-02-20 End", "mail ben: france Ended 2027-02-20 End")
	w.pass(20 * day)
	w.start()
	w.expect("long after, after a restart")
	w.set(ending(reviewed(disabled(group("france", "finance", "Viewer", "cy")), 90, w.now)))
	w.expect("confirmed")
	w.pass(76 * day)
	w.expect("14 days before the next one", "mail ana: france Coming 2027-06-10 End", "mail ben: france Coming 2027-06-10 End")
}

func TestReviewsOfOneWindowAreOneNotice(t *testing.T) {
	spain := reviewed(disabled(group("spain", "hr", "Viewer")), 30, start)
	spain.Spec.Notification.Channels = []accessv1alpha1.ChannelName{"hook", "mail"}
	late := reviewed(group("late", "hr", "Viewer"), 30, start.Add(-40*day))
	weekly := reviewed(group("weekly", "hr", "Viewer"), 7, start)
	untold := reviewed(silent(group("silent", "hr", "Viewer")), 30, start)
	none := group("none", "hr", "Viewer")
	w := reviewWorld(t, reviewed(group("france", "hr", "Viewer"), 30, start.Add(time.Second)), spain, late, weekly, untold, none)
	w.expect("what was missed when the record begins", "mail ana: late Due 2026-11-12 Keep", "mail ben: late Due 2026-11-12 Keep")
	w.pass(7*day - window)
	w.expect("a review that repeats within the notice period", "mail ana: weekly Due 2026-11-29 Keep",
		"mail ben: weekly Due 2026-11-29 Keep")
	w.set(reviewed(group("weekly", "hr", "Viewer"), 1000, w.now))
	w.pass(9*day - window)
	w.expect("together", "hook : spain Coming 2026-12-22 Keep",
		"mail ana: spain Coming 2026-12-22 Keep; france Coming 2026-12-22 Keep",
		"mail ben: spain Coming 2026-12-22 Keep; france Coming 2026-12-22 Keep")
}

func TestANoticeAboutReviewsThatBecomesWrongIsNotSent(t *testing.T) {
	france := func(at time.Time) *accessv1alpha1.AccessGroup {
		return reviewed(disabled(group("france", "finance", "Viewer", "cy")), 30, at)
	}
	for name, tc := range map[string]struct {
		change func(w *world)
		want   []string
	}{
		"nothing changes": {
			func(*world) {}, []string{"mail ana: france Coming 2026-12-10 Keep", "mail ben: france Coming 2026-12-10 Keep"},
		},
		"somebody is no longer an administrator": {
			func(w *world) { w.set(account("ana", "ana@acme.example")) }, []string{"mail ben: france Coming 2026-12-10 Keep"},
		},
		"an administrator is suspended": {
			func(w *world) { w.set(suspended(administrator("ben"))) }, []string{"mail ana: france Coming 2026-12-10 Keep"},
		},
		"the review is confirmed": {func(w *world) { w.set(france(w.now)) }, nil},
		"the group is gone":       {func(w *world) { w.remove(france(start)) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := reviewWorld(t, france(start.Add(-12*day)))
			w.now = w.now.Add(4 * day)
			w.settle()
			w.pass(window)
			if got := len(w.queued()); got != 2 {
				t.Fatalf("%d notices wait", got)
			}
			tc.change(w)
			if diff := cmp.Diff(tc.want, w.deliver()); diff != "" {
				t.Errorf("unexpected notices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAConfirmationWithinTheWindowCausesNoNotice(t *testing.T) {
	w := reviewWorld(t, reviewed(group("france", "finance", "Viewer"), 30, start))
	w.pass(16 * day)
	w.set(reviewed(group("france", "finance", "Viewer"), 30, w.now))
	w.expect("confirmed at once")
}

// A crash between the writes of the shards and of the index must not create a second notice.
func TestReviewsAfterAnInterruptedWrite(t *testing.T) {
	w := reviewWorld(t, reviewed(disabled(group("france", "finance", "Viewer", "cy")), 30, start))
	w.pass(16 * day)
	one := 1
	w.failAfter = &one // the shard is written, and the index is not
	w.pass(window)
	w.failAfter = nil
	w.start()
	w.expect("afterwards", "mail ana: france Coming 2026-12-22 Keep", "mail ben: france Coming 2026-12-22 Keep")
	w.expect("once")
}

func TestALostRecordDoesNotRepeatReviews(t *testing.T) {
	w := reviewWorld(t, reviewed(disabled(group("france", "finance", "Viewer", "cy")), 30, start.Add(-20*day)))
	w.expect("at first", "mail ana: france Coming 2026-12-02 Keep", "mail ben: france Coming 2026-12-02 Keep")
	w.pass(time.Minute)
	cm, err := w.n.store.list(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.kube.Delete(t.Context(), cm[acme][indexName]); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.expect("after the loss")
}

func TestAReviewOfASystemGroupIsNobodysNotice(t *testing.T) {
	g := reviewed(group("operators", "", "", "cy"), 30, start.Add(-60*day))
	g.Namespace, g.Spec.Type = system, accessv1alpha1.GroupTypeSystem
	g.Spec.SystemAccess = []accessv1alpha1.SystemGrant{{Organization: acme, OrganizationRole: "Viewer"}}
	w := newWorld(t)
	w.set(policy(system, byMail), administrator("ana"), g)
	w.start()
	w.expect("due")
}

func TestAnAdministratorWithoutAnAddress(t *testing.T) {
	boss := administrator("boss")
	boss.Spec.Email = ""
	g := reviewed(group("france", "finance", "Viewer"), 30, start.Add(-20*day))
	w := newWorld(t)
	w.set(policy(acme, byMail), boss, g)
	w.start()
	w.expect("nobody can be told")
	w.pass(compareAgain)
	if reason, message := w.n.Condition(g); reason != accessv1alpha1.ReasonNoAddress {
		t.Errorf("got %q %q", reason, message)
	}
}

func TestARefusedNoticeToAChannelAsAWhole(t *testing.T) {
	g := reviewed(group("france", "finance", "Viewer"), 30, start.Add(-20*day))
	g.Spec.Notification.Channels = []accessv1alpha1.ChannelName{"hook"}
	w := reviewWorld(t, g)
	w.pass(window)
	o := w.n.outboxes[ChannelKey{acme, "hook"}]
	o.finish(o.first(), failed, errors.New("400 Bad Request"))
	w.step()
	want := "Notices were refused or given up for the administrators: channel hook: 400 Bad Request."
	if reason, message := w.n.Condition(g); reason != accessv1alpha1.ReasonNotDelivered || message != want {
		t.Errorf("got %q %q", reason, message)
	}
}

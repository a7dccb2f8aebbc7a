package notify

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

var byMail = channel("mail", accessv1alpha1.ChannelTypeSMTP)

func account(user, email string) *accessv1alpha1.UserAccess {
	return &accessv1alpha1.UserAccess{
		ObjectMeta: metav1.ObjectMeta{Namespace: acme, Name: user},
		Spec:       accessv1alpha1.UserAccessSpec{User: accessv1alpha1.UserName(user), Email: email},
	}
}

func suspended(ua *accessv1alpha1.UserAccess) *accessv1alpha1.UserAccess {
	ua.Spec.State = accessv1alpha1.UserStateSuspended
	return ua
}

func disabled(g *accessv1alpha1.AccessGroup) *accessv1alpha1.AccessGroup {
	g.Spec.Notification.Mode = accessv1alpha1.NotificationModeDisabled
	return g
}

func TestWhatIsTold(t *testing.T) {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	for name, tc := range map[string]struct {
		before []runtime.Object // objects at the start
		steps  func(w *world)
		want   []string // queued when the window has closed
	}{
		"nothing, where Usher is installed on objects that exist": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps:  func(*world) {},
		},
		"granted": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps:  func(w *world) { w.set(group("france", "finance", "Viewer", ana, ben)) },
			want:   []string{"mail " + ben + ": finance Granted NoAccess>Viewer"},
		},
		"granted by the first group that tells": {
			before: []runtime.Object{silent(group("france", "finance", "Viewer", ana))},
			steps:  func(w *world) { w.set(group("spain", "hr", "Viewer", ana, ben)) },
			want: []string{
				"mail " + ana + ": hr Granted NoAccess>Viewer", "mail " + ben + ": hr Granted NoAccess>Viewer",
			},
		},
		"changed": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana, ben)},
			steps:  func(w *world) { w.set(group("france", "finance", "Editor", ana, ben)) },
			want: []string{
				"mail " + ana + ": finance Changed Viewer>Editor", "mail " + ben + ": finance Changed Viewer>Editor",
			},
		},
		"a role of the organization, which means one in every application": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps: func(w *world) {
				g := group("france", "finance", "Viewer", ana)
				g.Spec.OrganizationRole = "Editor"
				w.set(g)
			},
			want: []string{"mail " + ana + ": Organization Granted NoAccess>Editor; OtherApplications Granted NoAccess>Editor"},
		},
		"an end is a change": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps:  func(w *world) { w.set(until(group("france", "finance", "Viewer", ana), start.Add(40*day))) },
			want:   []string{"mail " + ana + ": finance Changed Viewer>Viewer until 2027-01-01"},
		},
		"revoked, by leaving": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana, ben)},
			steps:  func(w *world) { w.set(group("france", "finance", "Viewer", ana)) },
			want:   []string{"mail " + ben + ": finance Revoked Viewer>NoAccess"},
		},
		"revoked, by leaving a group that has only just begun to tell": {
			before: []runtime.Object{silent(group("france", "finance", "Viewer", ana)), group("spain", "hr", "Viewer")},
			steps: func(w *world) {
				w.set(group("france", "finance", "Viewer", ana))
				w.set(group("france", "finance", "Viewer"))
			},
			want: []string{"mail " + ana + ": finance Revoked Viewer>NoAccess"},
		},
		"revoked, with the group": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps:  func(w *world) { w.remove(group("france", "finance", "Viewer", ana)) },
			want:   []string{"mail " + ana + ": finance Revoked Viewer>NoAccess"},
		},
		"revoked, with the UserAccess that said the address": {
			before: []runtime.Object{group("france", "finance", "Viewer", "ana"), account("ana", ana)},
			steps: func(w *world) {
				w.remove(account("ana", ana), group("france", "finance", "Viewer", "ana"))
			},
			want: []string{"mail ana: finance Revoked Viewer>NoAccess"},
		},
		"a suspension": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana), account(ana, "")},
			steps:  func(w *world) { w.set(suspended(account(ana, ""))) },
			want:   []string{"mail " + ana + ": finance Revoked Viewer>NoAccess"},
		},
		"one notice for ten groups": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps: func(w *world) {
				for i := range 10 {
					w.set(group(fmt.Sprintf("g%d", i), fmt.Sprintf("app%d", i), "Viewer", ben))
				}
			},
			want: []string{"mail " + ben + ": app0 Granted NoAccess>Viewer; app1 Granted NoAccess>Viewer; " +
				"app2 Granted NoAccess>Viewer; app3 Granted NoAccess>Viewer; app4 Granted NoAccess>Viewer; " +
				"app5 Granted NoAccess>Viewer; app6 Granted NoAccess>Viewer; app7 Granted NoAccess>Viewer; " +
				"app8 Granted NoAccess>Viewer; app9 Granted NoAccess>Viewer"},
		},
		"nothing, where it cancels itself out": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps: func(w *world) {
				w.set(group("france", "finance", "Editor", ana, ben))
				w.pass(window / 2)
				w.set(group("france", "finance", "Viewer", ana))
			},
		},
		"nothing, to members of a group that does not tell": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana), silent(group("spain", "hr", "Viewer", ben))},
			steps:  func(w *world) { w.set(silent(group("spain", "hr", "Editor", ben))) },
		},
		"nothing, where telling begins": {
			before: []runtime.Object{silent(group("france", "finance", "Viewer", ana)), group("spain", "hr", "Viewer")},
			steps:  func(w *world) { w.set(group("france", "finance", "Viewer", ana)) },
		},
		"nothing, where telling ends": {
			before: []runtime.Object{group("france", "finance", "Viewer", ana)},
			steps: func(w *world) {
				w.set(disabled(group("france", "finance", "Viewer", ana)))
				w.set(disabled(group("france", "finance", "Editor", ana)))
				w.set(disabled(group("france", "finance", "Editor")))
			},
		},
		"nothing, on joining without a change": {
			before: []runtime.Object{silent(group("spain", "finance", "Viewer", ana)), group("france", "finance", "Viewer", ben)},
			steps:  func(w *world) { w.set(group("france", "finance", "Viewer", ana, ben)) },
		},
		"what another group takes": {
			before: []runtime.Object{group("france", "finance", "Editor", ana)},
			steps:  func(w *world) { w.set(silent(group("spain", "finance", "NoAccess", ana))) },
			want:   []string{"mail " + ana + ": finance Revoked Editor>NoAccess"},
		},
		"nothing, without an address": {
			before: []runtime.Object{group("france", "finance", "Viewer", "x1")},
			steps:  func(w *world) { w.set(group("france", "finance", "Editor", "x1")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set(policy(acme, byMail))
			w.set(tc.before...)
			w.start()
			w.pass(2 * window)
			if got := w.queued(); len(got) > 0 {
				t.Fatalf("told at the start: %q", got)
			}
			tc.steps(w)
			if got := w.queued(); len(got) > 0 {
				t.Fatalf("told before the window closed: %q", got)
			}
			w.pass(window)
			if diff := cmp.Diff(tc.want, w.deliver()); diff != "" {
				t.Errorf("unexpected notices (-want +got):\n%s", diff)
			}
			w.pass(compareAgain)
			w.start()
			w.pass(2 * window)
			if got := w.queued(); len(got) > 0 {
				t.Errorf("told again after a restart: %q", got)
			}
		})
	}
}

func TestEnds(t *testing.T) {
	const ana = "ana@acme.example"
	w := newWorld(t)
	end := start.Add(10 * day)
	w.set(policy(acme, byMail), until(group("france", "finance", "Viewer", ana), end))
	w.start()
	w.pass(3*day - time.Second)
	w.pass(window)
	if diff := cmp.Diff([]string(nil), w.queued()); diff != "" {
		t.Errorf("seven days before (-want +got):\n%s", diff)
	}
	w.pass(window)
	if diff := cmp.Diff([]string{"mail ana@acme.example: finance Expiring Viewer until 2026-12-02"}, w.deliver()); diff != "" {
		t.Errorf("within seven days (-want +got):\n%s", diff)
	}
	for range 6 {
		w.pass(day)
		w.start()
		w.pass(window)
		if got := w.queued(); len(got) > 0 {
			t.Errorf("told again: %q", got)
		}
	}
	w.pass(day)
	w.pass(window)
	if diff := cmp.Diff([]string{"mail ana@acme.example: finance Revoked Viewer>NoAccess"}, w.deliver()); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
}

func TestWhatIsGrantedForLessThanAWeekIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.set(policy(acme, byMail), group("spain", "hr", "Viewer", "ana@acme.example"))
	w.start()
	w.set(until(group("france", "finance", "Viewer", "ana@acme.example"), start.Add(2*day)))
	w.pass(window)
	want := []string{"mail ana@acme.example: finance Granted NoAccess>Viewer until 2026-11-24"}
	if diff := cmp.Diff(want, w.deliver()); diff != "" {
		t.Errorf("unexpected notices (-want +got):\n%s", diff)
	}
	w.pass(day)
	w.pass(window)
	if got := w.queued(); len(got) > 0 {
		t.Errorf("told again: %q", got)
	}
}

func TestARestartFindsWhatIsLeftToTell(t *testing.T) {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	w := newWorld(t)
	w.set(policy(acme, byMail), group("france", "finance", "Viewer", ana))
	w.start()
	w.set(group("france", "finance", "Editor", ana)) // its window has not closed
	w.n = nil
	w.set(group("france", "finance", "Editor", ana, ben), group("new", "hr", "Viewer", ben)) // while no leader runs
	w.start()
	w.pass(window)
	want := []string{
		"mail " + ana + ": finance Changed Viewer>Editor",
		"mail " + ben + ": finance Granted NoAccess>Editor; hr Granted NoAccess>Viewer",
	}
	if diff := cmp.Diff(want, w.queued()); diff != "" {
		t.Errorf("unexpected notices (-want +got):\n%s", diff)
	}
	w.start() // queued, recorded, and not delivered
	if diff := cmp.Diff(want, w.deliver()); diff != "" {
		t.Errorf("unexpected notices after a restart (-want +got):\n%s", diff)
	}
}

func TestWhatWaitsBecomesPartOfWhatComes(t *testing.T) {
	const ana = "ana@acme.example"
	w := newWorld(t)
	w.set(policy(acme, byMail), group("france", "finance", "Viewer", ana))
	w.start()
	w.set(group("france", "finance", "Editor", ana))
	w.pass(window)
	w.set(group("france", "finance", "Administrator", ana))
	w.pass(window)
	if diff := cmp.Diff([]string{"mail " + ana + ": finance Changed Viewer>Administrator"}, w.queued()); diff != "" {
		t.Errorf("two changes while the channel does not work (-want +got):\n%s", diff)
	}
	w.set(group("france", "finance", "Viewer", ana))
	w.pass(window)
	if got := w.queued(); len(got) > 0 {
		t.Errorf("a change that was taken back before anybody was told: %q", got)
	}
}

func TestALostRecord(t *testing.T) {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	for name, lose := range map[string]func(cm *corev1.ConfigMap) bool{ // reports whether to delete the ConfigMap
		"a shard is gone":     func(cm *corev1.ConfigMap) bool { return cm.Name == shardName(0) },
		"the index is gone":   func(cm *corev1.ConfigMap) bool { return cm.Name == indexName },
		"a shard is not JSON": func(cm *corev1.ConfigMap) bool { cm.Data[recordKey] = "{"; return false },
		"of another version":  func(cm *corev1.ConfigMap) bool { cm.Data[recordKey] = `{"version":9}`; return false },
		"what is told is gone": func(cm *corev1.ConfigMap) bool {
			cm.Data[recordKey] = `{"version":1,"users":{"a":{"told":"b"}}}`
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set(policy(acme, byMail), group("france", "finance", "Viewer", ana))
			w.start()
			w.n = nil
			w.set(group("france", "finance", "Editor", ana))
			var list corev1.ConfigMapList
			if err := w.kube.List(t.Context(), &list); err != nil {
				t.Fatal(err)
			}
			for i := range list.Items {
				cm := &list.Items[i]
				var err error
				if lose(cm) {
					err = w.kube.Delete(t.Context(), cm)
				} else if cm.Name == shardName(0) {
					err = w.kube.Update(t.Context(), cm)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			w.start()
			w.pass(window)
			if got := w.queued(); len(got) > 0 {
				t.Errorf("what users have was not taken as told: %q", got)
			}
			if got := metric(t, w.n.Metrics.lost); got != 1 {
				t.Errorf("reported %v times", got)
			}
			w.set(group("france", "finance", "Editor", ana, ben))
			w.pass(window)
			if diff := cmp.Diff([]string{"mail " + ben + ": finance Granted NoAccess>Editor"}, w.deliver()); diff != "" {
				t.Errorf("afterwards (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNobodyIsToldOfWhatCannotBeRecorded(t *testing.T) {
	const ana = "ana@acme.example"
	w := newWorld(t)
	g := group("france", "finance", "Viewer", ana)
	w.set(policy(acme, byMail), g)
	w.start()
	w.fails = errors.New("etcd is full")
	w.set(group("france", "finance", "Editor", ana))
	w.pass(window)
	if got := w.queued(); len(got) > 0 {
		t.Errorf("told: %q", got)
	}
	if reason, message := w.n.Condition(g); reason != accessv1alpha1.ReasonRecordFailing {
		t.Errorf("got %q %q", reason, message)
	}
	w.fails = nil
	w.pass(time.Minute)
	if diff := cmp.Diff([]string{"mail " + ana + ": finance Changed Viewer>Editor"}, w.deliver()); diff != "" {
		t.Errorf("when it can (-want +got):\n%s", diff)
	}
	if reason, _ := w.n.Condition(g); reason != "" {
		t.Errorf("got %q", reason)
	}
}

func TestAsking(t *testing.T) {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	france := func() *accessv1alpha1.AccessGroup { return disabled(group("france", "finance", "Viewer", ana, ben)) }
	w := newWorld(t)
	w.set(policy(acme, byMail), asking(france(), start))
	w.now = start.Add(time.Hour)
	w.start()
	if got := w.queued(); len(got) > 0 {
		t.Errorf("told at the start: %q", got)
	}
	w.pass(time.Minute)
	both := []string{"mail " + ana + ": finance Unchanged Viewer", "mail " + ben + ": finance Unchanged Viewer"}
	w.set(asking(france(), w.now))
	if diff := cmp.Diff(both, w.deliver()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	for name, g := range map[string]*accessv1alpha1.AccessGroup{
		"again with the same instant": asking(france(), w.now), "an earlier one": asking(france(), start), "no more": france(),
		"one to come": asking(france(), w.now.Add(time.Hour)),
	} {
		w.set(g)
		if got := w.queued(); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	w.set(asking(france(), w.now.Add(time.Hour)))
	w.pass(2 * time.Hour)
	if got := w.queued(); len(got) > 0 {
		t.Errorf("one to come, when its time has come: %q", got)
	}
	w.n = nil
	w.now = w.now.Add(time.Minute)
	w.set(asking(france(), w.now))
	w.start()
	if diff := cmp.Diff(both, w.deliver()); diff != "" {
		t.Errorf("asked while nobody looked (-want +got):\n%s", diff)
	}
	w.start()
	if got := w.queued(); len(got) > 0 {
		t.Errorf("a restart: %q", got)
	}
	w.pass(time.Minute)
	ua := account(ben, "")
	ua.Annotations = map[string]string{accessv1alpha1.AnnotationNotify: w.now.Format(time.RFC3339)}
	w.set(ua)
	if diff := cmp.Diff(both[1:], w.deliver()); diff != "" {
		t.Errorf("for one user (-want +got):\n%s", diff)
	}
}

func TestASystemGroupNotifiesInOrganizations(t *testing.T) {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	operators := func(members ...string) *accessv1alpha1.AccessGroup {
		g := group("operators", "", "", members...)
		g.Namespace, g.Spec.Type = system, accessv1alpha1.GroupTypeSystem
		g.Spec.SystemAccess = []accessv1alpha1.SystemGrant{{Organization: acme, OrganizationRole: "Viewer"}}
		return g
	}
	w := newWorld(t)
	w.set(policy(system, byMail), silent(group("france", "finance", "Viewer", ana)))
	w.start()
	w.set(operators(ana))
	w.pass(window)
	want := []string{"mail " + ana + ": Organization Granted NoAccess>Viewer; OtherApplications Granted NoAccess>Viewer"}
	if diff := cmp.Diff(want, w.deliver()); diff != "" {
		t.Errorf("the first group with channels (-want +got):\n%s", diff)
	}
	w.set(operators(ana, ben))
	w.pass(window)
	want = []string{"mail " + ben + ": Organization Granted NoAccess>Viewer; OtherApplications Granted NoAccess>Viewer"}
	if diff := cmp.Diff(want, w.deliver()); diff != "" {
		t.Errorf("another member (-want +got):\n%s", diff)
	}
	w.set(asking(operators(ana, ben), w.now))
	want = []string{
		"mail " + ana + ": Organization Unchanged Viewer; finance Unchanged Viewer; OtherApplications Unchanged Viewer",
		"mail " + ben + ": Organization Unchanged Viewer; OtherApplications Unchanged Viewer",
	}
	if diff := cmp.Diff(want, w.deliver()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	w.remove(operators())
	w.pass(window)
	want = []string{
		"mail " + ana + ": Organization Revoked Viewer>NoAccess; OtherApplications Revoked Viewer>NoAccess",
		"mail " + ben + ": Organization Revoked Viewer>NoAccess; OtherApplications Revoked Viewer>NoAccess",
	}
	if diff := cmp.Diff(want, w.deliver()); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string(nil), w.names()); diff != "" {
		t.Errorf("the record remains (-want +got):\n%s", diff)
	}
}

func TestAMassChangeIsADigest(t *testing.T) {
	w := newWorld(t)
	var users []string
	for i := range 5 {
		users = append(users, fmt.Sprintf("u%d@acme.example", i))
	}
	boss := account("boss", "boss@acme.example")
	boss.Spec.OrganizationRole = "Administrator"
	hook := channel("hook", accessv1alpha1.ChannelTypeWebhook)
	w.set(policy(acme, byMail, hook), boss, group("france", "finance", "Viewer", users[:4]...))
	w.start()
	g := group("france", "finance", "Editor", users...)
	g.Spec.Notification.Channels = []accessv1alpha1.ChannelName{"hook", "mail"}
	w.set(g)
	w.pass(window)
	if got := len(w.deliver()); got != 2*len(users) {
		t.Fatalf("%d notices", got)
	}
	w.start() // the count is in the record
	w.pass(window)
	if diff := cmp.Diff([]string{"hook : digest 5/1/4/0", "mail boss: digest 5/1/4/0"}, w.deliver()); diff != "" {
		t.Errorf("unexpected digests (-want +got):\n%s", diff)
	}
}

func TestTheRecordGoesWithTheLastGroupThatTells(t *testing.T) {
	const ana = "ana@acme.example"
	w := newWorld(t)
	w.set(policy(acme, byMail), group("france", "finance", "Viewer", ana))
	w.start()
	if diff := cmp.Diff([]string{"acme/access-notices-0", "acme/access-notices-index"}, w.names()); diff != "" {
		t.Errorf("unexpected record (-want +got):\n%s", diff)
	}
	w.remove(group("france", "finance", "Viewer", ana))
	w.pass(window)
	w.deliver()
	w.set(silent(group("france", "finance", "Viewer", ana)))
	if diff := cmp.Diff([]string(nil), w.names()); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

func TestAnotherLeaderHasWritten(t *testing.T) {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	w := newWorld(t)
	w.set(policy(acme, byMail), group("france", "finance", "Viewer", ana))
	w.start()
	frozen := w.n
	w.start()
	w.set(group("france", "finance", "Editor", ana))
	w.pass(window)
	w.deliver()
	// The frozen leader continues, and sees the changes.
	w.n = frozen
	w.set(group("france", "finance", "Editor", ana, ben))
	w.pass(compareAgain)
	w.pass(window)
	w.pass(window)
	if diff := cmp.Diff([]string{"mail " + ben + ": finance Granted NoAccess>Editor"}, w.queued()); diff != "" {
		t.Errorf("unexpected notices (-want +got):\n%s", diff)
	}
}

func TestWhatIsSaidOfUsersWithoutAnAddress(t *testing.T) {
	w := newWorld(t)
	g := group("france", "finance", "Editor", "x1", "x2", "x3", "x4")
	w.set(policy(acme, byMail), group("france", "finance", "Viewer", "x1", "x2", "x3", "x4"))
	w.start()
	w.set(g)
	w.pass(window)
	want := "No notice was mailed to x1, x2, x3 and 1 more: the e-mail address is unknown. Set spec.email in a UserAccess."
	if reason, message := w.n.Condition(g); reason != accessv1alpha1.ReasonNoAddress || message != want {
		t.Errorf("got %s: %s", reason, message)
	}
	if got := metric(t, w.n.Metrics.unaddressed); got != 4 {
		t.Errorf("%v are counted", got)
	}
	w.set(account("x1", "ana@acme.example"), group("france", "finance", "Viewer", "x1"))
	w.pass(window)
	w.pass(compareAgain)
	if reason, message := w.n.Condition(g); reason != "" {
		t.Errorf("got %s: %s", reason, message)
	}
}

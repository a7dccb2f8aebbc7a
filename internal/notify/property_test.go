package notify

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/delivery"
)

// belief is what users know from their notices: roles by user and place.
type belief map[string]map[string]string

// hear adds a notice. It fails if the notice contradicts what the user knew.
func (b belief) hear(t *testing.T, n *delivery.Notice) {
	t.Helper()
	for _, c := range n.Changes {
		if c.Kind == delivery.Expiring {
			continue
		}
		where := string(c.Scope) + c.Application
		knew := b[n.User][where]
		if knew == "" {
			knew = delivery.NoAccess
		}
		if c.Kind == delivery.Granted || c.Kind == delivery.Revoked || c.Kind == delivery.Changed {
			if knew != c.Before {
				t.Errorf("%s is told that %s was %s, and knew %s", n.User, where, c.Before, knew)
			}
		}
		if b[n.User] == nil {
			b[n.User] = map[string]string{}
		}
		b[n.User][where] = c.After
		if c.After == delivery.NoAccess {
			delete(b[n.User], where)
		}
		if len(b[n.User]) == 0 {
			delete(b, n.User)
		}
	}
}

// After any sequence of changes, restarts and failures, all users know their access, and no notice was wrong.
func TestWhatPeopleAreToldAddsUp(t *testing.T) {
	users := []string{"ana@acme.example", "ben@acme.example", "cy@acme.example"}
	applications := []string{"red", "blue"}
	roles := []string{"Administrator", "Editor", "Viewer", "NoAccess", "Typo"}
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t)
			w.set(policy(acme, byMail), group("everybody", "", "", users...))
			w.start()
			known := belief{}
			deliver := func() {
				for _, n := range w.deliverSome(r) {
					known.hear(t, n)
				}
			}
			for range 40 {
				name := fmt.Sprintf("g%d", r.IntN(3))
				switch r.IntN(8) {
				case 0:
					w.remove(group(name, "", ""))
				case 1:
					w.start()
				case 2:
					w.fails = errors.New("no")
				case 3:
					deliver()
				case 4:
					w.pass(time.Duration(r.IntN(60)) * time.Second)
				default:
					var members []string
					for _, user := range users {
						if r.IntN(2) == 0 {
							members = append(members, user)
						}
					}
					g := group(name, applications[r.IntN(2)], roles[r.IntN(len(roles))], members...)
					w.set(g)
				}
				if r.IntN(3) > 0 {
					w.fails = nil
				}
			}
			w.fails = nil
			for range 4 {
				w.pass(2 * time.Minute)
				deliver()
			}
			if got := w.queued(); len(got) > 0 {
				t.Errorf("left over: %q", got)
			}
			if diff := cmp.Diff(w.had(users), map[string]map[string]string(known)); diff != "" {
				t.Errorf("what people know (-have +know):\n%s", diff)
			}
			w.start()
			w.pass(2 * window)
			if got := w.queued(); len(got) > 0 {
				t.Errorf("told again after a restart: %q", got)
			}
		})
	}
}

// had returns the access of users in the form of a belief.
func (w *world) had(users []string) map[string]map[string]string {
	found := map[string]map[string]string{}
	for _, user := range users {
		m := w.roster.View().Member(acme, user)
		for _, c := range changes(none, accessOf(&m)) {
			if found[user] == nil {
				found[user] = map[string]string{}
			}
			found[user][string(c.Scope)+c.Application] = c.After
		}
	}
	return found
}

// deliverSome delivers and records some of the queued notices.
func (w *world) deliverSome(r *rand.Rand) []*delivery.Notice {
	var heard []*delivery.Notice
	for _, o := range w.n.outboxes {
		for o.left() > 0 && len(o.slots) < unrecorded && r.IntN(8) > 0 {
			j := o.first()
			o.slots <- struct{}{}
			heard = append(heard, j.notice(w.roster))
			o.finish(j, delivered, nil)
			if w.fails == nil {
				w.step()
			}
		}
	}
	return heard
}

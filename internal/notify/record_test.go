package notify

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fill adds a number of users to a record, some of them with a duty.
func fill(r *record, users int) {
	for i := range users {
		user := fmt.Sprintf("u%05d@acme.example", i)
		e := r.at(user)
		e.told = r.intern(&Access{
			Applications: map[string]Role{"finance": {Role: fmt.Sprintf("Role%d", i%3), Source: "AccessGroup/acme/france", Until: start}},
			Groups:       map[string][]string{"acme/france": {"mail"}},
		})
		e.ends, e.email = start.Add(day), "x@acme.example"
		if i%7 == 0 {
			e.duties = []*duty{{
				ID: "1", Channel: ChannelKey{acme, "mail"}, At: start, After: e.told.digest(), Asked: i%2 == 0,
				Groups: []string{"acme/france"}, Tries: i % 5,
			}}
		}
		r.touch(user, start)
	}
}

// said returns the content of a record as text.
func said(r *record) map[string]string {
	found := map[string]string{}
	r.each(func(user string, e *entry) {
		text := fmt.Sprint(e.told.Organization, e.told.Applications, e.told.Groups, e.ends, e.email)
		for _, d := range e.duties {
			text += fmt.Sprint(*d)
		}
		found[user] = text
	})
	return found
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	for _, users := range []int{0, 1, 300, 5000} {
		t.Run(fmt.Sprint(users), func(t *testing.T) {
			w := newWorld(t)
			s := store{client: w.kube, live: w.kube}
			r := newRecord(acme, 1, start)
			fill(r, users)
			r.index.Asked["AccessGroup/acme/france"] = start
			if err := s.begin(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			w.compare(&s, r)
			if got, want := r.index.Shards, shardsFor(users); got != want {
				t.Errorf("%d shards, want %d", got, want)
			}
		})
	}
}

// compare reads the stored record and compares it with another.
func (w *world) compare(s *store, want *record) {
	w.Helper()
	found, err := s.list(w.Context(), "")
	if err != nil {
		w.Fatal(err)
	}
	got := read(acme, found[acme], start)
	if got.lost != nil {
		w.Fatal(got.lost)
	}
	if diff := cmp.Diff(said(want), said(got.record)); diff != "" {
		w.Errorf("unexpected record (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.index, got.record.index); diff != "" {
		w.Errorf("unexpected index (-want +got):\n%s", diff)
	}
}

// A record that grows is complete after every write, wherever it is interrupted.
func TestARecordGrows(t *testing.T) {
	const few, many, most = 100, 1200, 30
	for stop := range most {
		w := newWorld(t)
		s := store{client: w.kube, live: w.kube}
		r := newRecord(acme, 1, start)
		fill(r, few)
		if err := s.begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		before := said(r)
		fill(r, many)
		w.failAfter = new(stop)
		err := s.flush(t.Context(), r)
		w.failAfter = nil
		found, listErr := s.list(t.Context(), "")
		if listErr != nil {
			t.Fatal(listErr)
		}
		got := read(acme, found[acme], start)
		if got.lost != nil {
			t.Fatalf("after %d writes: %v", stop, got.lost)
		}
		for user := range before {
			if got.record.get(user) == nil {
				t.Fatalf("after %d writes %s is missing", stop, user)
			}
		}
		if err == nil {
			w.compare(&s, r)
			if stop == 0 {
				t.Error("nothing was written")
			}
			return
		}
		if err := s.flush(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.compare(&s, r)
	}
	t.Errorf("it took more than %d writes", most)
}

func TestTenThousandMembersAtOnce(t *testing.T) {
	const people = 10000
	var users []string
	for i := range people {
		users = append(users, fmt.Sprintf("u%05d@acme.example", i))
	}
	w := newWorld(t)
	half := people / 2
	w.set(policy(acme, byMail), group("a", "finance", "Viewer", users[:half]...), group("b", "finance", "Viewer", users[half:]...))
	w.start()
	w.set(group("a", "finance", "Editor", users[:half]...), group("b", "finance", "Editor", users[half:]...))
	began := time.Now()
	w.pass(window)
	t.Logf("%d notices in %s", people, time.Since(began))
	total, largest := 0, 0
	for _, text := range w.records() {
		total += len(text)
		largest = max(largest, len(text))
	}
	t.Logf("a record of %d KiB in %d ConfigMaps, the largest of %d KiB", total>>10, len(w.records()), largest>>10)
	if got := len(w.queued()); got != people {
		t.Errorf("%d notices", got)
	}
	if got := len(w.n.records[acme].interned); got > 10 {
		t.Errorf("%d accesses are kept, and there are few", got)
	}
	if largest > 128<<10 {
		t.Errorf("a shard of %d bytes is written for every few deliveries", largest)
	}
}

var errStopped = errors.New("stopped here")

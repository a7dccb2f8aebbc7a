package document_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
)

// permutations returns all orders of the numbers below n.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return all
}

// over returns a surplus shard, left over when the number of shards has decreased.
func over(shard, shards int) document.Application {
	d := finance(0, shards, nil)
	d.Shard = shard
	if shard%2 == 1 { // the two forms that Usher writes
		d.Shards, d.Roles = shard+1, []document.Role{}
	}
	return d
}

// The kubelet updates the mounts one by one, in any order. While the number of shards changes, every user who keeps
// access has it after every step. A user who loses access has lost it for good as soon as the first document of the
// user's shard shows that.
func TestShardsGrowAndShrink(t *testing.T) {
	keep, lost := []string{}, []string{}
	for residue := range 4 {
		user := userIn(residue, 4)
		keep, lost = append(keep, user), append(lost, strings.Replace(user, "user", "", 1))
	}
	for i := range lost { // the same residue, another user
		for n := 0; shardOf(lost[i], 4) != i; n++ {
			lost[i] = fmt.Sprintf("lost%d@acme.example", n)
		}
	}
	before := with("Viewer", append(slices.Clone(keep), lost...)...)
	after := with("Viewer", keep...)
	for _, tc := range []struct{ from, to int }{{2, 4}, {4, 2}, {1, 4}, {4, 1}} {
		for _, order := range permutations(4) {
			t.Run(fmt.Sprintf("%d to %d in order %v", tc.from, tc.to, order), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := func(shard int) string { return filepath.Join(dir, fmt.Sprint(shard), "access.json") }
				for shard := range tc.from {
					write(t, path(shard), encode(t, finance(shard, tc.from, before)))
				}
				f := follow(t, document.Options{
					Directories: []string{dir}, Watching: document.PollOnly, PollInterval: time.Millisecond,
				})
				for _, shard := range order {
					loaded := f.Stats().Loaded
					switch {
					case shard < tc.to:
						write(t, path(shard), encode(t, finance(shard, tc.to, after)))
					case shard < tc.from:
						write(t, path(shard), encode(t, over(shard, tc.to)))
					default:
						continue
					}
					eventuallyIs(t, "documents taken", func() bool { return f.Stats().Loaded > loaded }, true)
					for _, user := range keep {
						if got := f.Role(user); got != "Viewer" {
							t.Errorf("after shard %d, %s has %s", shard, user, got)
						}
					}
					for _, user := range lost {
						if shard < tc.to && shardOf(user, tc.to) == shard && f.Role(user) != document.NoAccess {
							t.Errorf("after shard %d, %s has access", shard, user)
						}
					}
				}
				for _, user := range lost {
					if f.Role(user) != document.NoAccess {
						t.Errorf("in the end %s has access", user)
					}
				}
				for shard := tc.to; shard < tc.from; shard++ {
					if err := os.RemoveAll(filepath.Dir(path(shard))); err != nil {
						t.Fatal(err)
					}
				}
				eventuallyIs(t, "documents", func() int { return f.Stats().Documents }, tc.to)
				for _, user := range keep {
					if got := f.Role(user); got != "Viewer" {
						t.Errorf("in the end %s has %s", user, got)
					}
				}
			})
		}
	}
}

// The follower waits for a missing shard, but only for a limited time.
func TestShardThatNeverComes(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	users := with("Viewer", userIn(0, 2), userIn(1, 2))
	path := filepath.Join(dir, "0.json")
	write(t, path, encode(t, finance(0, 1, users)))
	var said events
	f := follow(t, document.Options{Directories: []string{dir}, Now: now.Now, OnEvent: said.add})
	write(t, path, encode(t, finance(0, 2, users)))
	eventuallyIs(t, "missing", func() int { return f.Stats().MissingShards }, 1)
	now.pass(document.DefaultGrace - 1)
	if got := f.Role(userIn(1, 2)); got != "Viewer" {
		t.Errorf("who moves to a shard that is not there yet has %s", got)
	}
	now.pass(1)
	if got := f.Role(userIn(1, 2)); got != document.NoAccess {
		t.Errorf("who moved to a shard that never came has %s", got)
	}
	if got := f.Role(userIn(0, 2)); got != "Viewer" {
		t.Errorf("who did not move has %s", got)
	}
	eventually(t, func() error {
		event, ok := said.last(document.Incomplete)
		if !ok || event.Err.Error() != "shards [1] of 2 are missing" {
			return fmt.Errorf("it says %+v", event)
		}
		return nil
	})
	write(t, filepath.Join(dir, "1.json"), encode(t, finance(1, 2, users)))
	eventuallyIs(t, "the role", func() string { return f.Role(userIn(1, 2)) }, "Viewer")
	eventuallyIs(t, "events of completeness", func() int { return said.count(document.Complete) }, 1)
}

// A shard that is deleted takes its users with it: a missing file gives nobody access.
func TestDeletedShard(t *testing.T) {
	dir := t.TempDir()
	users := with("Viewer", userIn(0, 2), userIn(1, 2))
	for shard := range 2 {
		write(t, filepath.Join(dir, fmt.Sprint(shard, ".json")), encode(t, finance(shard, 2, users)))
	}
	f := follow(t, document.Options{Directories: []string{dir}})
	if err := os.Remove(filepath.Join(dir, "1.json")); err != nil {
		t.Fatal(err)
	}
	eventuallyIs(t, "the role", func() string { return f.Role(userIn(1, 2)) }, document.NoAccess)
	if got := f.Role(userIn(0, 2)); got != "Viewer" {
		t.Errorf("the other shard gives %s", got)
	}
}

func TestManyMissingShards(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "access.json"), encode(t, finance(5, 1024, nil)))
	var said events
	f := follow(t, document.Options{Directories: []string{dir}, OnEvent: said.add})
	event, _ := said.last(document.Incomplete)
	const want = "shards [0 1 2 3 4 6 7 8 9 10] and 1013 more of 1024 are missing"
	if f.Stats().MissingShards != 1023 || event.Err == nil || event.Err.Error() != want {
		t.Errorf("%d shards are missing: %v", f.Stats().MissingShards, event.Err)
	}
}

// A user in two documents has the access that both give.
func TestTwoDocumentsOfOneUser(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	user := userIn(1, 2)
	put := func(name string, shard, shards int, entry document.ApplicationUser) {
		users := map[string]document.ApplicationUser{user: entry}
		write(t, filepath.Join(dir, name), encode(t, finance(shard, shards, users)))
	}
	put("0.json", 0, 1, document.ApplicationUser{Role: "Editor", Filters: frenchRows})
	put("1.json", 1, 2, document.ApplicationUser{Role: "Viewer", Filters: germanRows, NotAfter: start.Add(time.Hour)})
	f := follow(t, document.Options{Directories: []string{dir}, Now: now.Now})
	if got := f.Role(user); got != "Viewer" {
		t.Errorf("the role is %s", got)
	}
	if f.Can(user, "edit") || !f.Can(user, "view") {
		t.Error("permissions are not those of both")
	}
	if diff := cmp.Diff(document.Filters{france[0], germany[0]}, f.Filters(user)); diff != "" {
		t.Error(diff)
	}
	now.pass(time.Hour)
	if got := f.Role(user); got != document.NoAccess {
		t.Errorf("when one has ended the role is %s", got)
	}
	now.pass(-time.Hour)
	loaded := f.Stats().Loaded
	put("1.json", 1, 2, document.ApplicationUser{Role: "Administrator", Filters: frenchRows})
	eventuallyIs(t, "documents taken", func() uint64 { return f.Stats().Loaded }, loaded+1)
	if got := f.Role(user); got != "Editor" {
		t.Errorf("the role is %s", got)
	}
	if diff := cmp.Diff(france, f.Filters(user)); diff != "" {
		t.Error(diff)
	}
}

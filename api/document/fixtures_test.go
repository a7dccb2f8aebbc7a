package document_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/usher-dev/usher/api/document"
)

// start is the initial time of test clocks.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a clock that the test advances.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: start} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// events collects the events of a follower.
type events struct {
	mu  sync.Mutex
	all []document.Event
}

func (e *events) add(event document.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// last returns the last event of the kind.
func (e *events) last(kind document.EventKind) (document.Event, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range slices.Backward(e.all) {
		if event.Kind == kind {
			return event, true
		}
	}
	return document.Event{}, false
}

func (e *events) count(kind document.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, event := range e.all {
		if event.Kind == kind {
			n++
		}
	}
	return n
}

// eventually waits for a condition. The condition returns an error that explains why it does not hold.
func eventually(t *testing.T, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // this is the wait for a condition
	}
}

// eventuallyIs waits until get returns the wanted value.
func eventuallyIs[T comparable](t *testing.T, what string, get func() T, want T) {
	t.Helper()
	eventually(t, func() error {
		if got := get(); got != want {
			return fmt.Errorf("%s is %v, want %v", what, got, want)
		}
		return nil
	})
}

// shardOf returns the shard of a user, computed by the library that Usher uses.
func shardOf(user string, shards int) int {
	h := fnv.New32a()
	h.Write([]byte(user))
	return int(h.Sum32() % uint32(shards))
}

// userIn returns a user in the given shard of that many shards.
func userIn(shard, shards int) string {
	for i := 0; ; i++ {
		if user := fmt.Sprintf("user%d@acme.example", i); shardOf(user, shards) == shard {
			return user
		}
	}
}

// rows are the filters of the test documents. The places below refer to this list.
var rows = []document.Filter{document.Nothing()[0], france[0], germany[0]}

var (
	noRows     = []int{0}
	frenchRows = []int{1}
	germanRows = []int{2}
)

// finance returns a shard of the application document with those of the users who belong to it.
func finance(shard, shards int, users map[string]document.ApplicationUser) document.Application {
	d := document.Application{
		APIVersion: document.APIVersion, Kind: document.KindApplication,
		Organization: "acme", Application: "finance", Shard: shard, Shards: shards,
		Roles: []document.Role{
			{Name: "Administrator", Permissions: []string{"administer", "edit", "view"}},
			{Name: "Editor", Permissions: []string{"edit", "view"}},
			{Name: "Viewer", Permissions: []string{"view"}},
		},
		Users: map[string]document.ApplicationUser{},
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(users)), func(u document.ApplicationUser) bool { return u.Filters != nil }) {
		d.Filters = rows
	}
	for user, entry := range users {
		if entry.Source == "" {
			entry.Source = "AccessGroup/acme/controllers"
		}
		if shardOf(user, shards) == shard {
			d.Users[user] = entry
		}
	}
	return d
}

// with returns users who all have the role.
func with(role string, users ...string) map[string]document.ApplicationUser {
	entries := map[string]document.ApplicationUser{}
	for _, user := range users {
		entries[user] = document.ApplicationUser{Role: role}
	}
	return entries
}

func encode(tb testing.TB, of any) string {
	tb.Helper()
	data, err := json.Marshal(of)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func write(tb testing.TB, path, data string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	// As an editor does: a reader sees the old file or the new one.
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, []byte(data), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		tb.Fatal(err)
	}
}

// mount is a directory that the test changes like the kubelet changes mounts.
type mount struct {
	dir        string
	generation int
}

// swap replaces all files by these, keyed by path in the mount.
func (m *mount) swap(tb testing.TB, files map[string]string) {
	tb.Helper()
	m.generation++
	check := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	check(os.MkdirAll(m.dir, 0o755))
	name := fmt.Sprintf("..2026_03_01_12_00_00.%d", m.generation)
	data := filepath.Join(m.dir, name)
	check(os.Mkdir(data, 0o755))
	for path, text := range files {
		check(os.MkdirAll(filepath.Dir(filepath.Join(data, path)), 0o755))
		check(os.WriteFile(filepath.Join(data, path), []byte(text), 0o600))
	}
	link := filepath.Join(m.dir, "..data")
	old, _ := os.Readlink(link)
	check(os.Symlink(name, link+"_tmp"))
	check(os.Rename(link+"_tmp", link))
	top := map[string]bool{}
	for path := range files {
		first, _, _ := cut(path)
		top[first] = true
		visible := filepath.Join(m.dir, first)
		if _, err := os.Lstat(visible); err != nil {
			check(os.Symlink(filepath.Join("..data", first), visible))
		}
	}
	entries, err := os.ReadDir(m.dir)
	check(err)
	for _, entry := range entries {
		if entry.Type()&os.ModeSymlink != 0 && entry.Name() != "..data" && !top[entry.Name()] {
			check(os.Remove(filepath.Join(m.dir, entry.Name())))
		}
	}
	if old != "" {
		check(os.RemoveAll(filepath.Join(m.dir, old)))
	}
}

func cut(path string) (first, rest string, found bool) {
	for i := range len(path) {
		if path[i] == '/' {
			return path[:i], path[i+1:], true
		}
	}
	return path, "", false
}

// follow follows finance in the directories until the test ends.
func follow(tb testing.TB, options document.Options) *document.ApplicationFollower {
	tb.Helper()
	if options.PollInterval == 0 {
		options.PollInterval = 5 * time.Millisecond
	}
	follower, err := document.FollowApplication(tb.Context(), "finance", options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(follower.Close)
	return follower
}

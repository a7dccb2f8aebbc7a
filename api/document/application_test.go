package document_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
)

const (
	amelie = "amelie@acme.example"
	zoe    = "zoe@acme.example"
)

var (
	france  = requires("country", document.In, "France")
	germany = requires("product", document.In, "X")
)

func TestApplicationAnswers(t *testing.T) {
	m := &mount{dir: t.TempDir()}
	m.swap(t, map[string]string{"access.json": encode(t, finance(0, 1, map[string]document.ApplicationUser{
		amelie: {Role: "Viewer", Filters: frenchRows},
		zoe:    {Role: "Administrator"},
	})), "data.json": "not for us", "notes.txt": "nor this"})
	f := follow(t, document.Options{Directories: []string{m.dir}, Organization: "acme"})

	if got := f.Role(amelie); got != "Viewer" {
		t.Errorf("the role is %s", got)
	}
	if !f.Can(amelie, "view") || f.Can(amelie, "edit") || !f.Can(zoe, "edit") || f.Can(zoe, "fly") {
		t.Error("permissions are not those of the roles")
	}
	if diff := cmp.Diff(france, f.Filters(amelie)); diff != "" {
		t.Error(diff)
	}
	if got := f.Filters(zoe); got != nil {
		t.Errorf("every row should be visible, got filters %v", got)
	}
	for _, user := range []string{"nobody@acme.example", "", "AMELIE@acme.example"} {
		if f.Role(user) != document.NoAccess || f.Can(user, "view") || f.Can(user, "") ||
			f.Filters(user).Match(map[string]any{"country": "France"}) {
			t.Errorf("%q has access", user)
		}
	}
}

func TestKubeletSwap(t *testing.T) {
	for _, watching := range []document.Watching{document.WatchAndPoll, document.PollOnly} {
		t.Run(string(watching), func(t *testing.T) {
			m := &mount{dir: t.TempDir()}
			var said events
			f := follow(t, document.Options{
				Directories: []string{m.dir}, Watching: watching, OnEvent: said.add,
			})
			for i := range 50 {
				user := fmt.Sprintf("user%d", i)
				m.swap(t, map[string]string{"access.json": encode(t, finance(0, 1, with("Viewer", user)))})
				eventuallyIs(t, "the role", func() string { return f.Role(user) }, "Viewer")
				if got := f.Role(fmt.Sprintf("user%d", i-1)); got != document.NoAccess {
					t.Fatalf("after the document said otherwise the role is %s", got)
				}
			}
			m.swap(t, nil) // the ConfigMap of an optional mount is deleted
			eventuallyIs(t, "the role", func() string { return f.Role("user49") }, document.NoAccess)
			eventuallyIs(t, "documents", func() int { return f.Stats().Documents }, 0)
			for _, kind := range []document.EventKind{document.Failed, document.Denied, document.Incomplete} {
				if event, ok := said.last(kind); ok {
					t.Errorf("unexpected: %+v", event)
				}
			}
		})
	}
}

// A swap deletes the files that are being read. Users who keep access must not lose it meanwhile, and no document may
// be reported as removed.
func TestNoUserIsMissingDuringKubeletSwaps(t *testing.T) {
	const shards = 32
	m := &mount{dir: t.TempDir()}
	documents := map[string]string{}
	var users []string
	for shard := range shards {
		users = append(users, userIn(shard, shards))
		documents[fmt.Sprintf("%d/access.json", shard)] = encode(t, finance(shard, shards, with("Viewer", users[shard])))
	}
	m.swap(t, documents)
	var said events
	f := follow(t, document.Options{Directories: []string{m.dir}, PollInterval: time.Millisecond, OnEvent: said.add})
	for range 100 {
		m.swap(t, documents)
		for _, user := range users {
			if f.Role(user) != "Viewer" {
				t.Fatalf("%s is without access", user)
			}
		}
	}
	for _, kind := range []document.EventKind{document.Removed, document.Incomplete, document.Denied} {
		if event, ok := said.last(kind); ok {
			t.Errorf("unexpected: %+v", event)
		}
	}
}

func TestDirectories(t *testing.T) {
	user := userIn(1, 2)
	one := encode(t, finance(1, 2, with("Viewer", user)))
	zero := encode(t, finance(0, 2, nil))
	tests := map[string]func(t *testing.T, dir string) (directories []string){
		"a directory for each shard": func(t *testing.T, dir string) []string {
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			(&mount{dir: a}).swap(t, map[string]string{"access.json": zero})
			(&mount{dir: b}).swap(t, map[string]string{"access.json": one})
			return []string{a, b}
		},
		"mounts in a directory": func(t *testing.T, dir string) []string {
			(&mount{dir: filepath.Join(dir, "a")}).swap(t, map[string]string{"access.json": zero})
			(&mount{dir: filepath.Join(dir, "b")}).swap(t, map[string]string{"access.json": one})
			return []string{dir}
		},
		"projected to directories": func(t *testing.T, dir string) []string {
			(&mount{dir: dir}).swap(t, map[string]string{"0/access.json": zero, "1/access.json": one})
			return []string{dir}
		},
		"projected to files": func(t *testing.T, dir string) []string {
			(&mount{dir: dir}).swap(t, map[string]string{"0.json": zero, "1.json": one})
			return []string{dir}
		},
		"plain files": func(t *testing.T, dir string) []string {
			write(t, filepath.Join(dir, "0.json"), zero)
			write(t, filepath.Join(dir, "more", "1.json"), one)
			write(t, filepath.Join(dir, ".hidden.json"), "half a docum")
			return []string{dir}
		},
		"the same one twice": func(t *testing.T, dir string) []string {
			write(t, filepath.Join(dir, "0.json"), zero)
			write(t, filepath.Join(dir, "1.json"), one)
			write(t, filepath.Join(dir, "2.json"), one)
			return []string{dir, dir}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			var said events
			f := follow(t, document.Options{Directories: prepare(t, t.TempDir()), OnEvent: said.add})
			if got := f.Role(user); got != "Viewer" {
				t.Errorf("the role is %s", got)
			}
			if event, ok := said.last(document.Failed); ok {
				t.Errorf("unexpected: %+v", event)
			}
			if got := f.Stats().MissingShards; got != 0 {
				t.Errorf("%d shards are missing", got)
			}
		})
	}
}

func TestVanishingFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	var said events
	f := follow(t, document.Options{Directories: []string{dir}, OnEvent: said.add})
	if f.Role(amelie) != document.NoAccess {
		t.Fatal("access without a directory")
	}
	path := filepath.Join(dir, "access.json")
	for range 3 {
		write(t, path, encode(t, finance(0, 1, with("Editor", amelie))))
		eventuallyIs(t, "the role", func() string { return f.Role(amelie) }, "Editor")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		eventuallyIs(t, "the role", func() string { return f.Role(amelie) }, document.NoAccess)
	}
	write(t, path, encode(t, finance(0, 1, with("Editor", amelie))))
	eventuallyIs(t, "the role", func() string { return f.Role(amelie) }, "Editor")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	eventuallyIs(t, "the role", func() string { return f.Role(amelie) }, document.NoAccess)
	eventuallyIs(t, "removals", func() int { return said.count(document.Removed) }, 4)
}

func TestNotAfterIsEnforcedWithoutReading(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	end := start.Add(time.Hour)
	write(t, filepath.Join(dir, "access.json"), encode(t, finance(0, 1, map[string]document.ApplicationUser{
		amelie: {Role: "Viewer", Filters: frenchRows, NotAfter: end},
		zoe:    {Role: "Viewer"},
	})))
	f := follow(t, document.Options{Directories: []string{dir}, Now: now.Now, PollInterval: time.Minute})
	now.pass(time.Hour - 1)
	if f.Role(amelie) != "Viewer" || !f.Can(amelie, "view") {
		t.Error("access ends before its time")
	}
	now.pass(1)
	if f.Role(amelie) != document.NoAccess || f.Can(amelie, "view") {
		t.Error("access does not end")
	}
	if diff := cmp.Diff(document.Nothing(), f.Filters(amelie)); diff != "" {
		t.Error(diff)
	}
	if f.Role(zoe) != "Viewer" {
		t.Error("what has no end ends")
	}
}

func TestLastGoodDocumentIsUsedForTheGrace(t *testing.T) {
	good := encode(t, finance(0, 1, with("Viewer", amelie)))
	tests := map[string]func(t *testing.T, path string){
		"half-written": func(t *testing.T, path string) { write(t, path, good[:len(good)/2]) },
		"empty":        func(t *testing.T, path string) { write(t, path, "") },
		"another application": func(t *testing.T, path string) {
			write(t, path, strings.Replace(good, `"finance"`, `"sales"`, 1))
		},
		"another organization": func(t *testing.T, path string) {
			write(t, path, strings.Replace(good, `"acme"`, `"globex"`, 1))
		},
		"another kind": func(t *testing.T, path string) {
			write(t, path, `{"apiVersion":"access.usher.dev/v1","kind":"UserOrganizationsDocument","organizations":[],"user":"u"}`)
		},
		"a directory that cannot be listed": func(t *testing.T, path string) {
			// A link to itself: reading it fails with an error other than a missing file.
			dir := filepath.Dir(path)
			if err := os.Symlink("..data", filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
		},
		"no regular file": func(t *testing.T, path string) {
			if err := os.Symlink("/dev/null", path+".tmp"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".tmp", path); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			dir, now := t.TempDir(), newClock()
			path := filepath.Join(dir, "access.json")
			write(t, path, good)
			var said events
			f := follow(t, document.Options{
				Directories: []string{dir}, Organization: "acme", Now: now.Now, OnEvent: said.add, Grace: 30 * time.Second,
				PollInterval: time.Minute,
			})
			spoil(t, path)
			eventuallyIs(t, "standing in", func() int { return f.Stats().StandingIn }, 1)
			failed, _ := said.last(document.Failed)
			if failed.Err == nil || !failed.Until.Equal(start.Add(30*time.Second)) && failed.Path == path {
				t.Errorf("it says %+v", failed)
			}
			now.pass(30*time.Second - 1)
			if f.Role(amelie) != "Viewer" {
				t.Error("the last good document is not used")
			}
			now.pass(1)
			if f.Role(amelie) != document.NoAccess {
				t.Error("the last good document is used for too long")
			}
		})
	}
}

func TestBrokenDocumentIsReportedAndRepaired(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	path := filepath.Join(dir, "access.json")
	var said events
	f := follow(t, document.Options{Directories: []string{dir}, Now: now.Now, OnEvent: said.add})
	write(t, path, "{")
	eventuallyIs(t, "denying", func() int { return f.Stats().Denying }, 1)
	if failed, _ := said.last(document.Failed); !failed.Until.IsZero() || failed.Path != path {
		t.Errorf("it says %+v", failed)
	}
	write(t, path, encode(t, finance(0, 1, with("Viewer", amelie))))
	eventuallyIs(t, "the role", func() string { return f.Role(amelie) }, "Viewer")
	write(t, path, "[]")
	eventuallyIs(t, "standing in", func() int { return f.Stats().StandingIn }, 1)
	now.pass(document.DefaultGrace)
	eventuallyIs(t, "events of denial", func() int { return said.count(document.Denied) }, 1)
	eventuallyIs(t, "denying", func() int { return f.Stats().Denying }, 1)
	write(t, path, encode(t, finance(0, 1, with("Editor", amelie))))
	eventuallyIs(t, "the role", func() string { return f.Role(amelie) }, "Editor")
	got := f.Stats()
	got.Read, got.Changed = 0, time.Time{}
	if diff := cmp.Diff(document.Stats{Loaded: 2, Failures: 2, Denials: 1, Documents: 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoGrace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.json")
	write(t, path, encode(t, finance(0, 1, with("Viewer", amelie))))
	f := follow(t, document.Options{Directories: []string{dir}, Grace: -1})
	write(t, path, "{")
	eventuallyIs(t, "the role", func() string { return f.Role(amelie) }, document.NoAccess)
}

func TestDifferentOrganizationsGiveNoAccess(t *testing.T) {
	dir := t.TempDir()
	other := finance(0, 1, with("Viewer", zoe))
	other.Organization = "globex"
	write(t, filepath.Join(dir, "a", "access.json"), encode(t, finance(0, 1, with("Viewer", amelie))))
	write(t, filepath.Join(dir, "b", "access.json"), encode(t, other))
	var said events
	f := follow(t, document.Options{Directories: []string{dir}, OnEvent: said.add})
	if f.Role(amelie) != document.NoAccess || f.Role(zoe) != document.NoAccess || said.count(document.Failed) != 2 {
		t.Errorf("%s and %s have access after %d failures", f.Role(amelie), f.Role(zoe), said.count(document.Failed))
	}
}

func TestCloseLeavesTheGrace(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	path := filepath.Join(dir, "access.json")
	write(t, path, encode(t, finance(0, 1, with("Viewer", amelie))))
	before := runtime.NumGoroutine()
	f := follow(t, document.Options{Directories: []string{dir}, Now: now.Now, Grace: time.Second})
	f.Close()
	f.Close()
	if f.Role(amelie) != "Viewer" {
		t.Error("requests that are under way are denied")
	}
	now.pass(time.Second)
	if f.Role(amelie) != document.NoAccess || f.Filters(amelie) == nil {
		t.Error("answers that are not updated any more never expire")
	}
	eventually(t, func() error {
		if after := runtime.NumGoroutine(); after > before {
			return fmt.Errorf("%d goroutines before, %d after", before, after)
		}
		return nil
	})
}

func TestOptions(t *testing.T) {
	tests := map[string]struct {
		application string
		options     document.Options
	}{
		"no application":      {"", document.Options{Directories: []string{"/"}}},
		"no directory":        {"finance", document.Options{}},
		"grace without end":   {"finance", document.Options{Directories: []string{"/"}, Grace: 2 * time.Hour}},
		"poll all the time":   {"finance", document.Options{Directories: []string{"/"}, PollInterval: 1}},
		"poll hardly ever":    {"finance", document.Options{Directories: []string{"/"}, PollInterval: time.Hour}},
		"no such way to look": {"finance", document.Options{Directories: []string{"/"}, Watching: "Sometimes"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := document.FollowApplication(t.Context(), tc.application, tc.options); err == nil {
				t.Error("no error for an application")
			}
			if _, err := document.FollowUser(t.Context(), tc.application, tc.options); err == nil {
				t.Error("no error for a user")
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	m := &mount{dir: t.TempDir()}
	document0 := encode(t, finance(0, 1, with("Viewer", amelie)))
	m.swap(t, map[string]string{"access.json": document0})
	f := follow(t, document.Options{Directories: []string{m.dir}})
	stop := make(chan struct{})
	failed := make(chan string, 4)
	for range 4 {
		go func() {
			defer func() { failed <- "" }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if f.Role(amelie) != "Viewer" || !f.Can(amelie, "view") || f.Filters(amelie) != nil || f.Stats().Documents != 1 {
					failed <- "a user who keeps access is without it"
					return
				}
			}
		}()
	}
	for range 100 {
		m.swap(t, map[string]string{"access.json": document0})
	}
	close(stop)
	for range 4 {
		if why := <-failed; why != "" {
			t.Error(why)
		}
	}
}

func TestHitsDoNotAllocate(t *testing.T) {
	dir := t.TempDir()
	users := map[string]document.ApplicationUser{}
	for i := range 1000 {
		users[fmt.Sprintf("user%d@acme.example", i)] = document.ApplicationUser{
			Role: "Editor", Filters: frenchRows, NotAfter: time.Now().Add(time.Hour),
		}
	}
	for shard := range 4 {
		write(t, filepath.Join(dir, fmt.Sprint(shard), "access.json"), encode(t, finance(shard, 4, users)))
	}
	f := follow(t, document.Options{Directories: []string{dir}, PollInterval: time.Minute})
	allocations := testing.AllocsPerRun(1000, func() {
		if !f.Can("user7@acme.example", "edit") || f.Role("user8@acme.example") != "Editor" ||
			len(f.Filters("user9@acme.example")) != 1 || f.Role("nobody") != document.NoAccess ||
			len(f.Filters("nobody")) != 1 {
			t.Fatal("wrong answer")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkCan(b *testing.B) {
	dir := b.TempDir()
	users := map[string]document.ApplicationUser{}
	for i := range 5000 {
		users[fmt.Sprintf("user%d@acme.example", i)] = document.ApplicationUser{
			Role: "Editor", NotAfter: time.Now().Add(time.Hour),
		}
	}
	for shard := range 4 {
		write(b, filepath.Join(dir, fmt.Sprint(shard), "access.json"), encode(b, finance(shard, 4, users)))
	}
	f := follow(b, document.Options{Directories: []string{dir}, PollInterval: time.Minute})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !f.Can("user7@acme.example", "edit") {
				b.Fatal("wrong answer")
			}
		}
	})
}

package follow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"
)

// following is a follower that runs until the test ends.
type following struct {
	*Follower

	t     *testing.T
	stop  context.CancelFunc
	ended chan error
}

func start(t *testing.T, s *apiServer, dir string, names ...string) *following {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &following{
		Follower: &Follower{Client: s.client(t), Directory: dir, ConfigMaps: names, Log: testLog(t)},
		t:        t, stop: stop, ended: make(chan error, 1),
	}
	go func() { f.ended <- f.Run(ctx) }()
	t.Cleanup(f.end)
	return f
}

func testLog(t *testing.T) logr.Logger {
	t.Helper()
	return testr.New(t)
}

// end stops the follower and waits until it has stopped.
func (f *following) end() {
	f.t.Helper()
	if f.stop == nil {
		return
	}
	f.stop()
	f.stop = nil
	if err := <-f.ended; err != nil {
		f.t.Errorf("it ended with %v", err)
	}
}

// eventually waits until the check passes.
func (f *following) eventually(check func() error) {
	f.t.Helper()
	var last error
	if err := wait.PollUntilContextTimeout(f.t.Context(), time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	}); err != nil {
		f.t.Fatal(last)
	}
}

// shows returns a check of the files by ConfigMap and key.
func (f *following) shows(want map[string]map[string]string) func() error {
	return func() error {
		got := map[string]map[string]string{}
		entries, err := os.ReadDir(f.Directory)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			got[entry.Name()] = map[string]string{}
			keys, err := filepath.Glob(filepath.Join(f.Directory, entry.Name(), "[^.]*"))
			if err != nil {
				return err
			}
			for _, key := range keys {
				text, err := os.ReadFile(key)
				if err != nil {
					return err
				}
				got[entry.Name()][filepath.Base(key)] = string(text)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("files (-want +got):\n%s", diff)
		}
		return nil
	}
}

type files = map[string]map[string]string

func TestFollow(t *testing.T) {
	s := newAPIServer(t)
	s.set("one", map[string]string{"access.json": "{}"})
	s.set("unrelated", map[string]string{"access.json": "{}"})
	f := start(t, s, filepath.Join(t.TempDir(), "made", "here"), "one", "two")
	f.eventually(f.Ready)
	if err := f.shows(files{"one": {"access.json": "{}"}, "two": {}})(); err != nil {
		t.Fatalf("ready, but %v", err)
	}
	for _, step := range []struct {
		does string
		name string
		data map[string]string
		want files
	}{
		{"create", "two", map[string]string{"a": "1"}, files{"one": {"access.json": "{}"}, "two": {"a": "1"}}},
		{"change", "one", map[string]string{"access.json": "[]"}, files{"one": {"access.json": "[]"}, "two": {"a": "1"}}},
		{"add a key", "two", map[string]string{"a": "1", "b": "2"}, files{"one": {"access.json": "[]"}, "two": {"a": "1", "b": "2"}}},
		{"remove a key", "two", map[string]string{"b": "2"}, files{"one": {"access.json": "[]"}, "two": {"b": "2"}}},
		{"delete", "one", nil, files{"one": {}, "two": {"b": "2"}}},
		{"change what is not followed", "unrelated", map[string]string{"access.json": "[]"}, files{"one": {}, "two": {"b": "2"}}},
		{"create again", "one", map[string]string{"access.json": "{}"}, files{"one": {"access.json": "{}"}, "two": {"b": "2"}}},
	} {
		t.Log(step.does)
		s.set(step.name, step.data)
		f.eventually(f.shows(step.want))
	}
	if err := f.Ready(); err != nil {
		t.Error(err)
	}
	if got := s.listCount(); got != 2 {
		t.Errorf("the ConfigMaps were listed %d times, want once each: the watch has all changes", got)
	}
}

func TestReadyNeedsEveryList(t *testing.T) {
	s := newAPIServer(t)
	s.serve(http.StatusForbidden)
	f := &Follower{Client: s.client(t), Directory: t.TempDir(), ConfigMaps: []string{"one"}}
	if err := f.Ready(); err == nil {
		t.Error("ready before it runs")
	}
	running := start(t, s, f.Directory, "one", "two")
	running.eventually(func() error {
		err := running.Ready()
		if err == nil {
			t.Fatal("ready without a list")
		}
		for _, part := range []string{
			"ConfigMap one: list it: ", "ConfigMap two: ", "refused by the test",
			"a Role has to allow list and watch on configmaps with the resource name one",
		} {
			if !strings.Contains(err.Error(), part) {
				return fmt.Errorf("the error does not say %q: %w", part, err)
			}
		}
		return nil
	})
	s.serve(0)
	running.eventually(running.Ready)
}

func TestALostWatchChangesNothing(t *testing.T) {
	s := newAPIServer(t)
	s.set("one", map[string]string{"a": "1"})
	f := start(t, s, t.TempDir(), "one")
	f.eventually(f.Ready)

	s.serve(http.StatusServiceUnavailable)
	s.set("one", map[string]string{"a": "2"})
	f.eventually(func() error {
		if s.refusedCount() < 2 {
			return errors.New("it does not try again")
		}
		return nil
	})
	if err := errors.Join(f.Ready(), f.shows(files{"one": {"a": "1"}})()); err != nil {
		t.Error(err)
	}
	s.serve(0)
	f.eventually(f.shows(files{"one": {"a": "2"}}))

	s.serve(http.StatusServiceUnavailable)
	s.set("one", nil)
	s.serve(0)
	f.eventually(f.shows(files{"one": {}}))

	before := s.listCount()
	s.fail("one")
	f.eventually(func() error {
		if got := s.listCount(); got == before {
			return errors.New("it was not listed after an error of the watch")
		}
		return nil
	})
	s.set("one", map[string]string{"a": "3"})
	f.eventually(f.shows(files{"one": {"a": "3"}}))
}

func TestARestartKeepsWhatIsCurrent(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	s.set("one", map[string]string{"a": "1"})
	s.set("two", map[string]string{"a": "1"})
	f := start(t, s, dir, "one", "two")
	f.eventually(f.Ready)
	f.end()
	target := func(name string) string {
		t.Helper()
		target, err := os.Readlink(filepath.Join(dir, name, dataLink))
		if err != nil {
			t.Fatal(err)
		}
		return target
	}
	one, two := target("one"), target("two")

	s.set("one", map[string]string{"a": "1"}) // another version with the same data
	s.set("two", nil)
	f = start(t, s, dir, "one", "two")
	f.eventually(f.Ready)
	if err := f.shows(files{"one": {"a": "1"}, "two": {}})(); err != nil {
		t.Fatal(err)
	}
	if target("one") != one {
		t.Error("what had not changed was written again")
	}
	if target("two") == two {
		t.Error("what had changed was not swapped")
	}
}

func TestWhatCannotBeWrittenIsNotReady(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	s.set("one", map[string]string{"a": "1"})
	foreign := filepath.Join(dir, "one")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := start(t, s, dir, "one", "two")
	f.eventually(func() error {
		if err := f.Ready(); !strings.Contains(err.Error(), "ConfigMap one: write its files: ") || strings.Contains(err.Error(), "two") {
			return err
		}
		return nil
	})
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	f.eventually(f.Ready)
	if err := f.shows(files{"one": {"a": "1"}, "two": {}})(); err != nil {
		t.Error(err)
	}
}

func TestFilesOfAConfigMapThatIsNotFollowed(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	s.set("one", map[string]string{"a": "1"})
	f := start(t, s, dir, "one")
	f.eventually(f.Ready)
	f.end()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	other := &Follower{Client: s.client(t), Directory: dir, ConfigMaps: []string{"two"}}
	err := other.Run(t.Context())
	if want := filepath.Join(dir, "one") + " has files of a ConfigMap that is not followed"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

// TestABadKey checks that a key that is not a valid file name is an error, regardless of the server that sent it.
func TestABadKey(t *testing.T) {
	s := newAPIServer(t)
	s.set("one", map[string]string{"../../escaped": "1"})
	f := start(t, s, t.TempDir(), "one")
	f.eventually(func() error {
		if err := f.Ready(); err == nil || !strings.Contains(err.Error(), `key "../../escaped"`) {
			return fmt.Errorf("got error %w", err)
		}
		return nil
	})
	if err := f.shows(files{})(); err != nil {
		t.Error(err)
	}
}

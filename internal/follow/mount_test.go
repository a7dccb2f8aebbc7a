package follow

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testMount is a mount in a directory of the test.
type testMount struct {
	*mount

	t   *testing.T
	dir string
}

func newTestMount(t *testing.T) *testMount {
	t.Helper()
	parent := t.TempDir()
	root, err := os.OpenRoot(parent)
	if err != nil {
		t.Fatal(err)
	}
	m, err := openMount(root, "one")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	return &testMount{mount: m, t: t, dir: filepath.Join(parent, "one")}
}

func (m *testMount) mustWrite(files map[string]string, wantChanged bool) {
	m.t.Helper()
	changed, err := m.write(files)
	if err != nil {
		m.t.Fatal(err)
	}
	if changed != wantChanged {
		m.t.Errorf("write reports changed=%t, want %t", changed, wantChanged)
	}
	m.expect(files)
}

// expect checks that the directory shows these files and contains nothing except the link and its target.
func (m *testMount) expect(files map[string]string) {
	m.t.Helper()
	if diff := cmp.Diff(files, readFiles(m.t, m.dir)); diff != "" {
		m.t.Errorf("files (-want +got):\n%s", diff)
	}
	want := append([]string{dataLink, m.target()}, slices.Collect(maps.Keys(files))...)
	slices.Sort(want)
	var got []string
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		m.t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func (m *testMount) target() string {
	m.t.Helper()
	target, err := os.Readlink(filepath.Join(m.dir, dataLink))
	if err != nil {
		m.t.Fatal(err)
	}
	return target
}

// readFiles returns the files that a reader of the directory sees.
func readFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ownPrefix) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
	}
	return files
}

func TestWrite(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 10_000)
	for name, steps := range map[string][]map[string]string{
		"no ConfigMap":              {{}},
		"one key":                   {{"access.json": "{}"}},
		"other text":                {{"access.json": "{}"}, {"access.json": "[]"}},
		"longer text":               {{"access.json": long}, {"access.json": long + "x"}},
		"shorter text":              {{"access.json": long}, {"access.json": long[1:]}},
		"text that differs late":    {{"access.json": long + "a"}, {"access.json": long + "b"}},
		"no text":                   {{"access.json": ""}, {"access.json": "{}"}, {"access.json": ""}},
		"another key":               {{"a": "1"}, {"b": "1"}},
		"a key more":                {{"a": "1"}, {"a": "1", "b": "2"}},
		"a key less":                {{"a": "1", "b": "2"}, {"a": "1"}},
		"keys that begin with dots": {{".a": "1", ".b": "2"}, {".a": "3"}},
		"gone and back":             {{"a": "1"}, {}, {"a": "1"}},
		"back to what it was":       {{"a": "1"}, {"a": "2"}, {"a": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMount(t)
			for _, files := range steps {
				m.mustWrite(files, true)
				before := m.target()
				m.mustWrite(files, false)
				if after := m.target(); after != before {
					t.Errorf("it was swapped from %s to %s, though nothing changed", before, after)
				}
			}
		})
	}
}

// TestWriteModes checks that another user may read the files, regardless of the umask.
func TestWriteModes(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	m := newTestMount(t)
	m.mustWrite(map[string]string{"a": "1"}, true)
	for path, want := range map[string]fs.FileMode{"": 0o755, m.target(): 0o755, "a": 0o644} {
		info, err := os.Stat(filepath.Join(m.dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %o, want %o", path, got, want)
		}
	}
}

// TestWriteMends checks that a write removes everything that an earlier writer has left behind.
func TestWriteMends(t *testing.T) {
	files := map[string]string{"a": "1", "b": "2"}
	for name, tc := range map[string]struct {
		damage  func(m *testMount) error
		next    map[string]string // nil: the same
		changed bool
	}{
		"a directory that was not swapped in": {damage: func(m *testMount) error {
			return os.Mkdir(filepath.Join(m.dir, "..unfinished"), 0o755)
		}},
		"a link that was not renamed": {damage: func(m *testMount) error {
			return os.Symlink("..unfinished", filepath.Join(m.dir, newDataLink))
		}},
		"a link that was not renamed, before a change": {next: map[string]string{"a": "2"}, changed: true, damage: func(m *testMount) error {
			return os.Symlink(m.target(), filepath.Join(m.dir, newDataLink))
		}},
		"a key without a link": {damage: func(m *testMount) error {
			return os.Remove(filepath.Join(m.dir, "a"))
		}},
		"a link of a key that is gone": {damage: func(m *testMount) error {
			return os.Symlink("..data/gone", filepath.Join(m.dir, "gone"))
		}},
		"other text": {changed: true, damage: func(m *testMount) error {
			return os.WriteFile(filepath.Join(m.dir, "a"), []byte("3"), 0o600)
		}},
		"a file more": {changed: true, damage: func(m *testMount) error {
			return os.WriteFile(filepath.Join(m.dir, dataLink, "c"), nil, 0o600)
		}},
		"a directory instead of a file": {changed: true, damage: func(m *testMount) error {
			path := filepath.Join(m.dir, dataLink, "a")
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		}},
		"a data link to nowhere": {changed: true, damage: func(m *testMount) error {
			return os.RemoveAll(filepath.Join(m.dir, m.target()))
		}},
		"no data link": {changed: true, damage: func(m *testMount) error {
			return os.Remove(filepath.Join(m.dir, dataLink))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMount(t)
			m.mustWrite(files, true)
			if err := tc.damage(m); err != nil {
				t.Fatal(err)
			}
			next := files
			if tc.next != nil {
				next = tc.next
			}
			m.mustWrite(next, tc.changed)
		})
	}
}

// TestWriteLeavesWhatIsNotItsOwn checks that a directory with foreign files is an error and loses nothing.
func TestWriteLeavesWhatIsNotItsOwn(t *testing.T) {
	for name, foreign := range map[string]func(path string) error{
		"a file":              func(path string) error { return os.WriteFile(path, []byte("foreign"), 0o600) },
		"a directory":         func(path string) error { return os.Mkdir(path, 0o700) },
		"a link to elsewhere": func(path string) error { return os.Symlink("/etc/hosts", path) },
	} {
		for _, key := range []string{"a", "other"} {
			t.Run(name+" "+key, func(t *testing.T) {
				m := newTestMount(t)
				path := filepath.Join(m.dir, key)
				if err := foreign(path); err != nil {
					t.Fatal(err)
				}
				before, err := os.Lstat(path)
				if err != nil {
					t.Fatal(err)
				}
				_, err = m.write(map[string]string{"a": "1"})
				if err == nil || !strings.Contains(err.Error(), path+": something else has written it") {
					t.Errorf("got error %v", err)
				}
				after, err := os.Lstat(path)
				if err != nil || !os.SameFile(before, after) {
					t.Errorf("%s was changed: %v", path, err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				m.mustWrite(map[string]string{"a": "1"}, false)
			})
		}
	}
}

// TestWriteFails checks that the previous files stay if the new files cannot be written.
func TestWriteFails(t *testing.T) {
	m := newTestMount(t)
	files := map[string]string{"a": "1"}
	m.mustWrite(files, true)
	if _, err := m.write(map[string]string{"a": "2", "no/file": ""}); err == nil {
		t.Fatal("it wrote a key with a slash")
	}
	m.expect(files)
}

// TestWriteFollowsNoLinkOut checks that a data link to a target outside the directory is an error, and that nothing
// is written there.
func TestWriteFollowsNoLinkOut(t *testing.T) {
	m := newTestMount(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(m.dir, dataLink)); err != nil {
		t.Fatal(err)
	}
	_, err := m.write(map[string]string{"a": "1"})
	entries, readErr := os.ReadDir(outside)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err == nil || len(entries) > 0 {
		t.Errorf("got error %v and files %v outside of the directory", err, entries)
	}
}

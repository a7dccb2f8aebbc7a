//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// A reviewer reads the files of another author's repository on the reviewer's machine.
func TestAttackFilesThatAreNone(t *testing.T) {
	const notRegular = "only regular files are read; pipe its content in and name the file -"
	outside := tree(t, map[string]string{"secret.yaml": good})
	for name, tc := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"pipe": {func(t *testing.T, path string) {
			t.Helper()
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, notRegular},
		"link to a pipe": {func(t *testing.T, path string) {
			t.Helper()
			if err := syscall.Mkfifo(path+".pipe", 0o600); err != nil {
				t.Fatal(err)
			}
			link(t, filepath.Base(path)+".pipe", path)
		}, notRegular},
		"link to a device":         {func(t *testing.T, path string) { t.Helper(); link(t, "/dev/zero", path) }, "a symbolic link is followed only"},
		"link out of the tree":     {func(t *testing.T, path string) { t.Helper(); link(t, outside+"/secret.yaml", path) }, "a symbolic link is followed only"},
		"relative link out of it":  {func(t *testing.T, path string) { t.Helper(); link(t, "../../../../../../etc/passwd", path) }, "a symbolic link is followed only"},
		"link to itself":           {func(t *testing.T, path string) { t.Helper(); link(t, filepath.Base(path), path) }, "a symbolic link is followed only"},
		"directory called a file":  {func(t *testing.T, path string) { t.Helper(); link(t, ".", path) }, "it is a directory, not a file"},
		"link to a file elsewhere": {func(t *testing.T, path string) { t.Helper(); link(t, "none.yaml", path) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			directory := tree(t, map[string]string{"good.yaml": good})
			tc.make(t, filepath.Join(directory, "bad.yaml"))
			got := refuses(t, call{args: []string{"lint", "-f", "DIR"}}, directory, "DIR/bad.yaml: ")
			if !strings.Contains(got.out, tc.want) || strings.Contains(got.out, "declared at") {
				t.Errorf("got %q", got.out)
			}
		})
	}
}

func TestAttackPipesAndDevicesByName(t *testing.T) {
	directory := tree(t, map[string]string{"good.yaml": good, "k/kustomization.yaml": kustomization, "k/good.yaml": good})
	for _, name := range []string{"pipe.yaml", "k/bad.yaml"} {
		if err := syscall.Mkfifo(filepath.Join(directory, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const pipe, device = "it is a pipe, and only regular files are read", "it is a device, and only regular files are read"
	refuses(t, call{args: []string{"lint", "-f", "DIR/pipe.yaml"}}, directory, pipe)
	refuses(t, call{args: []string{"lint", "-k", "DIR/k"}}, directory, pipe)
	refuses(t, call{args: []string{"import", "DIR/pipe.yaml", "--standalone", "-n", "acme"}}, directory, pipe)
	refuses(t, call{args: []string{"lint", "-f", "/dev/zero"}}, directory, device)
	refuses(t, call{args: []string{"import", "/dev/zero", "--standalone", "-n", "acme"}}, directory, device)
	const manifest = "accessgroup-acme-g.yaml"
	if err := syscall.Mkfifo(filepath.Join(directory, manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, call{
		args: []string{"import", "-", "-f", "DIR/good.yaml", "-n", "acme", "--output-dir", "DIR"}, stdin: "record,group\ngroup,g\n",
	}, directory, manifest+" exists with other content")
}

func TestLinksThatAreFollowed(t *testing.T) {
	directory := tree(t, map[string]string{"tree/real/good.yaml": good})
	link(t, "real/good.yaml", filepath.Join(directory, "tree/linked.yaml"))
	link(t, filepath.Join(directory, "tree/real/good.yaml"), filepath.Join(directory, "named.yaml"))
	link(t, "tree", filepath.Join(directory, "named"))
	for _, name := range []string{"tree", "named.yaml", "named"} {
		got := call{args: []string{"can", "ana@acme.example", "red", "edit", "-f", filepath.Join(directory, name)}}.run(t)
		if got.code != 0 || got.out != "yes\n" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

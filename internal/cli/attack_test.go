package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-dev/usher/internal/cli"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// tree writes the files to a new directory, and returns the directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for file, content := range files {
		path := filepath.Join(directory, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// refuses runs the command, with DIR replaced by the directory, and looks for the text in its error.
func refuses(t *testing.T, c call, directory, want string) answer {
	t.Helper()
	for i := range c.args {
		c.args[i] = strings.ReplaceAll(c.args[i], "DIR", directory)
	}
	got := c.run(t)
	if directory != "" {
		got.out, got.errOut = strings.ReplaceAll(got.out, directory, "DIR"), strings.ReplaceAll(got.errOut, directory, "DIR")
	}
	if got.code == 0 || !strings.Contains(got.out+got.errOut, want) {
		t.Errorf("%v: got exit code %d\n%.500s--- on stderr\n%.500s\nwant %q", c.args, got.code, got.out, got.errOut, want)
	}
	return got
}

const kustomization = "resources: [good.yaml, bad.yaml]\n"

// A few hundred bytes can expand to gigabytes.
func TestAttackAliasBomb(t *testing.T) {
	var lists, maps strings.Builder
	fmt.Fprintf(&lists, "a0: &a0 %s\n", strings.Repeat("x", 1000))
	maps.WriteString("m0: &m0 {k: v}\n")
	for i := range 6 {
		fmt.Fprintf(&lists, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 20), ","))
		fmt.Fprintf(&maps, "m%d: &m%d {", i+1, i+1)
		for j := range 20 {
			fmt.Fprintf(&maps, "k%d: *m%d, ", j, i)
		}
		maps.WriteString("}\n")
	}
	for name, bomb := range map[string]string{
		"lists": lists.String(), "maps": maps.String(),
		"one long value": "a: &a " + strings.Repeat("x", 100_000) + "\nb: [" + strings.Repeat("*a,", 10_000) + "]\n",
		"merge keys":     maps.String() + "b:\n" + strings.Repeat("- {<<: *m6}\n", 10),
	} {
		t.Run(name, func(t *testing.T) {
			object := strings.Replace(good, "editors", "bomb", 1) + bomb
			directory := tree(t, map[string]string{"good.yaml": good, "bad.yaml": object, "k/kustomization.yaml": kustomization,
				"k/good.yaml": good, "k/bad.yaml": object})
			const refused = "the aliases (*name) of this document repeat more than 2 MiB"
			got := refuses(t, call{args: []string{"who-can", "red", "-f", "DIR"}}, directory, "error: DIR/bad.yaml:")
			if !strings.Contains(got.errOut, refused) || !strings.Contains(got.out, "ana@acme.example") {
				t.Errorf("got %+v", got)
			}
			refuses(t, call{args: []string{"who-can", "red", "-f", "-"}, stdin: object}, directory, refused)
			refuses(t, call{args: []string{"who-can", "red", "-k", "DIR/k"}}, directory, refused)
		})
	}
}

func TestAliasesThatRepeatLittle(t *testing.T) {
	text := "x-roles: &roles\n- application: red\n  role: Editor\n"
	withAlias := strings.Replace(good, "  applicationAccess:\n  - application: red\n    role: Editor\n", "  applicationAccess: *roles\n", 1)
	list := "apiVersion: v1\nkind: List\n" + text + "items:\n- " + strings.ReplaceAll(strings.TrimSpace(withAlias), "\n", "\n  ") + "\n"
	got := call{args: strings.Fields("can ana@acme.example red edit -f -"), stdin: list}.run(t)
	if got.code != 0 || got.out != "yes\n" {
		t.Errorf("got %+v", got)
	}
}

func TestAttackAnchorInItself(t *testing.T) {
	refuses(t, call{args: []string{"lint", "-f", "-"}, stdin: "a: &a [*a]\n"}, "", "anchor")
}

// Each of many small files is within every limit for one file.
func TestAttackMoreThanTheLimit(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("%d.yaml", i)] = "# " + strings.Repeat("x", 1000)
	}
	directory := tree(t, files)
	const refused = "the input has more than 16Ki bytes together"
	refuses(t, call{args: []string{"lint", "--max-bytes=16Ki", "-f", "DIR"}}, directory, refused)
	refuses(t, call{args: []string{"lint", "--max-bytes=16Ki", "-f", "-"}, stdin: strings.Repeat("a", 17<<10)}, directory, refused)
	refuses(t, call{args: []string{"diff", "--max-bytes=16Ki", "-f", "DIR/1.yaml", "--against", "DIR"}}, directory, refused)
	csv := tree(t, map[string]string{"people.csv": strings.Repeat("a", 17<<10)})
	refuses(t, call{args: []string{"import", "--max-bytes=16Ki", "--standalone", "-n", "acme", "DIR/people.csv"}}, csv, refused)
	refuses(t, call{args: []string{"lint", "--max-bytes=0", "-f", "DIR"}}, directory, "--max-bytes 0: must be more than 0")
}

// zeros is an endless standard input.
type zeros struct{}

// Read fills the buffer.
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAttackStandardInputWithoutEnd(t *testing.T) {
	for _, args := range [][]string{{"lint", "-f", "-"}, {"import", "-", "--standalone", "-n", "acme"}} {
		var errOut bytes.Buffer
		streams := terminal.Streams{In: zeros{}, Out: io.Discard, ErrOut: &errOut}
		if code := cli.Main(t.Context(), args, streams, func() time.Time { return june }); code == 0 ||
			!strings.Contains(errOut.String(), "the input has more than 64Mi bytes together") {
			t.Errorf("%v: got exit code %d, %q", args, code, errOut.String())
		}
	}
}

func TestAttackMillionsOfDocuments(t *testing.T) {
	const many = 300_000
	for name, text := range map[string]string{
		"JSON":      strings.Repeat("{}", many),
		"YAML":      strings.Repeat("a: b\n---\n", many),
		"separator": strings.Repeat("---\n", many),
		"items":     `{"apiVersion":"v1","kind":"List","items":[` + strings.Repeat("{},", many) + "{}]}",
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, call{args: []string{"lint", "-f", "-"}, stdin: text}, "", "the input has more than 250000 documents and list items")
		})
	}
	t.Run("lines", func(t *testing.T) {
		refuses(t, call{
			args:  []string{"import", "-", "--standalone", "-n", "acme"},
			stdin: "record,group,user\n" + strings.Repeat("member,g,u\n", many),
		}, "", "the input has more than 250000 documents and list items")
	})
}

func TestAttackMillionsOfValues(t *testing.T) {
	for name, text := range map[string]string{
		"flow":  "a: [" + strings.Repeat("[],", 1_000_001) + "]",
		"block": "a:\n" + strings.Repeat(strings.Repeat("- ", 1000)+"a\n", 2001),
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, call{args: []string{"lint", "-f", "-"}, stdin: text}, "", "the YAML document has more than 2000000 values")
		})
	}
}

func TestAttackDeepNesting(t *testing.T) {
	const deep = 20_000
	for name, text := range map[string]string{
		"flow":  strings.Repeat("[", deep) + strings.Repeat("]", deep),
		"block": strings.Repeat("- ", deep) + "a",
		"JSON":  strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep),
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, call{args: []string{"lint", "-f", "-"}, stdin: text}, "", "depth")
		})
	}
	const list = `{"apiVersion":"v1","kind":"List","items":[`
	refuses(t, call{args: []string{"lint", "-f", "-"}, stdin: strings.Repeat(list, 100) + strings.Repeat("]}", 100)}, "",
		"a List in a List is not read")
}

// blocked returns a standard input that never receives data.
func blocked(t *testing.T) io.Reader {
	t.Helper()
	in, out := io.Pipe()
	t.Cleanup(func() { _ = out.Close() })
	return in
}

// A signal ends the context, which ends every wait for input.
func TestAttackInputThatNeverComes(t *testing.T) {
	directory := tree(t, map[string]string{"good.yaml": good})
	for name, args := range map[string][]string{
		"objects": {"lint", "-f", "-"},
		"CSV":     {"import", "-", "--standalone", "-n", "acme"},
		"answer":  {"members", "add", "ben@acme.example", "-g", "editors", "-n", "acme", "--in-place", "-f", directory},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			code := make(chan int)
			asked := make(chan struct{})
			go func() {
				streams := terminal.Streams{In: &announced{blocked(t), asked}, Out: io.Discard, ErrOut: io.Discard}
				code <- cli.Main(ctx, args, streams, func() time.Time { return june })
			}()
			<-asked
			cancel()
			select {
			case got := <-code:
				if got == 0 {
					t.Error("got exit code 0")
				}
			case <-time.After(time.Minute):
				t.Fatal("the command goes on")
			}
		})
	}
}

// announced signals when the first read starts.
type announced struct {
	io.Reader

	asked chan struct{}
}

// Read signals the start and reads.
func (a *announced) Read(p []byte) (int, error) {
	close(a.asked)
	return a.Reader.Read(p)
}

package cli_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/cli"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

var update = flag.Bool("update", false, "write what commands show to testdata")

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// answer is the output of a command.
type answer struct {
	out, errOut string
	code        int
}

// call is one call of the plugin in the root directory of the repository, without a configured cluster.
type call struct {
	args  []string
	stdin string
	width int
	at    time.Time
}

func (c call) run(t *testing.T) answer {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("HOME", t.TempDir())
	// The help text contains the home directory.
	t.Chdir(root(t))
	var out, errOut bytes.Buffer
	now := c.at
	if now.IsZero() {
		now = june
	}
	streams := terminal.Streams{In: strings.NewReader(c.stdin), Out: &out, ErrOut: &errOut, Width: c.width, NoProgress: true}
	code := cli.Main(context.Background(), c.args, streams, func() time.Time { return now })
	return answer{out.String(), errOut.String(), code}
}

func root(t *testing.T) string {
	t.Helper()
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory
		}
		directory = filepath.Dir(directory)
	}
}

// golden compares the output of the calls with testdata/NAME. With -update, it writes the output there.
func golden(t *testing.T, name string, calls ...string) {
	t.Helper()
	var b strings.Builder
	for _, line := range calls {
		a := call{args: strings.Fields(line)}.run(t)
		fmt.Fprintf(&b, "$ kubectl access %s\n%s", line, a.out)
		if a.errOut != "" {
			fmt.Fprintf(&b, "--- on stderr\n%s", a.errOut)
		}
		fmt.Fprintf(&b, "--- exit code %d\n\n", a.code)
	}
	compare(t, name, b.String())
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(root(t), "internal", "cli", "testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./internal/cli -update writes it):\n%s", name, diff)
	}
}

const samples = " -f config/samples -R"

func TestCanOnTheSamples(t *testing.T) {
	golden(t, "can.golden",
		"can amelie@acme.example finance edit -n analytics"+samples,
		"can amelie@acme.example finance Administrator -n analytics"+samples,
		"can ana@acme.example finance Administrator -n analytics"+samples,
		"can bruno@acme.example sales edit -n analytics"+samples,
		"can bruno@acme.example sales edit -n analytics --at 2035-01-01"+samples,
		"can jonas@acme.example red view -n security-emea -k config/samples",
		"can amlie@acme.example finance edit -n analytics"+samples,
		"can amelie@acme.example finanse edit -n analytics"+samples,
		"can amelie@acme.example finance edti -n analytics"+samples,
		"can amelie@acme.example finance edit -q -n analytics"+samples,
		"can amelie@acme.example finance edit"+samples,
	)
}

func TestListOnTheSamples(t *testing.T) {
	golden(t, "list.golden",
		"list amelie@acme.example"+samples,
		"list amelie@acme.example -o wide"+samples,
		"list hugo@acme.example"+samples,
		"list iris@acme.example -o csv"+samples,
		"list bruno@acme.example -o json"+samples,
		"list grace@acme.example"+samples,
		"list bruno@acme.exampel"+samples,
		"list bruno@acme.example -o yaml"+samples,
	)
}

func TestWhoCanOnTheSamples(t *testing.T) {
	golden(t, "who-can.golden",
		"who-can finance"+samples,
		"who-can finance --permission edit -o wide"+samples,
		"who-can red --role Editor"+samples,
		"who-can red --role Administrator -n security-apac"+samples,
		"who-can blue -n security-emea -o csv"+samples,
		"who-can sales --role Administrator -o json"+samples,
		"who-can rde"+samples,
		"who-can finance --role Edtor"+samples,
		"who-can finance --role Editor --permission edit"+samples,
	)
}

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

// BenchmarkTenThousandUsers runs commands on files with ten thousand users. Each user is a member of groups and has
// a UserAccess.
func BenchmarkTenThousandUsers(b *testing.B) {
	directory := b.TempDir()
	writeUsers(b, directory, 10_000)
	b.Setenv("KUBECONFIG", filepath.Join(directory, "none"))
	for name, args := range map[string]string{
		"can":     "can user-77@acme.example app-3 view",
		"who-can": "who-can app-3 -o json",
		"list":    "list user-77@acme.example",
		"explain": "explain user-77@acme.example",
		"matrix":  "matrix",
		"page":    "matrix -o html",
		"report":  "report -o json",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var errOut bytes.Buffer
				streams := terminal.Streams{Out: io.Discard, ErrOut: &errOut}
				arguments := append(strings.Fields(args), "-f", directory)
				if code := cli.Main(context.Background(), arguments, streams, func() time.Time { return june }); code != 0 {
					b.Fatalf("exit code %d\n%s", code, errOut.String())
				}
			}
		})
	}
}

func writeUsers(tb testing.TB, directory string, count int) {
	tb.Helper()
	var groups, users strings.Builder
	const groupSize = 1000
	for i := range count {
		if i%groupSize == 0 {
			n := i / groupSize
			fmt.Fprintf(&groups, "---\napiVersion: access.usher.dev/v1alpha1\nkind: AccessGroup\n"+
				"metadata: {name: group-%d, namespace: acme}\nspec:\n  applicationAccess:\n"+
				"  - {application: app-%d, role: Editor}\n  - {application: app-3, role: Viewer}\n  members:\n", n, n)
		}
		fmt.Fprintf(&groups, "  - user: user-%d@acme.example\n", i)
		fmt.Fprintf(&users, "---\napiVersion: access.usher.dev/v1alpha1\nkind: UserAccess\n"+
			"metadata:\n  name: user-%d\n  namespace: acme\nspec:\n  user: user-%d@acme.example\n"+
			"  displayName: User %d\n  organizationRole: Viewer\n", i, i, i)
	}
	for name, text := range map[string]string{"groups.yaml": groups.String(), "users.yaml": users.String()} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var consoleBlock = regexp.MustCompile("(?s)```console\n(.*?)```")

// TestTheDocumentedExamples runs every command of docs/kubectl-access.md and compares its output with the page.
// With -update, it writes the output into the page.
func TestTheDocumentedExamples(t *testing.T) {
	path := filepath.Join(root(t), "docs", "kubectl-access.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	got := consoleBlock.ReplaceAllStringFunc(string(text), func(block string) string {
		examples++
		return "```console\n" + session(t, consoleBlock.FindStringSubmatch(block)[1]) + "```"
	})
	if examples < 8 {
		t.Errorf("%d examples", examples)
	}
	if *update {
		write(t, path, got)
		return
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("docs/kubectl-access.md (-page +shown):\n%s", diff)
	}
}

// session runs the commands of a block, and returns them with their output.
func session(t *testing.T, block string) string {
	t.Helper()
	var b strings.Builder
	code := 0
	for line := range strings.Lines(block) {
		command, is := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if !is {
			continue
		}
		b.WriteString(line)
		if command == "echo $?" {
			fmt.Fprintln(&b, code)
			continue
		}
		args, is := strings.CutPrefix(command, "kubectl access ")
		if !is {
			t.Fatalf("the test knows nothing of %q", command)
		}
		a := call{args: strings.Fields(strings.ReplaceAll(args, "'", ""))}.run(t)
		code = a.code
		b.WriteString(a.out)
	}
	return b.String()
}

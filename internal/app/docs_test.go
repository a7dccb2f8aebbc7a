package app

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

var flagRow = regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| (?:`([^`]*)`)? ?\\|")

// TestTheDocumentedFlags holds the table of docs/operations.md to the flags and their defaults.
func TestTheDocumentedFlags(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range flagRow.FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = row[2]
	}
	flags := map[string]string{}
	NewCommand().Flags().VisitAll(func(flag *pflag.Flag) { flags[flag.Name] = flag.DefValue })
	if diff := cmp.Diff(flags, documented); diff != "" {
		t.Errorf("docs/operations.md (-flags +page):\n%s", diff)
	}
}

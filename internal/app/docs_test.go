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

// TestTheDocumentedFlags holds the tables of flags to the flags and their defaults. Those of the log and --kubeconfig, which
// all programs have, are in the table of the manager.
func TestTheDocumentedFlags(t *testing.T) {
	bare := newSubcommand("", "")
	addCommonFlags(bare)
	for page, command := range map[string]string{"operations.md": "manager", "decisions.md": "pdp", "workloads.md": "follow", "scim.md": "scim"} {
		t.Run(command, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
			if err != nil {
				t.Fatal(err)
			}
			documented := map[string]string{}
			for _, row := range flagRow.FindAllStringSubmatch(string(text), -1) {
				documented[row[1]] = row[2]
			}
			found, _, err := NewCommand().Find([]string{command})
			if err != nil {
				t.Fatal(err)
			}
			flags := map[string]string{}
			found.Flags().VisitAll(func(flag *pflag.Flag) {
				if command == "manager" || bare.Flags().Lookup(flag.Name) == nil {
					flags[flag.Name] = flag.DefValue
				}
			})
			if diff := cmp.Diff(flags, documented); diff != "" {
				t.Errorf("docs/%s (-flags +page):\n%s", page, diff)
			}
		})
	}
}

package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheScriptsOfOtherTools runs every script of docs/coming-from.md in a directory with small files, and imports
// the resulting CSV. Scripts in that directory replace the commands that would call a server.
func TestTheScriptsOfOtherTools(t *testing.T) {
	page := read(t, filepath.Join(root(t), "docs", "coming-from.md"))
	scripts := regexp.MustCompile("(?s)```sh\n# ([a-z-]+)\\.sh\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(scripts) != 6 {
		t.Fatalf("docs/coming-from.md has %d scripts, want 6", len(scripts))
	}
	for _, script := range scripts {
		name, text := script[1], script[2]
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("jq"); err != nil && strings.Contains(text, "jq") {
				if os.Getenv("CI") == "true" {
					t.Fatal("no jq: install it")
				}
				t.Skip("no jq: install it")
			}
			command := exec.Command("sh", "-eu", "-c", text)
			command.Dir = filepath.Join(root(t), "internal", "cli", "testdata", "coming-from", name)
			command.Env = append(os.Environ(), "ORG=acme", "PATH="+command.Dir+":"+os.Getenv("PATH"))
			var said strings.Builder
			command.Stderr = &said
			table, err := command.Output()
			if err != nil || said.Len() > 0 {
				t.Fatalf("%v\n%s", err, said.String())
			}
			imported := call{args: []string{"import", "-", "--standalone", "-n", "acme"}, stdin: string(table)}.run(t)
			if imported.code != 0 {
				t.Errorf("import: exit code %d", imported.code)
			}
			compare(t, "coming-from/"+name+".golden", fmt.Sprintf("%s---\n%s--- on stderr\n%s", table, imported.out, imported.errOut))
		})
	}
}

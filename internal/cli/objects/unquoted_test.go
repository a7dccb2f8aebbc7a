package objects

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/cli/input"
)

// TestUnquotedValues uses values that YAML does not read as strings where a string is required. YAML reads a date
// as a string.
func TestUnquotedValues(t *testing.T) {
	for _, value := range []string{"123456789", "1e3", "on", "yes", "true", "0x1F"} {
		text := strings.ReplaceAll(`apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: team, namespace: acme}
spec:
  members:
  - user: a@acme.example
  - user: VALUE
  - user: "VALUE"
`, "VALUE", value)
		d := &document{file: "group.yaml", first: 4, text: []byte(text)}
		f, err := decode(d, "", &input.Reader{})
		if err != nil || len(f.problems) != 1 {
			t.Fatalf("%s: %d problems, %v", value, len(f.problems), errors.Join(err))
		}
		want := fmt.Sprintf("group.yaml:10: AccessGroup team: spec.members[1].user: %s is not a text; put it in quotes (%q)", value, value)
		if diff := cmp.Diff(want, fmt.Sprintf("%s: %v", f.problems[0].Origin, f.problems[0].Err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
}

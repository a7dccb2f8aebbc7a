package cli_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const reviewFiles = " -f internal/cli/testdata/review"

func TestReview(t *testing.T) {
	golden(t, "review.golden",
		"review"+reviewFiles,
		"review -n acme --within 0d"+reviewFiles,
		"review --within 2000d -o csv"+reviewFiles,
		"review -o json -n access-system"+reviewFiles,
		"review --at 2026-07-01 -n acme"+reviewFiles,
		"review far unreviewed"+reviewFiles,
		"review -l team=finance"+reviewFiles,
		"review -n access-system --within 1"+reviewFiles,
		"review -n access-system --within 1 -o json"+reviewFiles,
		"review --within 60d"+samples,
		"review contractor"+reviewFiles,
		"review contractors -l team=finance"+reviewFiles,
		"review --within tomorrow"+reviewFiles,
		"review --within -1d"+reviewFiles,
		"review -o yaml"+reviewFiles,
		"review --in-place --yes"+reviewFiles,
		"review",
	)
}

func TestReviewConfirm(t *testing.T) {
	golden(t, "review-confirm.golden",
		"review contractors --confirm"+reviewFiles,
		"review staff --confirm"+reviewFiles,
		"review kept never --confirm -o yaml"+reviewFiles,
		"review -l team --confirm"+reviewFiles,
		"review -l team=other --confirm"+reviewFiles,
		"review unreviewed kept --confirm"+reviewFiles,
		"review --confirm"+reviewFiles,
		"review contractors --confirm -o csv"+reviewFiles,
		"review contractors --confirm --at 2026-01-01"+reviewFiles,
	)
}

// TestConfirmingInFilesKeepsTheRest confirms a group in its file. Comments and order stay, and every other byte of
// the file is unchanged.
func TestConfirmingInFilesKeepsTheRest(t *testing.T) {
	text := read(t, filepath.Join(root(t), "internal", "cli", "testdata", "review", "groups.yaml"))
	first, rest, _ := strings.Cut(text, "---\n")
	file := filepath.Join(t.TempDir(), "groups.yaml")
	write(t, file, text)
	args := []string{"review", "contractors", "--confirm", "--in-place", "-f", file}
	if declined := (call{args: args, stdin: "n\n"}).run(t); declined.code != 1 || read(t, file) != text {
		t.Errorf("declined, and still: %+v", declined)
	}
	done := call{args: append(args, "--yes")}.run(t)
	if done.code != 0 || !strings.Contains(done.out, "+ gains") {
		t.Errorf("%+v", done)
	}
	want := strings.Replace(first, "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", 1) + "---\n" + rest
	if diff := cmp.Diff(want, read(t, file)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if again := (call{args: append(args, "--yes")}).run(t); again.code != 0 || !strings.Contains(again.out, "unchanged") {
		t.Errorf("again: %+v", again)
	}
	later := call{args: append(args, "--yes"), at: june.Add(time.Hour)}.run(t)
	if later.code != 0 || !strings.Contains(read(t, file), `"2026-06-01T01:00:00Z"`) {
		t.Errorf("an hour later: %+v", later)
	}
}

// TestReviewNamesWhoChangedTheGroupLast checks that the newest entry for the main resource counts, not an entry for
// its status.
func TestReviewNamesWhoChangedTheGroupLast(t *testing.T) {
	s := newServer(t)
	for _, object := range s.objects["accessgroups"] {
		object["metadata"].(map[string]any)["managedFields"] = []any{
			map[string]any{"manager": "kubectl-access", "operation": "Apply", "time": "2026-05-02T10:00:00Z"},
			map[string]any{"manager": "kustomize-controller", "operation": "Apply", "time": "2026-05-03T10:00:00Z"},
			map[string]any{"manager": "argocd-controller", "operation": "Update", "time": "2026-05-01T10:00:00Z"},
			map[string]any{"manager": "usher", "operation": "Update", "time": "2026-05-04T10:00:00Z", "subresource": "status"},
		}
	}
	got := call{args: strings.Fields("review incident-response -A -o json --kubeconfig " + s.config(t, "analytics"))}.run(t)
	var reviews []struct {
		Group     string
		ChangedBy struct{ Manager, At string }
	}
	if err := json.Unmarshal([]byte(got.out), &reviews); err != nil || len(reviews) != 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	if by := reviews[0].ChangedBy; by.Manager != "kustomize-controller" || by.At != "2026-05-03T10:00:00Z" {
		t.Errorf("changed by %+v", by)
	}
}

func TestSelectorsAndAttributes(t *testing.T) {
	const files = " -f internal/cli/testdata/selectors"
	golden(t, "selectors.golden",
		"explain ana@acme.example -n acme"+files,
		"explain ana@acme.example -n globex"+files,
		"explain ben@acme.example -n acme -a red"+files,
		"explain ana@acme.example -n acme -a red -o json"+files,
		"list ana@acme.example -o csv"+files,
		"matrix -n acme -o csv"+files,
		"report -o csv -n acme"+files,
		"lint --strict"+files,
		"export"+files,
	)
}

// TestSelectorsAndAttributesComeBackFromCSV imports the output of export, and exports the result again.
func TestSelectorsAndAttributesComeBackFromCSV(t *testing.T) {
	for _, files := range []string{"internal/cli/testdata/selectors", "internal/cli/testdata/review"} {
		exported := call{args: []string{"export", "-f", files}}.run(t)
		imported := call{args: []string{"import", "-", "--standalone"}, stdin: exported.out}.run(t)
		if imported.code != 0 {
			t.Fatalf("import: exit code %d: %s", imported.code, imported.errOut)
		}
		file := filepath.Join(t.TempDir(), "made.yaml")
		write(t, file, imported.out)
		again := call{args: []string{"export", "-f", file}}.run(t)
		if diff := cmp.Diff(exported.out, again.out); diff != "" {
			t.Errorf("%s (-exported +exported again):\n%s", files, diff)
		}
		over := call{args: []string{"import", "-", "-f", files}, stdin: exported.out}.run(t)
		if over.out != "" || over.code != 0 {
			t.Errorf("what is exported changes what it comes from: %+v", over)
		}
	}
}

func TestCSVWithSelectorsThatAreWrong(t *testing.T) {
	for name, tc := range map[string]struct{ row, want string }{
		"a broken selector":                  {"role,g,,,a in (b,Viewer,,,,", "selector \"a in (b\""},
		"a selector without terms":           {"role,g,,,\" \",Viewer,,,,", "it has no terms"},
		"application and selector":           {"role,g,,x,a=b,Viewer,,,,", "a role takes it or application, not both"},
		"neither application nor selector":   {"role,g,,,,Viewer,,,,", "empty; a role takes it, or applicationSelector"},
		"a review of no days":                {"review,g,,,,,,,0,", "it takes a number of days from 1 to 1826"},
		"a review that ends without instant": {"review,g,,,,,,,90,End", "reviewedAt says when the last review was"},
		"an attribute that is not a name":    {"attribute,,u,,,,1a,x,,", "attribute \"1a\""},
		"an attribute without a value":       {"attribute,,u,,,,a,,,", "empty; a attribute takes it"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "record,group,user,application,applicationSelector,role,attribute,value,everyDays,ifMissed\ngroup,g,,,,,,,,\n" + tc.row + "\n"
			got := call{args: []string{"import", "-", "--standalone", "-n", "acme"}, stdin: text}.run(t)
			if got.code != 2 || got.out != "" || !strings.Contains(got.errOut, tc.want) {
				t.Errorf("want %q: %+v", tc.want, got)
			}
		})
	}
}

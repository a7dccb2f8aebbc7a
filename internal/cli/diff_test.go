package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// branch compares the samples of analytics in a changed branch with the original.
const branch = " -f internal/cli/testdata/branch --against config/samples/analytics"

func TestDiffOnTheSamples(t *testing.T) {
	golden(t, "diff.golden",
		"diff"+branch,
		"diff -o json"+branch,
		"diff -o markdown"+branch,
		"diff -n security-emea"+branch,
		"diff -f config/samples -R --against config/samples",
		"diff -k config/samples --against config/samples",
		"diff --at 2028-01-01 -f config/samples/analytics --against internal/cli/testdata/branch",
		"diff -f config/samples/system --against config/samples/security",
		"diff",
		"diff --prune"+branch,
		"diff -o yaml"+branch,
		"diff -f config/samples/none --against config/samples",
	)
}

// TestDiffOfARemovedGroupListsItsMembersOnly removes each group of the samples, and compares the users in the diff
// with the users whose matrix has changed.
func TestDiffOfARemovedGroupListsItsMembersOnly(t *testing.T) {
	const file = "config/samples/analytics/groups.yaml"
	text, err := os.ReadFile(filepath.Join(root(t), file))
	if err != nil {
		t.Fatal(err)
	}
	groups := strings.Split(string(text), "---\n")
	for i := range groups {
		directory := t.TempDir()
		for _, name := range []string{"applications.yaml", "policy.yaml", "users.yaml"} {
			content, err := os.ReadFile(filepath.Join(root(t), "config/samples/analytics", name))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(directory, name), string(content))
		}
		write(t, filepath.Join(directory, "groups.yaml"), strings.Join(slices.Delete(slices.Clone(groups), i, i+1), "---\n"))
		got := call{args: []string{"diff", "-o", "json", "-f", directory, "--against", "config/samples/analytics"}}.run(t)
		var differences struct {
			Changes []struct{ Change, User string }
		}
		if err := json.Unmarshal([]byte(got.out), &differences); err != nil || got.code != 1 {
			t.Fatalf("%v, %+v", err, got)
		}
		var listed []string
		for _, c := range differences.Changes {
			listed = append(listed, c.User)
		}
		slices.Sort(listed)
		if want := whoDiffers(t, directory); !slices.Equal(slices.Compact(listed), want) {
			t.Errorf("without group %d: diff lists %v, want %v", i, slices.Compact(listed), want)
		}
	}
}

// whoDiffers lists the users whose result of list differs from that for the samples.
func whoDiffers(t *testing.T, directory string) []string {
	t.Helper()
	var differing []string
	for _, user := range []string{"amelie", "ana", "bruno", "clara", "dana"} {
		user += "@acme.example"
		before := call{args: []string{"list", user, "-f", "config/samples/analytics"}}.run(t)
		after := call{args: []string{"list", user, "-f", directory}}.run(t)
		if before.out != after.out {
			differing = append(differing, user)
		}
	}
	return differing
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// For a group that gains a role, diff also lists the users that other objects add to the group.
func TestDiffListsWhoIsNotInTheManifest(t *testing.T) {
	const planted = `
apiVersion: access.usher.dev/v1alpha1
kind: UserAccess
metadata: {name: dana, namespace: acme}
spec: {user: dana, groups: [leads]}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: leads, namespace: acme}
spec: {members: [{user: gina}]}
`
	before, after := t.TempDir(), t.TempDir()
	write(t, filepath.Join(before, "a.yaml"), planted)
	write(t, filepath.Join(after, "a.yaml"), strings.Replace(planted, "[{user: gina}]", "[{user: gina}], organizationRole: Editor", 1))
	got := call{args: []string{"diff", "-o", "json", "-f", after, "--against", before}}.run(t)
	const want = "AccessGroup/acme/leads gives what it gives to 1 user who is not in its spec.members: " +
		"dana (spec.groups of the user's UserAccess)"
	if !strings.Contains(got.out, want) {
		t.Errorf("got\n%s\nwant %q in it; %s", got.out, want, got.errOut)
	}
}

func TestMarkdownMarksNothingUp(t *testing.T) {
	directory := t.TempDir()
	user := "a`|``[x](y)<img>@team"
	write(t, filepath.Join(directory, "a.yaml"), strings.Replace(good, "ana@acme.example", "'"+user+"'", 1))
	empty := t.TempDir()
	write(t, filepath.Join(empty, "a.yaml"), strings.Replace(good, "members", "memberGroups: []\n  members", 1))
	got := call{args: []string{"diff", "-o", "markdown", "-f", directory, "--against", empty}}.run(t)
	if want := "| ``` a`\\|``[x](y)<img>@team ``` |"; !strings.Contains(got.out, want) || got.code != 1 {
		t.Errorf("got\n%s\nwant %q in it; %s", got.out, want, got.errOut)
	}
}

func TestALargeDifferenceFitsAComment(t *testing.T) {
	directory, empty := t.TempDir(), t.TempDir()
	writeUsers(t, directory, 2000)
	write(t, filepath.Join(empty, "a.yaml"), good)
	got := call{args: []string{"diff", "-o", "markdown", "-f", directory, "--against", empty}}.run(t)
	if got.code != 1 || len(got.out) > 65_536 || !strings.Contains(got.out, "more.\n") {
		t.Errorf("exit code %d, %d bytes, %s", got.code, len(got.out), got.errOut)
	}
}

// TestTheRevocationBrakeOfAWholeChange uses four groups that lose two users each, with a limit of five. Each group
// alone stays within the limit. The access of one more user ends within a day.
func TestTheRevocationBrakeOfAWholeChange(t *testing.T) {
	const files = " -f internal/cli/testdata/prune/after --against internal/cli/testdata/prune/before"
	golden(t, "prune.golden", "diff"+files, "diff -o markdown"+files)
	a := call{args: strings.Fields("diff -o json" + files)}.run(t)
	var got struct{ Revocations []map[string]any }
	if err := json.Unmarshal([]byte(a.out), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{
		"organization": "acme", "application": "finance", "users": 9.0, "limit": 5.0,
		"source": "AccessPolicy/acme/default in spec.revocationLimit.users", "allowance": "9@2026-06-02T00:00:00Z",
	}}
	if diff := cmp.Diff(want, got.Revocations); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

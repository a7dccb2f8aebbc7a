package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMembersOnTheSamples(t *testing.T) {
	golden(t, "members.golden",
		"members add zoe@acme.example bruno@acme.example -g france,germany -n analytics"+samples,
		"members add amelie@acme.example -g france -n analytics"+samples,
		"members add amelei@acme.example -g france -n analytics"+samples,
		"members add bruno@acme.example -g france --not-after none --not-before 2026-07-01 -n analytics"+samples,
		"members add zoe@acme.example -g france --not-after 2026-01-01 --not-before 2026-07-01 -n analytics"+samples,
		"members add zoe@acme.example -g france --not-after tomorrow -n analytics"+samples,
		"members remove clara@acme.example dana@acme.example claar@acme.example -g germany,own-countries -n analytics"+samples,
		"members remove jonas@acme.example -g not-in-emea -n access-system"+samples,
		"members remove clara@acme.example -g germany -k config/samples",
		"members add a,b -g frnace"+samples,
		"members add zoe@acme.example -g frnace,germany"+samples,
		"members add zoe@acme.example -g frnace,analytics/germni"+samples,
		"members add zoe@acme.example -l team=none"+samples,
		"members add zoe@acme.example -l team=!!"+samples,
		"members add zoe@acme.example"+samples,
		"members add -g france"+samples,
		"members add zoe@acme.example -g france --dry-run=server"+samples,
		"members add zoe@acme.example -g france --dry-run=maybe"+samples,
		"members add zoe@acme.example -g france -o json"+samples,
		"members add zoe@acme.example -g france --in-place -o yaml"+samples,
		"members add zoe@acme.example -g france --in-place -k config/samples",
		"members add zoe@acme.example -g france --at 2026-01-01"+samples,
		"members add zoe@acme.example -g france",
	)
}

func TestNotify(t *testing.T) {
	const files = " -f internal/cli/testdata/notify"
	golden(t, "notify.golden",
		"notify -g france,paris --dry-run=client"+files,
		"notify -l team=finance --dry-run=client"+files,
		"notify -g quiet,france --dry-run=client"+files,
		"notify -g quiet --dry-run=client"+files,
		"notify --user bruno@acme.example,emil@acme.example --dry-run=client"+files,
		"notify --user brno@acme.example --dry-run=client"+files,
		"notify -g frnace --dry-run=client"+files,
		"notify -l team=none --dry-run=client"+files,
		"notify -l team=!! --dry-run=client"+files,
		"notify -g france"+files,
		"notify -g france --dry-run=server"+files,
		"notify -g france --at 2026-01-01 --dry-run=client"+files,
		"notify -g france --user bruno@acme.example"+files,
		"notify"+files,
		"notify -g france",
	)
}

func TestSetRoleOnTheSamples(t *testing.T) {
	golden(t, "set-role.golden",
		"set-role -g france,germany -a sales --role Viewer -n analytics"+samples,
		"set-role -g france -a sales --role Edtor -n analytics"+samples,
		"set-role -g france -a slaes --role NoAccess --not-after 2027-01-01 -n analytics"+samples,
		"set-role -g incident-response --organization security-apac -a blue --role Viewer"+samples,
		"set-role -g incident-response -a blue --role Viewer"+samples,
		"set-role -g france -a blue --role Viewer --organization analytics"+samples,
		"set-role -g france -a Blue --role !"+samples,
		"set-role -g france -a blue"+samples,
		"remove-role -g germany -a sales -n analytics"+samples,
		"remove-role -g germany -a red -n analytics"+samples,
		"remove-role -g security-observers -a red --organization security-emea"+samples,
		"remove-role -g incident-response -a red --organization security-apac"+samples,
	)
}

func TestExportAndImportOnTheSamples(t *testing.T) {
	golden(t, "export.golden",
		"export -n analytics"+samples,
		"import internal/cli/testdata/import/good.csv -n analytics"+samples,
		"import internal/cli/testdata/import/good.csv -n security-emea"+samples,
		"import internal/cli/testdata/import/header.csv -n analytics"+samples,
		"import internal/cli/testdata/import/cells.csv -n analytics"+samples,
		"import internal/cli/testdata/import/lines.csv -n analytics"+samples,
		"import internal/cli/testdata/import/quote.csv -n analytics"+samples,
		"import internal/cli/testdata/import/none.csv -n analytics"+samples,
		"import internal/cli/testdata/import/good.csv --apply"+samples,
		"import internal/cli/testdata/import/good.csv --apply -o yaml",
		"import - --apply",
		"import internal/cli/testdata/import/good.csv --standalone -n analytics",
	)
}

// TestWhatIsExportedImportsToTheSame imports the export of the samples, and exports the result again.
func TestWhatIsExportedImportsToTheSame(t *testing.T) {
	exported := call{args: strings.Fields("export" + samples)}.run(t)
	imported := call{args: []string{"import", "-", "--standalone"}, stdin: exported.out}.run(t)
	if imported.code != 0 {
		t.Fatalf("import: exit code %d: %s", imported.code, imported.errOut)
	}
	file := filepath.Join(t.TempDir(), "made.yaml")
	write(t, file, imported.out)
	again := call{args: []string{"export", "-f", file}}.run(t)
	if diff := cmp.Diff(exported.out, again.out); diff != "" {
		t.Errorf("-exported +exported again:\n%s", diff)
	}
	over := call{args: strings.Fields("import -" + samples), stdin: exported.out}.run(t)
	if over.out != "" || over.code != 0 || strings.Contains(over.errOut, "would") {
		t.Errorf("what is exported changes what it comes from: %+v", over)
	}
}

// TestACellIsNoFormula checks that a cell that a spreadsheet would calculate is exported as text, and is imported
// unchanged.
func TestACellIsNoFormula(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	for _, user := range []string{"=1+1", "'=1+1", "''x", "-a", "@b", "+c", "'"} {
		write(t, file, strings.Replace(good, "ana@acme.example", `"`+user+`"`, 1))
		exported := call{args: []string{"export", "-f", file}}.run(t)
		for cell := range strings.SplitSeq(exported.out, ",") {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("%s: the cell %s is a formula", user, cell)
			}
		}
		over := call{args: []string{"import", "-", "-f", file}, stdin: exported.out}.run(t)
		if over.out != "" || over.code != 0 {
			t.Errorf("%s comes back as another: %+v", user, over)
		}
	}
}

func TestEditingInPlaceKeepsTheRest(t *testing.T) {
	const text = `# head

---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup # of editors
metadata:
    name: "editors"   # kept
    namespace: acme

spec:
    members:
        - user: 'ana@acme.example' # the first
        # the second
        - user: ben@acme.example
---
# another

apiVersion: v1
kind:   ConfigMap
metadata: {name: untouched,   namespace: acme}
--- # third
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: viewers, namespace: acme}
spec: {members: [{user: ana@acme.example}]}
`
	// Besides the members, only white space around them may change.
	want := strings.NewReplacer(
		"   # kept\n", " # kept\n", "acme\n\nspec", "acme\nspec",
		"        - user: ben@acme.example\n", "        - user: ben@acme.example\n        - user: zoe@acme.example\n",
		"[{user: ana@acme.example}]", "[{user: ana@acme.example}, {user: zoe@acme.example}]",
	).Replace(text)
	directory := t.TempDir()
	file := filepath.Join(directory, "a.yaml")
	write(t, file, text)
	args := []string{"members", "add", "zoe@acme.example", "-g", "editors,viewers", "-f", directory, "--in-place"}
	declined := call{args: args, stdin: "n\n"}.run(t)
	if declined.code != 1 || read(t, file) != text {
		t.Errorf("declined, and still: %+v", declined)
	}
	if dry := (call{args: append(args, "--dry-run=client")}).run(t); dry.code != 0 || read(t, file) != text {
		t.Errorf("a dry run, and still: %+v", dry)
	}
	if done := (call{args: args, stdin: "y\n"}).run(t); done.code != 0 {
		t.Fatalf("%+v", done)
	}
	if diff := cmp.Diff(want, read(t, file)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	back := call{args: []string{"members", "remove", "zoe@acme.example", "-g", "editors,viewers", "-f", file, "--in-place", "-y"}}.run(t)
	if back.code != 0 || strings.Contains(read(t, file), "zoe") {
		t.Errorf("%+v\n%s", back, read(t, file))
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFilesThatCannotBeEditedAreLeftAlone(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"JSON": {
			`{"apiVersion": "access.usher.dev/v1alpha1", "kind": "AccessGroup", "metadata": {"name": "editors", "namespace": "acme"}}`,
			"JSON is not edited in place",
		},
		"an alias": {
			strings.Replace(good, "members:\n  - user: ana@acme.example", "members: &all\n  - user: ana@acme.example", 1) +
				"---\n" + strings.Replace(strings.Replace(good, "name: editors", "name: other", 1),
				"members:\n  - user: ana@acme.example", "members: &all\n  - &one\n    user: ana@acme.example\n  - *one", 1),
			"edit it by hand",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "a.yaml")
			write(t, file, tc.text)
			got := call{args: []string{"members", "add", "zoe@acme.example", "-l", "a!=b", "-f", file, "--in-place", "-y"}}.run(t)
			if got.code != 2 || !strings.Contains(got.errOut, tc.want) || read(t, file) != tc.text {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestImportToADirectory(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "made")
	args := strings.Fields("import internal/cli/testdata/import/good.csv -n analytics --output-dir " + directory + samples)
	if got := (call{args: append(args, "--dry-run=client")}).run(t); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if _, err := os.Stat(directory); err == nil {
		t.Error("a dry run has made the directory")
	}
	if got := (call{args: args}).run(t); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	made := filepath.Join(directory, "accessgroup-analytics-france.yaml")
	if !strings.Contains(read(t, made), "zoe@acme.example") {
		t.Error(read(t, made))
	}
	if got := (call{args: args}).run(t); got.code != 0 {
		t.Errorf("again: %+v", got)
	}
	write(t, made, "# somebody's work\n")
	if got := (call{args: args}).run(t); got.code != 2 || !strings.Contains(got.errOut, "exists with other content") {
		t.Errorf("over somebody's work: %+v", got)
	}
}

func TestTenThousandLines(t *testing.T) {
	var b strings.Builder
	b.WriteString("record,namespace,group,user\n")
	for _, group := range []string{"a", "b"} {
		b.WriteString("group,acme," + group + ",\n")
		for i := range 5000 {
			b.WriteString("member,acme," + group + ",user-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26%20) + strings.Repeat("y", i/520) + "@acme.example\n")
		}
	}
	got := call{args: []string{"import", "-", "--standalone"}, stdin: b.String()}.run(t)
	if got.code != 0 || strings.Count(got.out, "- user: ") != 10_000 {
		t.Fatalf("exit code %d, %d members: %s", got.code, strings.Count(got.out, "- user: "), got.errOut[:min(len(got.errOut), 2000)])
	}
	one := strings.ReplaceAll(b.String(), ",b,", ",a,")
	one = strings.Replace(one, "member,acme,a,user-a@", "member,acme,a,another@", 1)
	got = call{args: []string{"import", "-", "--standalone"}, stdin: one}.run(t)
	if want := "it would have 5001, and may have 5000"; got.code != 2 || got.out != "" || !strings.Contains(got.errOut, want) {
		t.Errorf("exit code %d, want %q in %s", got.code, want, got.errOut)
	}
}

// TestTheBinaryAsAShellRunsIt builds the plugin, and checks its exit codes and streams.
func TestTheBinaryAsAShellRunsIt(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kubectl-access")
	build := exec.Command("go", "build", "-o", program, "./cmd/kubectl-access")
	build.Dir = root(t)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %s", err, text)
	}
	for line, want := range map[string]int{
		"members add zoe@acme.example -g france -n analytics":                       0,
		"members add zoe@acme.example -g france -n analytics --in-place </dev/null": 1,
		"members add zoe@acme.example -g none -n analytics":                         2,
		"members add":        2,
		"set-role -g france": 2,
		"export":             0,
		"import internal/cli/testdata/import/cells.csv": 2,
	} {
		shell := exec.Command("sh", "-c", program+" "+strings.Replace(line, " <", samples+" <", 1)+map[bool]string{true: "", false: samples}[strings.Contains(line, "<")])
		shell.Dir = root(t)
		shell.Env = append(os.Environ(), "KUBECONFIG=/none")
		text, _ := shell.CombinedOutput()
		if got := shell.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: exit code %d, want %d: %s", line, got, want, text)
		}
	}
}

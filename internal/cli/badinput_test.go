package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: editors
  namespace: acme
spec:
  members:
  - user: ana@acme.example
  applicationAccess:
  - application: red
    role: Editor
`

func TestBadInput(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		args  string
		want  answer
	}{
		"a broken file among good ones": {
			files: map[string]string{"good.yaml": good, "broken.yaml": "# comment\nkind: AccessGroup\n  name: x\n"},
			args:  "who-can red -f DIR",
			want: answer{
				out: "USER               ROLE     RULE        SOURCE                     UNTIL\n" +
					"ana@acme.example   Editor   OnlyGrant   AccessGroup/acme/editors\n",
				errOut: "error: DIR/broken.yaml:3: mapping values are not allowed in this context\n" +
					"error: the answer is incomplete: 1 object or file could not be read\n",
				code: 1,
			},
		},
		"no yes or no from half of the objects": {
			files: map[string]string{"good.yaml": good, "broken.yaml": "a: b: c"},
			args:  "can ana@acme.example red edit -f DIR",
			want: answer{
				errOut: "error: DIR/broken.yaml:1: mapping values are not allowed in this context\n" +
					"error: the answer is incomplete: 1 object or file could not be read\n",
				code: 2,
			},
		},
		"a field that there is not": {
			files: map[string]string{"good.yaml": good, "slip.yaml": strings.Replace(good, "members", "memebers", 1)},
			args:  "can ana@acme.example red edit -f DIR",
			want: answer{
				errOut: "error: DIR/slip.yaml:7: AccessGroup editors: unknown field \"spec.memebers\"\n" +
					"error: the answer is incomplete: 1 object or file could not be read\n",
				code: 2,
			},
		},
		"a key that is given twice": {
			files: map[string]string{"twice.yaml": "---\n" + good + "  applicationAccess: []\n"},
			args:  "can ana@acme.example red edit -f DIR",
			want: answer{
				errOut: "error: DIR/twice.yaml:13: key \"applicationAccess\" already set in map\n" +
					"error: there is no organization: no namespace except access-system has access objects\n",
				code: 2,
			},
		},
		"an instant that is none": {
			files: map[string]string{"when.yaml": strings.Replace(good, "  applicationAccess", "    notAfter: tomorrow\n  applicationAccess", 1)},
			args:  "who-can red -f DIR",
			want: answer{
				errOut: "error: DIR/when.yaml:9: AccessGroup editors: \"tomorrow\" is not an instant; " +
					"write it as 2026-07-01T09:00:00Z\n" +
					"No organizations found: no namespace except the system namespace access-system has objects of access.usher.dev\n" +
					"Nobody\nerror: the answer is incomplete: 1 object or file could not be read\n",
				code: 1,
			},
		},
		"a list where one value belongs": {
			files: map[string]string{"kind.yaml": strings.Replace(good, "role: Editor", "role: [Editor]", 1)},
			args:  "can ana@acme.example red edit -f DIR",
			want: answer{
				errOut: "error: DIR/kind.yaml:9: AccessGroup editors: spec.applicationAccess.role: there is an array where " +
					"something else belongs\n" +
					"error: there is no organization: no namespace except access-system has access objects\n",
				code: 2,
			},
		},
		"an object that is declared twice": {
			files: map[string]string{"a.yaml": good, "b.yaml": "\n" + good},
			args:  "can ana@acme.example red edit -f DIR",
			want: answer{
				errOut: "error: DIR/b.yaml:2: AccessGroup/acme/editors is declared at DIR/a.yaml:1 already; remove one of the two\n" +
					"error: the answer is incomplete: 1 object or file could not be read\n",
				code: 2,
			},
		},
		"a version that is not known and a kind that there is not": {
			files: map[string]string{
				"version.yaml": strings.Replace(good, "v1alpha1", "v9", 1),
				"kind.yaml":    strings.Replace(good, "AccessGroup", "AccessGruop", 1),
			},
			args: "can ana@acme.example red edit -f DIR",
			want: answer{
				errOut: "error: DIR/kind.yaml:1: kind AccessGruop: there is none in access.usher.dev/v1alpha1\n" +
					"error: DIR/version.yaml:1: apiVersion access.usher.dev/v9: unknown; this plugin reads access.usher.dev/v1alpha1\n" +
					"error: there is no organization: no namespace except access-system has access objects\n",
				code: 2,
			},
		},
		"files of other kinds": {
			files: map[string]string{
				"good.yaml": good, "other.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Secret\n",
				"values.yaml": "replicas: 1\n", "list.json": "[1]", "notes.txt": "{{", "empty.yaml": "",
			},
			args: "can ana@acme.example red edit -f DIR",
			want: answer{
				out: "yes\n",
				errOut: "note: DIR/list.json:1: ignored: it is a list, not an object\n" +
					"note: DIR/values.yaml:1: ignored: it has no apiVersion and kind\n" +
					"note: ignored 2 objects of other kinds: 2 Secret\n" +
					"ana@acme.example is Editor of red in acme: OnlyGrant, by AccessGroup/acme/editors\n",
			},
		},
		"a directory without a file": {
			files: map[string]string{"deeper/good.yaml": good},
			args:  "list ana@acme.example -f DIR",
			want: answer{
				errOut: "error: -f DIR: it has no .yaml, .yml or .json file; -R reads the directories in it\n", code: 1,
			},
		},
		"no such file": {
			args: "can ana@acme.example red edit -f DIR/none",
			want: answer{errOut: "error: -f DIR/none: no such file or directory\n", code: 2},
		},
		"no cluster": {
			args: "list ana@acme.example",
			want: answer{
				errOut: "error: no cluster is configured; choose one with --kubeconfig or --context, or give files with -f or -k\n",
				code:   1,
			},
		},
		"an organization that is empty": {
			files: map[string]string{"good.yaml": good},
			args:  "who-can red -n globex -f DIR",
			want: answer{
				errOut: "No access objects found in namespace globex: it is not an organization. Organizations: acme\nNobody\n",
			},
		},
		"the system namespace is not an organization": {
			files: map[string]string{"good.yaml": good},
			args:  "can ana@acme.example red edit -n access-system -f DIR",
			want:  answer{errOut: "error: -n access-system: the system namespace is not an organization\n", code: 2},
		},
		"flags that are none": {
			args: "who-can red --at tomorrow --system-namespace=A_B --organization-selector=a=b=c -f DIR",
			want: answer{
				errOut: "error: --system-namespace \"A_B\": a lowercase RFC 1123 label must consist of lower case alphanumeric " +
					"characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', " +
					"regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\n" +
					"--organization-selector \"a=b=c\": found '=', expected: ',' or 'end of string'\n" +
					"--at \"tomorrow\": not an instant; write it as 2026-07-01T09:00:00Z or 2026-07-01\n",
				code: 1,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			for file, content := range tc.files {
				path := filepath.Join(directory, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := call{args: strings.Fields(strings.ReplaceAll(tc.args, "DIR", directory))}.run(t)
			got.errOut = strings.ReplaceAll(got.errOut, directory, "DIR")
			if got.out != tc.want.out || got.errOut != tc.want.errOut || got.code != tc.want.code {
				t.Errorf("got exit code %d\n%s--- on stderr\n%s\nwant exit code %d\n%s--- on stderr\n%s",
					got.code, got.out, got.errOut, tc.want.code, tc.want.out, tc.want.errOut)
			}
		})
	}
}

func TestObjectsFromStandardInput(t *testing.T) {
	list := `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"access.usher.dev/v1alpha1","kind":"UserAccess",
"metadata":{"name":"ana"},"spec":{"user":"ana","organizationRole":"Viewer"}}]}`
	got := call{args: strings.Fields("can ana red view -n acme -f -"), stdin: list}.run(t)
	if got.code != 0 || got.out != "yes\n" {
		t.Errorf("got %+v", got)
	}
}

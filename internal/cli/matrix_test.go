package cli_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestMatrixOnTheSamples(t *testing.T) {
	golden(t, "matrix.golden",
		"matrix"+samples,
		"matrix -o wide -n analytics --sort finance"+samples,
		"matrix -o csv"+samples,
		"matrix -o json -n security-apac"+samples,
		"matrix *a@acme.example -a f*"+samples,
		"matrix --group france --group access-system/incident-response"+samples,
		"matrix --role Administrator"+samples,
		"matrix --role RulesAdmin -a red -n security-apac"+samples,
		"matrix nobody@acme.example"+samples,
		"matrix --group franc"+samples,
		"matrix -a finanse"+samples,
		"matrix --role Edtor"+samples,
		"matrix --sort name"+samples,
		"matrix [ "+samples,
	)
	golden(t, "matrix-page.golden", "matrix -o html"+samples)
}

func TestTheMatrixFitsTheTerminal(t *testing.T) {
	got := call{args: strings.Fields("matrix -n analytics -o wide" + samples), width: 60}.run(t)
	for line := range strings.Lines(got.out) {
		if len([]rune(line)) > 61 {
			t.Errorf("%d columns: %q", len([]rune(line))-1, line)
		}
	}
	if strings.Count(got.out, "USER") < 2 {
		t.Errorf("the users are not named in each part:\n%s", got.out)
	}
}

// hostile is an object that a file may contain but an API server would refuse.
const hostile = `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: g, namespace: acme}
spec:
  members:
  - user: "<script>alert(1)</script>"
  - user: "=1+1"
  - user: "\e[2J\u202eana\u009b1m"
  applicationAccess:
  - application: "<b onclick=alert(2)>"
    role: Viewer
  - application: red
    role: Viewer
`

func TestTextFromObjectsDoesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostile.yaml")
	if err := os.WriteFile(path, []byte(hostile), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"matrix -o table", "matrix -o csv", "matrix -o json", "matrix -o html", "who-can red -o wide", "who-can red -o json",
		"list =1+1 -o csv", "explain =1+1", "explain =1+1 -o json", "list alert", "can ana red x",
	} {
		got := call{args: strings.Fields(args + " -f " + path)}.run(t)
		if found := regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}\x{202e}]`).FindString(got.out + got.errOut); found != "" {
			t.Errorf("%s shows %q", args, found)
		}
		if strings.Contains(args, "html") && (strings.Contains(got.out, "<script>alert") || strings.Contains(got.out, "<b onclick")) {
			t.Errorf("the page runs what an object says:\n%s", got.out)
		}
		if strings.Contains(args, "csv") && !strings.Contains(got.out, ",'=1+1,") {
			t.Errorf("%s: a formula is left:\n%s", args, got.out)
		}
	}
}

// TestThePageRunsItsOwnScriptOnly compares the content security policy of the page with its content.
func TestThePageRunsItsOwnScriptOnly(t *testing.T) {
	got := call{args: strings.Fields("matrix -o html" + samples)}.run(t)
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]+)"`).FindStringSubmatch(got.out)[1])
	for _, element := range []string{"style", "script"} {
		all := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(got.out, -1)
		if len(all) != 1 {
			t.Fatalf("%d elements %s", len(all), element)
		}
		sum := sha256.Sum256([]byte(all[0][1]))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy is %q, want %q in it", policy, want)
		}
	}
	if regexp.MustCompile(`(?i)https?://|\bsrc=|\bhref=|@import|url\(`).MatchString(got.out) {
		t.Error("the page needs something beside itself")
	}
}

package browser_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axePackage is the package with the rules for accessibility. It is fetched for the tests, and never part of Usher.
const axePackage = "axe-core@4.14.1"

// findAxe returns the script with the rules. Without npm, or if the registry does not answer, it returns nothing, and the
// tests leave the rules out.
func findAxe(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Log("no npm: the pages are not checked for accessibility")
		return ""
	}
	directory := t.TempDir()
	command := exec.Command(npm, "pack", axePackage)
	command.Dir = directory
	if out, err := command.CombinedOutput(); err != nil {
		t.Logf("the pages are not checked for accessibility: fetch %s: %v\n%s", axePackage, err, out)
		return ""
	}
	archives, err := filepath.Glob(filepath.Join(directory, "*.tgz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("%s: %d archives, %v", axePackage, len(archives), err)
	}
	script, err := extract(archives[0], "package/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return script
}

func extract(archive, name string) (string, error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	reader := tar.NewReader(unzipped)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New(name + " is not in " + archive)
		}
		if err != nil {
			return "", err
		}
		if header.Name == name {
			content, err := io.ReadAll(reader)
			return string(content), err
		}
	}
}

// accessible checks that the rules find nothing serious or critical in the page.
func (p *tab) accessible(t *testing.T, rules string) {
	t.Helper()
	if rules == "" {
		return
	}
	const run = `axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => v.id + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary.replace(/\s+/g, " ")).slice(0, 3).join("; ")).join("\n"))`
	before := len(p.complaints())
	found, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("(() => { if (!window.axe) {"+rules+"} return "+run+"; })()", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.messages = p.messages[:before] // what the rules try is not a complaint about the page
	p.mu.Unlock()
	for line := range strings.Lines(found) {
		t.Errorf("not accessible: %s", line)
	}
}

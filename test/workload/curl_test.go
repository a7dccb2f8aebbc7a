package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedCurl runs the command of docs/workloads.md with the document of docs/documents.md. Amelie sees the
// invoices of France.
func TestDocumentedCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no curl: install it")
		}
		t.Skip("no curl: install it")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "documents.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(page), "\n## Application document\n")
	_, shown, _ = strings.Cut(shown, "```json\n")
	shown, _, _ = strings.Cut(shown, "\n```\n")
	i := slices.IndexFunc(snippets(t, "sh"), func(text string) bool { return strings.HasPrefix(text, "go run ./test/workload ") })
	_, command, _ := strings.Cut(snippets(t, "sh")[i], "&\n")

	w := start(t, shown)
	dir := t.TempDir()
	curlrc := fmt.Sprintf("silent\nshow-error\nconnect-to = \"localhost:8080:%s\"\n", strings.TrimPrefix(w.URL, "http://"))
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), "sh", "-c", command)
	run.Env = append(os.Environ(), "CURL_HOME="+dir)
	answer, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	var invoices []invoice
	if err := json.Unmarshal(answer, &invoices); err != nil || len(invoices) == 0 {
		t.Fatalf("%v in %s", err, answer)
	}
	for _, each := range invoices {
		if each.Country != "France" {
			t.Errorf("an invoice of another country: %s", answer)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// between returns the text of a page in docs between begin and end. It searches for begin after the text behind.
func between(t *testing.T, page, behind, begin, end string) string {
	t.Helper()
	whole, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(whole), behind)
	_, text, begins := strings.Cut(text, begin)
	text, _, ends := strings.Cut(text, end)
	if !found || !begins || !ends {
		t.Fatalf("docs/%s has no %q behind %q", page, begin, behind)
	}
	return text
}

// TestDocumentedCurl runs the questions of docs/workloads.md with its policy and with the document of docs/documents.md.
func TestDocumentedCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no curl: install it")
		}
		t.Skip("no curl: install it")
	}
	serving, err := newServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opa := httptest.NewServer(serving.Handler)
	defer opa.Close()
	document := between(t, "documents.md", "\n## Application document\n", "```json\n", "\n```\n")
	policy := between(t, "workloads.md", "\n## Open Policy Agent\n", "```rego\n", "\n```\n")
	for path, body := range map[string]string{"/v1/data/access/0": document, "/v1/policies/finance": policy} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, opa.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode/100 != 2 {
			t.Fatalf("PUT %s: %s, %s, %v", path, response.Status, text, err)
		}
	}
	dir := t.TempDir()
	curlrc := fmt.Sprintf("silent\nshow-error\nconnect-to = \"localhost:8181:%s\"\n", strings.TrimPrefix(opa.URL, "http://"))
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-c", "curl localhost:8181"+between(t, "workloads.md", "\n## Open Policy Agent\n", "```sh\ncurl localhost:8181", "```\n"))
	command.Env = append(os.Environ(), "CURL_HOME="+dir)
	answers, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	for decoder := json.NewDecoder(strings.NewReader(string(answers))); decoder.More(); {
		var answer struct{ Result bool }
		if err := decoder.Decode(&answer); err != nil {
			t.Fatalf("%v in %s", err, answers)
		}
		got = append(got, answer.Result)
	}
	// Amelie may edit. She sees rows of France, and the row has no country.
	if diff := cmp.Diff([]bool{true, false}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

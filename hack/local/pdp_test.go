package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCurl runs the command that the demo prints. It has to send the question that the demo has sent.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no curl: install it")
		}
		t.Skip("no curl: install it")
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintln(w, r.Method, r.URL.Path, r.Header["Authorization"], r.Header["Content-Type"], string(body), err)
	}))
	defer server.Close()
	to := access{URL: server.URL, CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), Token: "token"}
	const path = "/" + demoOrganization + "/access/v1/evaluation"
	want, err := to.post(t.Context(), path, demoQuestion)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte(to.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-c", to.curl(path, demoQuestion))
	command.Dir, command.Env = dir, append(os.Environ(), "TOKEN="+to.Token)
	got, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the request of curl differs (-want +got):\n%s", diff)
	}
}

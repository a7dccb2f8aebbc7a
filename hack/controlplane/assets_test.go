package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestAssetsFromEnvironment(t *testing.T) {
	dir := t.TempDir()
	for _, c := range components {
		if err := os.WriteFile(filepath.Join(dir, c.name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(assetsDirEnv, dir)
	found := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"assets", "--source=/nowhere"}, args...), nil, &out, io.Discard)
		return strings.TrimSpace(out.String()), err
	}
	if got, err := found(); got != dir || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, dir)
	}
	if err := os.Remove(filepath.Join(dir, kubectlName)); err != nil {
		t.Fatal(err)
	}
	if got, err := found("--kubectl=false"); got != dir || err != nil {
		t.Errorf("kubectl is not asked for: got %q, %v, want %q", got, err, dir)
	}
	if _, err := found(); err == nil || !strings.Contains(err.Error(), "has no kubectl") {
		t.Errorf("a directory without kubectl: got %v", err)
	}
	t.Setenv(assetsEnv, "fetch")
	if _, err := found(); err == nil || !strings.Contains(err.Error(), `USHER_ASSETS is "fetch"`) {
		t.Errorf("an unknown value of USHER_ASSETS: got %v", err)
	}
}

// archive returns an envtest archive with programs that only print their version.
func archive(t *testing.T, version string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	files := tar.NewWriter(zipped)
	for name, says := range map[string]string{
		etcdName:      "etcd Version: 3.7.0",
		apiServerName: "Kubernetes " + version,
		kubectlName:   "Client Version: " + version,
	} {
		script := "#!/bin/sh\necho '" + says + "'\n"
		header := &tar.Header{Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(script))}
		if err := files.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(script)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []io.Closer{files, zipped} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return packed.Bytes()
}

// serveIndex serves the index of setup-envtest with one archive, and returns its address.
func serveIndex(t *testing.T, version string, sum, served []byte) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	name := fmt.Sprintf("envtest-%s-%s-%s.tar.gz", version, runtime.GOOS, runtime.GOARCH)
	digest := sha512.Sum512(sum)
	mux.HandleFunc("/index.yaml", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "releases:\n  %s:\n    %s:\n      hash: %s\n      selfLink: %s/%s\n",
			version, name, hex.EncodeToString(digest[:]), server.URL, name)
	})
	mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(served) })
	return server.URL + "/index.yaml"
}

// silentServer accepts requests and never answers.
func silentServer(t *testing.T) string {
	t.Helper()
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	return server.URL
}

func newTestAssets(t *testing.T, index string) *assets {
	t.Helper()
	return &assets{source: ".", cache: t.TempDir(), index: index, patience: time.Minute, progress: io.Discard}
}

func TestFetch(t *testing.T) {
	t.Setenv(assetsDirEnv, "")
	versions, err := readVersions(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	version := versions[kubernetesModule]
	whole := archive(t, version)
	a := newTestAssets(t, serveIndex(t, version, whole, whole))
	dir, err := a.find(t.Context(), needed(false))
	if err != nil {
		t.Fatal(err)
	}
	if absent, err := missing(dir, components); err != nil || len(absent) > 0 {
		t.Errorf("not fetched: %v, %v", absent, err)
	}
	// From now on they come from the cache.
	a.index = silentServer(t)
	if again, err := a.find(t.Context(), components); again != dir || err != nil {
		t.Errorf("the second time: got %q, %v, want %q", again, err, dir)
	}
	left, err := filepath.Glob(filepath.Join(a.cache, "*.partial-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFetchRefuses(t *testing.T) {
	versions, err := readVersions(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	version := versions[kubernetesModule]
	// Two archives of the same version differ in the order of their files, and so in their checksum.
	whole, other := archive(t, version), archive(t, "v1.2.3")
	nothing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(nothing.Close)
	for name, tc := range map[string]struct {
		index    string
		patience time.Duration
		want     string
	}{
		"a wrong sum":                {serveIndex(t, version, whole, archive(t, version+"0")), time.Minute, "cannot fetch"},
		"half a file":                {serveIndex(t, version, whole, whole[:len(whole)/2]), time.Minute, "cannot fetch"},
		"half a file with its sum":   {serveIndex(t, version, whole[:len(whole)/2], whole[:len(whole)/2]), time.Minute, "cannot fetch"},
		"another version inside":     {serveIndex(t, version, other, other), time.Minute, "is not of version"},
		"an index without the minor": {serveIndex(t, "v1.2.3", whole, whole), time.Minute, "finds no Kubernetes"},
		"no index":                   {nothing.URL, time.Minute, "cannot read the index"},
		"a host that does not exist": {"http://index.invalid/", time.Minute, "cannot read the index"},
		"an index that hangs":        {silentServer(t), 200 * time.Millisecond, "no answer within 200ms"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestAssets(t, tc.index)
			a.patience = tc.patience
			_, err := a.fetch(t.Context(), t.TempDir(), versions)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("not a line: %v", err)
			}
		})
	}
}

// TestBuildsWhatIsNotFetched builds a small program instead of a component.
func TestBuildsWhatIsNotFetched(t *testing.T) {
	versions, err := readVersions(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	small := []component{{name: etcdName, pkg: setupEnvtest, module: etcdModule, program: "setup-envtest"}}
	for name, build := range map[string]bool{"when the index fails": false, "at once": true} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			a := newTestAssets(t, "http://index.invalid/")
			a.build, a.progress = build, &said
			dir := t.TempDir()
			if err := a.complete(t.Context(), dir, versions, small); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, etcdName)); err != nil {
				t.Error(err)
			}
			if got := strings.Contains(said.String(), "building from source instead; USHER_ASSETS=build does so at once"); got == build {
				t.Errorf("said:\n%s", said.String())
			}
			if want := "built etcd " + versions[etcdModule]; !strings.Contains(said.String(), want) {
				t.Errorf("want %q, said:\n%s", want, said.String())
			}
		})
	}
}

func TestPlanReports(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	p := newPlan(map[string]int64{"a": 100, "b/c": 300, "d": 600}, func() time.Time { return now })
	for _, step := range []struct {
		said string
		want string
	}{
		{"", "0 of 3 packages, 0%"},
		{"go: downloading example.org/a v1.0.0\na\nb", "1 of 3 packages, 10%, about 9m0s left"},
		{"/c\na\n", "2 of 3 packages, 40%, about 3m0s left"},
		{"d\n", "all packages are compiled, linking"},
	} {
		if _, err := p.Write([]byte(step.said)); err != nil {
			t.Fatal(err)
		}
		if got := p.report(); got != step.want {
			t.Errorf("after %q: got %q, want %q", step.said, got, step.want)
		}
		now = now.Add(time.Minute)
	}
}

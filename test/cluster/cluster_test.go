package cluster_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/usher-dev/usher/test/cluster"
)

func TestCluster(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = c.Stop()
		}
	})
	kubectl := func(args ...string) string {
		t.Helper()
		out, err := c.Kubectl(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}

	if got := kubectl("version"); !strings.Contains(got, "Server Version: v1.") {
		t.Errorf("the API server does not know its version:\n%s", got)
	}
	// It is a controller that empties a namespace.
	kubectl("create", "namespace", "acme")
	kubectl("-n", "acme", "create", "configmap", "something")
	kubectl("delete", "namespace", "acme", "--timeout=60s")
	_, err = c.Kubectl(t.Context(), "get", "namespace", "acme")
	if err == nil || !strings.Contains(err.Error(), "NotFound") {
		t.Errorf("a deleted namespace: got %v", err)
	}
	// RBAC speaks, and nobody is an administrator by default.
	can, err := c.Kubectl(t.Context(), "auth", "can-i", "get", "secrets", "--as=somebody")
	if err == nil || strings.TrimSpace(can) != "no" {
		t.Errorf("a stranger reads secrets: got %q, %v", can, err)
	}

	began, pid, dir := time.Now(), c.PID(), c.Dir()
	stopped = true
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("stopped in %s", time.Since(began))
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Stop: %v", pid, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s after Stop: %v", dir, err)
	}
}

func TestStartSaysWhyItFailed(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", filepath.Join(t.TempDir(), "nothing"))
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: io.Discard})
	if err == nil {
		_ = c.Stop()
		t.Fatal("started without binaries")
	}
	if !strings.Contains(err.Error(), "has no kube-apiserver") {
		t.Errorf("got %v", err)
	}
}

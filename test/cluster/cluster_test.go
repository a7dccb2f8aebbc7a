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
	// Only a controller can empty a namespace.
	kubectl("create", "namespace", "acme")
	kubectl("-n", "acme", "create", "configmap", "something")
	kubectl("delete", "namespace", "acme", "--timeout=60s")
	_, err = c.Kubectl(t.Context(), "get", "namespace", "acme")
	if err == nil || !strings.Contains(err.Error(), "NotFound") {
		t.Errorf("a deleted namespace: got %v", err)
	}
	// RBAC is in force, and nobody is an administrator by default.
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
	t.Run("API only", func(t *testing.T) { testAPIOnly(t, filepath.Dir(c.KubectlPath())) })
}

// testAPIOnly checks that Usher can be installed with only the two binaries of an API.
func testAPIOnly(t *testing.T, assets string) {
	dir := t.TempDir()
	for _, name := range []string{cluster.Etcd, cluster.APIServer} {
		if err := os.Symlink(filepath.Join(assets, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBEBUILDER_ASSETS", dir)
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: io.Discard, APIOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	// The second time changes nothing.
	for range 2 {
		if err := c.Install(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.InstallWebhooks(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	samples := filepath.Join("..", "..", "config", "samples")
	// No manager answers for the webhooks.
	if _, err := c.ApplyKustomization(t.Context(), samples); err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("samples without a manager: got %v", err)
	}
	if err := c.RemoveWebhooks(t.Context()); err != nil {
		t.Fatal(err)
	}
	applied, err := c.ApplyKustomization(t.Context(), samples)
	if err != nil {
		t.Fatal(err)
	}
	if len(applied) == 0 || applied[0].GetKind() != "Namespace" {
		t.Errorf("applied %d objects", len(applied))
	}
}

func TestStartReportsWhyItFailed(t *testing.T) {
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

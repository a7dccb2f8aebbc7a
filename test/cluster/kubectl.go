package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// Kubectl runs kubectl as the cluster's administrator and returns its standard output. An error contains the standard
// error.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.KubectlInput(ctx, nil, args...)
}

// KubectlInput is like Kubectl, with standard input, for example for "apply -f -".
func (c *Cluster) KubectlInput(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	return c.kubectl(ctx, c.KubeconfigPath(), stdin, args)
}

func (c *Cluster) kubectl(ctx context.Context, kubeconfig string, stdin io.Reader, args []string) (string, error) {
	global := []string{
		"--kubeconfig=" + kubeconfig,
		// The default cache is by host and port, and another cluster may use the same port later.
		"--cache-dir=" + filepath.Join(c.dir, "kubectl-cache"),
	}
	cmd := exec.CommandContext(ctx, c.KubectlPath(), append(global, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// KubectlPath returns the path of the kubectl that has the control plane's version.
func (c *Cluster) KubectlPath() string { return filepath.Join(c.assets, "kubectl") }

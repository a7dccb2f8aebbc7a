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

// Kubectl runs kubectl as the cluster's administrator and returns its standard output.
// An error carries its standard error.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.KubectlInput(ctx, nil, args...)
}

// KubectlInput is Kubectl with something to read, as for "apply -f -".
func (c *Cluster) KubectlInput(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	return c.kubectl(ctx, c.KubeconfigPath(), stdin, args)
}

func (c *Cluster) kubectl(ctx context.Context, kubeconfig string, stdin io.Reader, args []string) (string, error) {
	global := []string{
		"--kubeconfig=" + kubeconfig,
		// The usual cache is by host and port, and ports come back with other clusters
		// behind them.
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

// KubectlPath returns the kubectl of the control plane's version.
func (c *Cluster) KubectlPath() string { return filepath.Join(c.assets, "kubectl") }

// Install applies config/local (namespaces, CRDs and the manager's rights, but no
// Deployment) and returns when the API server serves the kinds. It may be repeated.
func (c *Cluster) Install(ctx context.Context) error {
	root, err := Root()
	if err != nil {
		return err
	}
	applied, err := c.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "--output=name",
		"--kustomize="+filepath.Join(root, "config", "local"))
	if err != nil {
		return fmt.Errorf("install Usher: %w", err)
	}
	wait := []string{"wait", "--for=condition=Established", "--timeout=60s"}
	for name := range strings.Lines(applied) {
		if strings.HasPrefix(name, "customresourcedefinition") {
			wait = append(wait, strings.TrimSpace(name))
		}
	}
	if _, err := c.Kubectl(ctx, wait...); err != nil {
		return fmt.Errorf("wait for Usher's kinds: %w", err)
	}
	return nil
}

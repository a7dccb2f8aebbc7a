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

func apply() []string { return []string{"apply", "--server-side", "--force-conflicts"} }

// Install applies config/local (namespaces, CRDs and the manager's rights, but no
// Deployment) and returns when the API server serves the kinds. It may be repeated.
func (c *Cluster) Install(ctx context.Context) error {
	root, err := Root()
	if err != nil {
		return err
	}
	applied, err := c.Kubectl(ctx, append(apply(), "--output=name",
		"--kustomize="+filepath.Join(root, "config", "local"))...)
	if err != nil {
		return fmt.Errorf("install Usher: %w", err)
	}
	return c.waitForKinds(ctx, applied)
}

// waitForKinds returns when the API server serves the kinds among what kubectl says that it applied.
func (c *Cluster) waitForKinds(ctx context.Context, applied string) error {
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

// localWebhook is how config/local/webhook has the API server call the manager.
const localWebhook = "https://localhost:9443/"

// InstallWebhooks applies config/local/webhook after Install: from then on the API server asks a manager that was started
// with the option Webhooks about every change to the four kinds, and there is none without it. It may be repeated.
func (c *Cluster) InstallWebhooks(ctx context.Context) error {
	root, err := Root()
	if err != nil {
		return err
	}
	address, err := c.webhookAddress(ctx)
	if err != nil {
		return err
	}
	manifests, err := c.Kubectl(ctx, "kustomize", filepath.Join(root, "config", "local", "webhook"))
	if err != nil {
		return fmt.Errorf("render the webhooks: %w", err)
	}
	if !strings.Contains(manifests, localWebhook) {
		return fmt.Errorf("config/local/webhook does not have the API server call %s", localWebhook)
	}
	manifests = strings.ReplaceAll(manifests, localWebhook, "https://"+localhost(address)+"/")
	if _, err := c.KubectlInput(ctx, strings.NewReader(manifests), append(apply(), "--filename=-")...); err != nil {
		return fmt.Errorf("install the webhooks: %w", err)
	}
	return nil
}

// RemoveWebhooks takes the webhooks away again: the kinds can be written without a manager.
func (c *Cluster) RemoveWebhooks(ctx context.Context) error {
	_, err := c.Kubectl(ctx, "delete", "--ignore-not-found", "validatingwebhookconfiguration", webhookConfiguration)
	return err
}

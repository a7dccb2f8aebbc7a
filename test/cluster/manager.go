package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const (
	managerNamespace = "usher-system"
	managerAccount   = "usher-controller-manager"

	webhookConfiguration = "usher-validating-webhook-configuration"
	// A local cluster may run for weeks, and nothing renews the token of a process.
	managerTokenSeconds = int64(90 * 24 * time.Hour / time.Second)
)

// ManagerOptions configure a Manager.
type ManagerOptions struct {
	// Args are appended to the flags that StartManager sets, and override them.
	Args []string
	// Env is added to this process's environment.
	Env []string
	// Webhooks serves the admission webhooks at the address that InstallWebhooks configures in the API server. Only one
	// manager at a time can use this address; others must set WebhookAddress.
	Webhooks bool
	// WebhookAddress is an alternative address for the webhooks.
	WebhookAddress string
	// Kubeconfig replaces the kubeconfig of ManagerKubeconfig, for example to put a proxy between the manager and the
	// API server.
	Kubeconfig string
	// Race builds the manager with the race detector if CanRace returns true. Kill and Stop return the detected races.
	Race bool
	// LogFile is appended to. Empty means manager.log in the cluster's directory.
	LogFile string
	// Detached lets the manager outlive this process.
	Detached bool
}

// Manager is a running manager.
type Manager struct {
	process        *process
	race           bool
	healthURL      string
	metricsURL     string
	webhookAddress string
	readyAfter     time.Duration
}

// ManagerKubeconfig writes a kubeconfig for the manager's service account, which Install creates, and returns its path.
// The manager has only the shipped permissions.
func (c *Cluster) ManagerKubeconfig(ctx context.Context) (string, error) {
	return c.accountKubeconfig(ctx, managerNamespace, managerAccount, "manager.kubeconfig")
}

// StartManager builds the manager, starts it with its own service account, and waits until it is ready. Several may run
// on one cluster. The context bounds only the start.
func (c *Cluster) StartManager(ctx context.Context, options ManagerOptions) (*Manager, error) {
	build := buildManager
	if options.Race {
		build = buildRacedManager
	}
	program, err := build()
	if err != nil {
		return nil, err
	}
	kubeconfig := options.Kubeconfig
	if kubeconfig == "" {
		if kubeconfig, err = c.ManagerKubeconfig(ctx); err != nil {
			return nil, err
		}
	}
	health, metrics, err := freeAddresses(ctx)
	if err != nil {
		return nil, err
	}
	args, webhooks, err := c.webhookArgs(ctx, options)
	if err != nil {
		return nil, err
	}
	log := options.LogFile
	if log == "" {
		log = filepath.Join(c.dir, "manager.log")
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, append([]string{
		"--kubeconfig=" + kubeconfig,
		"--health-probe-bind-address=" + health,
		"--metrics-bind-address=" + metrics,
		"--metrics-secure=false",
	}, slices.Concat(args, options.Args)...)...)
	cmd.Env = append(os.Environ(), options.Env...)
	m := &Manager{
		healthURL: "http://" + health, metricsURL: "http://" + metrics + "/metrics", webhookAddress: webhooks,
		race: options.Race,
	}
	if m.process, err = startProcess(cmd, log, options.Detached); err != nil {
		return nil, err
	}
	started := time.Now()
	if err := m.WaitReady(ctx); err != nil {
		_ = m.Kill()
		return nil, err
	}
	m.readyAfter = time.Since(started)
	return m, nil
}

// WaitReady waits until the manager is ready.
func (m *Manager) WaitReady(ctx context.Context) error {
	return m.process.waitUntil(ctx, "the manager is ready", func(ctx context.Context) bool {
		return isOK(ctx, http.DefaultClient, m.healthURL+"/readyz")
	})
}

func isOK(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// ReadyAfter returns the time from the start of the manager until it was ready.
func (m *Manager) ReadyAfter() time.Duration { return m.readyAfter }

// Kill kills the manager and waits for its end.
func (m *Manager) Kill() error { return errors.Join(m.process.kill(), races(m.race, m.process.log)) }

// Stop ends the manager as a roll-out would, and returns when it is gone.
func (m *Manager) Stop() error {
	return errors.Join(m.process.terminate(), races(m.race, m.process.log))
}

// Signal sends a signal to the manager's process, for tests that freeze it.
func (m *Manager) Signal(signal os.Signal) error { return m.process.cmd.Process.Signal(signal) }

// Done returns a channel that is closed when the manager has ended for any reason.
func (m *Manager) Done() <-chan struct{} { return m.process.done }

// PID returns the process ID of the manager.
func (m *Manager) PID() int { return m.process.pid() }

// LogFile returns the path of the manager's log.
func (m *Manager) LogFile() string { return m.process.log }

// LogTail returns the last lines of the log, for an error message.
func (m *Manager) LogTail() string { return tail(m.process.log) }

// HealthURL returns the base URL of /healthz and /readyz.
func (m *Manager) HealthURL() string { return m.healthURL }

// MetricsURL returns the URL of the metrics.
func (m *Manager) MetricsURL() string { return m.metricsURL }

// WebhookAddress returns the address of the webhooks, or "".
func (m *Manager) WebhookAddress() string { return m.webhookAddress }

func freeAddresses(ctx context.Context) (string, string, error) {
	var addresses [2]string
	var config net.ListenConfig
	for i := range addresses {
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", fmt.Errorf("find a free port: %w", err)
		}
		// Hold both ports until both are found, so that they differ.
		defer func() { _ = listener.Close() }()
		addresses[i] = listener.Addr().String()
	}
	return addresses[0], addresses[1], nil
}

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
	// A local cluster may stay up for weeks, and nothing renews the token of a process.
	managerTokenSeconds = int64(90 * 24 * time.Hour / time.Second)
)

// ManagerOptions say how to start a Manager.
type ManagerOptions struct {
	// Args go after the flags that StartManager sets, and win over them.
	Args []string
	// Env is added to this process's environment.
	Env []string
	// Webhooks has it serve the admission webhooks, where InstallWebhooks has the API server call them. One at a time
	// can: another one takes an address of its own.
	Webhooks bool
	// WebhookAddress is where it serves them instead.
	WebhookAddress string
	// Kubeconfig is the manager's in place of one that ManagerKubeconfig makes: with something between it and the API
	// server.
	Kubeconfig string
	// Race has it built with the race detector, where CanRace says that it can be. What that finds, Kill and Stop return.
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

// ManagerKubeconfig writes a kubeconfig of the manager's service account, which Install makes, and returns its path: the
// manager must get by with the rights that are shipped.
func (c *Cluster) ManagerKubeconfig(ctx context.Context) (string, error) {
	return c.accountKubeconfig(ctx, managerNamespace, managerAccount, "manager.kubeconfig")
}

// StartManager builds the manager, starts it under its own service account, and returns
// when it is ready. Several may run on one cluster. The context bounds the start only.
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

// WaitReady returns when the manager says that it is ready.
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

// ReadyAfter returns how long after its start the manager was ready.
func (m *Manager) ReadyAfter() time.Duration { return m.readyAfter }

// Kill ends the manager as a crash would, and returns when it is gone.
func (m *Manager) Kill() error { return errors.Join(m.process.kill(), races(m.race, m.process.log)) }

// Stop ends the manager as a roll-out would, and returns when it is gone.
func (m *Manager) Stop() error {
	return errors.Join(m.process.terminate(), races(m.race, m.process.log))
}

// Signal hands the manager's process to a test that freezes it.
func (m *Manager) Signal(signal os.Signal) error { return m.process.cmd.Process.Signal(signal) }

// Done is closed when the manager has ended, for whatever reason.
func (m *Manager) Done() <-chan struct{} { return m.process.done }

// PID returns the manager's process.
func (m *Manager) PID() int { return m.process.pid() }

// LogFile returns where the manager's output goes.
func (m *Manager) LogFile() string { return m.process.log }

// LogTail returns the last lines of the log, for the message of an error.
func (m *Manager) LogTail() string { return tail(m.process.log) }

// HealthURL returns the base of /healthz and /readyz.
func (m *Manager) HealthURL() string { return m.healthURL }

// MetricsURL returns where the metrics are.
func (m *Manager) MetricsURL() string { return m.metricsURL }

// WebhookAddress returns where the webhooks are served, or "".
func (m *Manager) WebhookAddress() string { return m.webhookAddress }

func freeAddresses(ctx context.Context) (string, string, error) {
	var addresses [2]string
	var config net.ListenConfig
	for i := range addresses {
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", fmt.Errorf("find a free port: %w", err)
		}
		// Held until both are found, so that they differ.
		defer func() { _ = listener.Close() }()
		addresses[i] = listener.Addr().String()
	}
	return addresses[0], addresses[1], nil
}

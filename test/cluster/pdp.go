package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// PDPOptions say how to start a PDP.
type PDPOptions struct {
	// Kubeconfig is that of its service account.
	Kubeconfig string
	// CertificateDir has the files tls.crt and tls.key that it serves.
	CertificateDir string
	// Args go after the flags that StartPDP sets, and win over them.
	Args []string
	// Address is where it serves; empty: a free port.
	Address string
	// Race has it built with the race detector, where CanRace says that it can be. What that finds, Kill and Stop return.
	Race bool
	// LogFile is appended to. Empty means pdp.log in the cluster's directory.
	LogFile string
	// Detached lets it outlive this process.
	Detached bool
}

// PDP is a running decision point.
type PDP struct {
	process    *process
	race       bool
	address    string
	healthURL  string
	metricsURL string
}

// StartPDP builds usher, starts the decision point, and returns when it is ready. Several may run on one cluster. The
// context bounds the start only.
func (c *Cluster) StartPDP(ctx context.Context, options PDPOptions) (*PDP, error) {
	build := buildManager
	if options.Race {
		build = buildRacedManager
	}
	program, err := build()
	if err != nil {
		return nil, err
	}
	health, metrics, err := freeAddresses(ctx)
	if err != nil {
		return nil, err
	}
	address := options.Address
	if address == "" {
		if address, _, err = freeAddresses(ctx); err != nil {
			return nil, err
		}
	}
	log := options.LogFile
	if log == "" {
		log = filepath.Join(c.dir, "pdp.log")
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, append([]string{
		"pdp",
		"--kubeconfig=" + options.Kubeconfig,
		"--bind-address=" + address,
		"--certificate-dir=" + options.CertificateDir,
		"--health-probe-bind-address=" + health,
		"--metrics-bind-address=" + metrics,
		"--metrics-secure=false",
	}, options.Args...)...)
	p := &PDP{
		race: options.Race, address: address, healthURL: "http://" + health, metricsURL: "http://" + metrics + "/metrics",
	}
	if p.process, err = startProcess(cmd, log, options.Detached); err != nil {
		return nil, err
	}
	err = p.process.waitUntil(ctx, "the decision point is ready", func(ctx context.Context) bool {
		return isOK(ctx, http.DefaultClient, p.healthURL+"/readyz")
	})
	if err != nil {
		_ = p.Kill()
		return nil, err
	}
	return p, nil
}

// Address returns where it serves.
func (p *PDP) Address() string { return p.address }

// HealthURL returns the base of /healthz and /readyz.
func (p *PDP) HealthURL() string { return p.healthURL }

// MetricsURL returns where the metrics are.
func (p *PDP) MetricsURL() string { return p.metricsURL }

// PID returns its process.
func (p *PDP) PID() int { return p.process.pid() }

// LogTail returns the last lines of the log.
func (p *PDP) LogTail() string { return tail(p.process.log) }

// Kill ends it as a crash would, and returns when it is gone.
func (p *PDP) Kill() error { return errors.Join(p.process.kill(), races(p.race, p.process.log)) }

// Stop ends it as a roll-out would, and returns when it is gone.
func (p *PDP) Stop() error { return errors.Join(p.process.terminate(), races(p.race, p.process.log)) }

// races returns what the race detector has said in the log.
func races(raced bool, path string) error {
	if !raced {
		return nil
	}
	log, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("look for data races: %w", err)
	}
	if _, said, found := bytes.Cut(log, []byte("WARNING: DATA RACE")); found {
		return fmt.Errorf("a data race, by %s:%s", path, said[:min(len(said), tailBytes)])
	}
	return nil
}

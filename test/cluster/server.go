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
	"slices"
)

// ServerOptions say how to start a decision point or a SCIM server.
type ServerOptions struct {
	// Kubeconfig is that of the service account of a decision point. A SCIM server has none.
	Kubeconfig string
	// CertificateDir has the files tls.crt and tls.key that it serves.
	CertificateDir string
	// Args go after the flags that are set here, and win over them.
	Args []string
	// Address is where it serves; empty: a free port.
	Address string
	// Race has it built with the race detector, where CanRace says that it can be. What that finds, Kill and Stop return.
	Race bool
	// LogFile is appended to. Empty means pdp.log or scim.log in the cluster's directory.
	LogFile string
	// Detached lets it outlive this process.
	Detached bool
}

// Server is a running decision point or SCIM server.
type Server struct {
	process    *process
	race       bool
	address    string
	healthURL  string
	metricsURL string
}

// StartPDP builds usher, starts the decision point, and returns when it is ready. Several may run on one cluster. The
// context bounds the start only.
func (c *Cluster) StartPDP(ctx context.Context, options ServerOptions) (*Server, error) {
	return c.startServer(ctx, "pdp", options, "--kubeconfig="+options.Kubeconfig)
}

// StartSCIM does the same for the SCIM server.
func (c *Cluster) StartSCIM(ctx context.Context, options ServerOptions) (*Server, error) {
	authorities := filepath.Join(c.dir, "api-server-ca.crt")
	if err := os.WriteFile(authorities, c.config.CAData, 0o600); err != nil {
		return nil, fmt.Errorf("write the authorities of the API server: %w", err)
	}
	return c.startServer(ctx, "scim", options, "--api-server="+c.config.Host, "--api-server-ca="+authorities)
}

// startServer starts a subcommand of usher that serves.
func (c *Cluster) startServer(ctx context.Context, subcommand string, options ServerOptions, flags ...string) (*Server, error) {
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
		log = filepath.Join(c.dir, subcommand+".log")
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, slices.Concat([]string{
		subcommand,
		"--bind-address=" + address,
		"--certificate-dir=" + options.CertificateDir,
		"--health-probe-bind-address=" + health,
		"--metrics-bind-address=" + metrics,
		"--metrics-secure=false",
	}, flags, options.Args)...)
	p := &Server{
		race: options.Race, address: address, healthURL: "http://" + health, metricsURL: "http://" + metrics + "/metrics",
	}
	if p.process, err = startProcess(cmd, log, options.Detached); err != nil {
		return nil, err
	}
	err = p.process.waitUntil(ctx, "usher "+subcommand+" is ready", func(ctx context.Context) bool {
		return isOK(ctx, http.DefaultClient, p.healthURL+"/readyz")
	})
	if err != nil {
		_ = p.Kill()
		return nil, err
	}
	return p, nil
}

// Address returns where it serves.
func (p *Server) Address() string { return p.address }

// HealthURL returns the base of /healthz and /readyz.
func (p *Server) HealthURL() string { return p.healthURL }

// MetricsURL returns where the metrics are.
func (p *Server) MetricsURL() string { return p.metricsURL }

// PID returns its process.
func (p *Server) PID() int { return p.process.pid() }

// LogTail returns the last lines of the log.
func (p *Server) LogTail() string { return tail(p.process.log) }

// Kill ends it as a crash would, and returns when it is gone.
func (p *Server) Kill() error { return errors.Join(p.process.kill(), races(p.race, p.process.log)) }

// Stop ends it as a roll-out would, and returns when it is gone.
func (p *Server) Stop() error {
	return errors.Join(p.process.terminate(), races(p.race, p.process.log))
}

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

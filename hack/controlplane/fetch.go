package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	setupEnvtest = "sigs.k8s.io/controller-runtime/tools/setup-envtest"
	// indexTimeout is for the index, a small file. If it cannot be fetched, neither can the binaries.
	indexTimeout = 10 * time.Second
	// fetchTimeout is for the archive of about 70 MB.
	fetchTimeout = 5 * time.Minute
)

// fetch makes setup-envtest fetch the binaries of the newest patch release of the minor version into a directory below
// dir, and returns that directory. setup-envtest verifies the checksum from its index.
func (a *assets) fetch(ctx context.Context, dir string, versions versions) (string, error) {
	wanted := minor(versions[kubernetesModule]) + ".x"
	_, _ = fmt.Fprintf(a.progress, "asking setup-envtest for Kubernetes %s\n", wanted)
	tool := filepath.Join(dir, "setup-envtest")
	if _, err := goTool(ctx, a.source, "build", "-mod=readonly", "-o", tool, setupEnvtest); err != nil {
		return "", fmt.Errorf("build setup-envtest: %w", err)
	}
	flags := []string{"--bin-dir", filepath.Join(dir, "envtest")}
	index := "its index"
	if a.index != "" {
		flags, index = append(flags, "--index", a.index), "the index "+a.index
	}
	listed, err := runFor(ctx, a.patience, tool, append([]string{"list", wanted}, flags...)...)
	if err != nil {
		return "", fmt.Errorf("setup-envtest cannot read %s: %w", index, err)
	}
	if !strings.Contains(listed, "v"+strings.TrimSuffix(wanted, "x")) {
		return "", fmt.Errorf("setup-envtest finds no Kubernetes %s for this platform in %s", wanted, index)
	}
	done := reportWhile(a.progress, func() string {
		return fmt.Sprintf("fetching Kubernetes %s by setup-envtest: %d MB so far", wanted, size(dir)>>20)
	})
	path, err := runFor(ctx, fetchTimeout, tool, append([]string{"use", wanted, "--print", "path"}, flags...)...)
	done()
	if err != nil {
		return "", fmt.Errorf("setup-envtest cannot fetch Kubernetes %s by %s: %w", wanted, index, err)
	}
	path = strings.TrimSpace(path)
	if err := checkVersions(ctx, path, wanted); err != nil {
		return "", fmt.Errorf("the binaries that setup-envtest fetched by %s cannot be used: %w", index, err)
	}
	_, _ = fmt.Fprintf(a.progress, "fetched the control plane by setup-envtest\n")
	return path, nil
}

// checkVersions returns an error unless every component runs on this machine and those of Kubernetes have the wanted
// version.
func checkVersions(ctx context.Context, dir, wanted string) error {
	for _, c := range components {
		args := []string{"--version"}
		if c.name == kubectlName {
			args = []string{"version", "--client"}
		}
		said, err := runFor(ctx, indexTimeout, filepath.Join(dir, c.name), args...)
		if err != nil {
			return fmt.Errorf("ask %s for its version: %w", c.name, err)
		}
		_, version, found := strings.Cut(said, c.version)
		if !found || c.module == kubernetesModule && !strings.HasPrefix(version, strings.TrimSuffix(wanted, "x")) {
			return fmt.Errorf("%s is not of version %s: it prints %q", c.name, wanted, said)
		}
	}
	return nil
}

// minor returns 1.37 for v1.37.1.
func minor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// runFor runs a program with a time limit and returns its standard output. An error contains the last line of the
// standard error.
func runFor(ctx context.Context, limit time.Duration, program string, args ...string) (string, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(bounded, program, args...)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.String(), nil
	case ctx.Err() == nil && errors.Is(bounded.Err(), context.DeadlineExceeded):
		return "", fmt.Errorf("no answer within %s", limit)
	default:
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
}

// size returns the size of the files below dir, as far as they can be read.
func size(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that is gone has no bytes
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Root returns the directory of the repository, from wherever in it this process runs.
var Root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the repository: %w", err)
		}
		// The modules below hack are nested in it.
		if strings.HasPrefix(string(content), "module github.com/usher-dev/usher\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the repository: run this inside a checkout of github.com/usher-dev/usher")
		}
		dir = parent
	}
})

// buildManager builds bin/usher, once for all the managers of a process.
var buildManager = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	target := filepath.Join(root, "bin", "usher")
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return "", fmt.Errorf("make bin: %w", err)
	}
	// Packages are tested at the same time, each in a process of its own, and go build
	// does not put its result in place atomically.
	lock, err := os.OpenFile(filepath.Join(root, "bin", ".usher.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("lock bin/usher: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock bin/usher: %w", err)
	}
	return target, goBuild(context.Background(), root, target, "./cmd/usher")
})

func goBuild(ctx context.Context, dir, target, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-C", dir, "-o", target, pkg)
	// hack/controlplane is in no workspace.
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s in %s: %w\n%s", pkg, dir, err, strings.TrimSpace(output.String()))
	}
	return nil
}

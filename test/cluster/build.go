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

// Root returns the root directory of the repository that contains the working directory.
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

// Each function builds a program once for each process, because packages are tested in several processes.
var (
	buildManager      = sync.OnceValues(func() (string, error) { return buildIn("usher", ".", "./cmd/usher") })
	buildRacedManager = sync.OnceValues(func() (string, error) { return buildIn("usher-race", ".", "./cmd/usher", "-race") })
	buildControlPlane = sync.OnceValues(func() (string, error) { return buildIn("controlplane", controlPlaneDir, ".") })
	buildControllers  = sync.OnceValues(func() (string, error) { return buildIn("controllers", controlPlaneDir, "./controllers") })
)

// CanRace reports whether the race detector can be built in, which requires a C compiler.
var CanRace = sync.OnceValue(func() bool {
	out, err := exec.CommandContext(context.Background(), "go", "env", "CGO_ENABLED", "CC").Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 || fields[0] != "1" {
		return false
	}
	_, err = exec.LookPath(fields[1])
	return err == nil
})

// buildIn builds bin/NAME from a package of the module in dir, a directory below the root of the repository.
func buildIn(name, dir, pkg string, flags ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	target := filepath.Join(root, "bin", name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return "", fmt.Errorf("make bin: %w", err)
	}
	// Packages are tested concurrently, each in its own process, and go build does not replace its output atomically.
	lock, err := os.OpenFile(filepath.Join(root, "bin", "."+name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("lock bin/%s: %w", name, err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock bin/%s: %w", name, err)
	}
	return target, goBuild(context.Background(), filepath.Join(root, dir), target, pkg, flags...)
}

func goBuild(ctx context.Context, dir, target, pkg string, flags ...string) error {
	args := append([]string{"build", "-C", dir, "-o", target}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	// Compilers that collect garbage less often need a fifth less time. GOGC in the caller's environment takes
	// precedence.
	cmd.Env = append([]string{"GOGC=400"}, os.Environ()...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s in %s: %w\n%s", pkg, dir, err, strings.TrimSpace(output.String()))
	}
	return nil
}

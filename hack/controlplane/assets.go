package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// components in the order in which they are built: the one that takes longest first,
// so that the others find the packages they share with it in the build cache.
var components = []component{
	{name: "kube-apiserver", pkg: "k8s.io/kubernetes/cmd/kube-apiserver", module: kubernetesModule},
	{name: "kube-controller-manager", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager", module: kubernetesModule},
	{name: "kubectl", pkg: "k8s.io/kubernetes/cmd/kubectl", module: kubernetesModule},
	{name: "etcd", pkg: "go.etcd.io/etcd/server/v3", module: etcdModule},
}

type component struct {
	name   string
	pkg    string
	module module
}

// findAssets returns the directory that holds all components, and builds them first
// where nobody has yet.
func findAssets(ctx context.Context, source string, progress io.Writer) (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		if err := checkAssets(dir); err != nil {
			return "", fmt.Errorf("KUBEBUILDER_ASSETS: %w; unset it to have them built", err)
		}
		return filepath.Abs(dir)
	}
	versions, err := readVersions(ctx, source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the control plane's binaries: %w", err)
	}
	dir := filepath.Join(cache, "usher", "controlplane", versions.key())
	if checkAssets(dir) == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make a place for the control plane's binaries: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock", func() {
		_, _ = fmt.Fprintln(progress, "another process is building the control plane; waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if checkAssets(dir) == nil {
		return dir, nil
	}
	return dir, buildAssets(ctx, source, dir, versions, progress)
}

// checkAssets fails unless dir holds every component.
func checkAssets(dir string) error {
	for _, c := range components {
		if _, err := os.Stat(filepath.Join(dir, c.name)); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s has no %s", dir, c.name)
			}
			return err
		}
	}
	return nil
}

// buildAssets lets dir appear only with everything in it.
func buildAssets(ctx context.Context, source, dir string, versions versions, progress io.Writer) error {
	partial, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".partial-")
	if err != nil {
		return fmt.Errorf("make a directory to build the control plane in: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	_, _ = fmt.Fprintf(progress, "building a Kubernetes %s control plane, once: some minutes, and then never again\n",
		versions[kubernetesModule])
	for i, c := range components {
		step := fmt.Sprintf("[%d/%d] %s %s", i+1, len(components), c.name, versions[c.module])
		done := reportWhile(progress, step)
		err := build(ctx, source, c, versions, filepath.Join(partial, c.name))
		done(err)
		if err != nil {
			return err
		}
	}
	// MkdirTemp keeps others out; the cache may be shared by a group.
	if err := os.Chmod(partial, 0o755); err != nil {
		return fmt.Errorf("open the control plane's binaries: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove an incomplete control plane: %w", err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return fmt.Errorf("put the control plane's binaries in place: %w", err)
	}
	return nil
}

// reportWhile says that a step began and goes on, until the function it returns is
// called with how it ended.
func reportWhile(progress io.Writer, step string) func(error) {
	began := time.Now()
	elapsed := func() time.Duration { return time.Since(began).Round(time.Second) }
	_, _ = fmt.Fprintf(progress, "%s: building\n", step)
	ticker := time.NewTicker(20 * time.Second)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ticker.C:
				_, _ = fmt.Fprintf(progress, "%s: still building, %s\n", step, elapsed())
			case <-stop:
				return
			}
		}
	}()
	return func(err error) {
		ticker.Stop()
		close(stop)
		<-stopped
		outcome := "built in"
		if err != nil {
			outcome = "failed after"
		}
		_, _ = fmt.Fprintf(progress, "%s: %s %s\n", step, outcome, elapsed())
	}
}

func (v versions) key() string {
	return fmt.Sprintf("kubernetes-%s-etcd-%s-%s-%s",
		v[kubernetesModule], v[etcdModule], runtime.GOOS, runtime.GOARCH)
}

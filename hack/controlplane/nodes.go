package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// nodeModule is a module whose tools are components of a node.
type nodeModule struct {
	dir     string // relative to the directory of this program's go.mod
	module  string // determines the version
	tools   []string
	tags    string
	env     []string
	ldflags func(version string) string
}

// nodeModules are the modules whose programs make a node, next to the control plane's own binaries. kube-controller-manager
// replaces the controllers of this program, because a cluster with nodes needs most of its controllers.
//
// containerd is built without the parts that need a C library or that a test does not use.
var nodeModules = []nodeModule{
	{
		dir: ".", module: kubernetesModule,
		tools: []string{
			"k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes/cmd/kube-scheduler", "k8s.io/kubernetes/cmd/kube-proxy",
			"k8s.io/kubernetes/cmd/kube-controller-manager",
		},
		ldflags: versionFlags,
	},
	{
		dir: "../tools/containerd", module: "github.com/containerd/containerd/v2",
		tools: []string{
			"github.com/containerd/containerd/v2/cmd/containerd", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"github.com/containerd/containerd/v2/cmd/ctr",
		},
		tags: "no_btrfs,no_devmapper,no_zfs,no_tracing", env: []string{"CGO_ENABLED=0"},
	},
	{
		dir: "../tools/cni", module: "github.com/containernetworking/plugins",
		tools: []string{
			"github.com/containernetworking/plugins/plugins/main/bridge", "github.com/containernetworking/plugins/plugins/main/loopback",
			"github.com/containernetworking/plugins/plugins/ipam/host-local",
		},
		env: []string{"CGO_ENABLED=0"},
	},
}

// findNodes returns the directory with the components of a node. It builds them if they are not in the user's cache, or
// returns an error if only cached ones are wanted.
func (a *assets) findNodes(ctx context.Context, cached bool) (string, error) {
	var key []string
	versions := make([]string, len(nodeModules))
	for i, m := range nodeModules {
		out, err := goTool(ctx, filepath.Join(a.source, m.dir), "list", "-mod=readonly", "-m", "-f", "{{.Version}}", m.module)
		if err != nil {
			return "", fmt.Errorf("read the version of %s: %w", m.module, err)
		}
		versions[i] = strings.TrimSpace(out)
		key = append(key, filepath.Base(strings.TrimSuffix(m.module, "/v2"))+"-"+versions[i])
	}
	cache := filepath.Join(filepath.Dir(a.cache), "nodes")
	dir := filepath.Join(cache, strings.Join(append(key, runtime.GOOS, runtime.GOARCH), "-"))
	if hasNodes(dir) {
		return dir, nil
	}
	if cached {
		return "", fmt.Errorf("%s does not have the binaries of nodes", dir)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make a directory for the binaries of nodes: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock", func() {
		_, _ = fmt.Fprintln(a.progress, "another process builds the binaries of nodes; waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if hasNodes(dir) {
		return dir, nil
	}
	partial, err := os.MkdirTemp(cache, "partial-")
	if err != nil {
		return "", fmt.Errorf("make a directory to build the binaries of nodes in: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	for i, m := range nodeModules {
		if err := a.buildNodeModule(ctx, partial, m, versions[i]); err != nil {
			return "", err
		}
	}
	// A directory that lacks a tool is of an earlier state of this list.
	return dir, errors.Join(os.RemoveAll(dir), os.Chmod(partial, 0o755), os.Rename(partial, dir))
}

// hasNodes reports whether the directory has all components of a node.
func hasNodes(dir string) bool {
	for _, m := range nodeModules {
		for _, tool := range m.tools {
			if _, err := os.Stat(filepath.Join(dir, filepath.Base(tool))); err != nil {
				return false
			}
		}
	}
	return true
}

func (a *assets) buildNodeModule(ctx context.Context, dir string, m nodeModule, version string) error {
	what := m.module + " " + version
	_, _ = fmt.Fprintf(a.progress, "building the programs of a node from %s, once\n", what)
	flags := "-s -w"
	if m.ldflags != nil {
		flags += " " + m.ldflags(version)
	}
	done := reportWhile(a.progress, func() string { return "still building from " + what })
	defer done()
	args := []string{"build", "-mod=readonly", "-ldflags", flags, "-tags", m.tags, "-o", dir + "/"}
	if err := runGo(ctx, filepath.Join(a.source, m.dir), io.Discard, io.Discard, append(args, m.tools...), m.env...); err != nil {
		return fmt.Errorf("build from %s: %w", what, err)
	}
	return nil
}

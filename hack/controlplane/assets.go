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

const (
	// assetsDirEnv names a directory with the binaries, as in envtest.
	assetsDirEnv = "KUBEBUILDER_ASSETS"
	// assetsEnv determines how missing binaries are obtained.
	assetsEnv      = "USHER_ASSETS"
	assetsByBuilds = "build"
	// indexEnv names the index that setup-envtest reads, for example that of a mirror.
	indexEnv = "USHER_ASSETS_INDEX"
)

const (
	etcdName      = "etcd"
	apiServerName = "kube-apiserver"
	kubectlName   = "kubectl"
)

// components are the external programs of a control plane. They are the binaries that envtest uses, too.
var components = []component{
	{apiServerName, "k8s.io/kubernetes/cmd/kube-apiserver", kubernetesModule, "kube-apiserver", "Kubernetes v"},
	{etcdName, "go.etcd.io/etcd/server/v3", etcdModule, "server", "etcd Version: "},
	{kubectlName, "k8s.io/kubernetes/cmd/kubectl", kubernetesModule, "kubectl", "Client Version: v"},
}

type component struct {
	name   string
	pkg    string
	module string
	// program is the name of the program for the go command.
	program string
	// version is the text before the number in the output of the program's version flag.
	version string
}

// needed returns the components of a control plane, in fixed order.
func needed(kubectl bool) []component {
	if kubectl {
		return components
	}
	return components[:2]
}

// assets finds the binaries of a control plane.
type assets struct {
	source   string        // directory of this program's go.mod
	cache    string        // directory for what is fetched and built
	index    string        // of setup-envtest; "" means its default
	build    bool          // do not fetch
	patience time.Duration // timeout for the index
	progress io.Writer
}

func newAssets(source string, progress io.Writer) (*assets, error) {
	how := os.Getenv(assetsEnv)
	if how != "" && how != assetsByBuilds {
		return nil, fmt.Errorf("%s is %q: unset it to fetch the binaries if possible, or set it to %q to build them from source",
			assetsEnv, how, assetsByBuilds)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a directory for the control plane's binaries: %w", err)
	}
	return &assets{
		source: source, cache: filepath.Join(cache, "usher", "controlplane"), index: os.Getenv(indexEnv),
		build: how == assetsByBuilds, patience: indexTimeout, progress: progress,
	}, nil
}

// find returns the directory that holds the components. It uses KUBEBUILDER_ASSETS if that is set, then the cache, then
// setup-envtest, and finally builds from source.
func (a *assets) find(ctx context.Context, components []component) (string, error) {
	if dir := os.Getenv(assetsDirEnv); dir != "" {
		if absent, err := missing(dir, components); err != nil || len(absent) > 0 {
			return "", fmt.Errorf("%s: %w; unset it to fetch or build them", assetsDirEnv, errors.Join(err, absentError(dir, absent)))
		}
		return filepath.Abs(dir)
	}
	versions, err := readVersions(ctx, a.source)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(a.cache, versions.key())
	absent, err := missing(dir, components)
	if err != nil || len(absent) == 0 {
		return dir, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a directory for the control plane's binaries: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock", func() {
		_, _ = fmt.Fprintln(a.progress, "another process fetches or builds the control plane; waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if absent, err = missing(dir, components); err != nil || len(absent) == 0 {
		return dir, err
	}
	return dir, a.complete(ctx, dir, versions, absent)
}

// complete puts the missing components into dir, each by an atomic rename.
func (a *assets) complete(ctx context.Context, dir string, versions versions, absent []component) error {
	partial, err := os.MkdirTemp(a.cache, filepath.Base(dir)+".partial-")
	if err != nil {
		return fmt.Errorf("make a directory to fetch or build the control plane in: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	if !a.build {
		fetched, err := a.fetch(ctx, partial, versions)
		if err == nil {
			// The archive contains all components, even those that were not requested.
			return place(fetched, dir, components)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, _ = fmt.Fprintf(a.progress, "%v\nbuilding from source instead; %s=%s does so at once\n", err, assetsEnv, assetsByBuilds)
	}
	if err := a.buildAll(ctx, partial, versions, absent); err != nil {
		return err
	}
	return place(partial, dir, absent)
}

// place moves complete binaries from one directory to another.
func place(from, to string, components []component) error {
	for _, c := range components {
		if err := os.Rename(filepath.Join(from, c.name), filepath.Join(to, c.name)); err != nil {
			return fmt.Errorf("put %s in place: %w", c.name, err)
		}
	}
	return nil
}

// missing returns the components that dir does not hold.
func missing(dir string, components []component) ([]component, error) {
	var absent []component
	for _, c := range components {
		_, err := os.Stat(filepath.Join(dir, c.name))
		if errors.Is(err, fs.ErrNotExist) {
			absent = append(absent, c)
		} else if err != nil {
			return nil, err
		}
	}
	return absent, nil
}

func absentError(dir string, absent []component) error {
	var errs []error
	for _, c := range absent {
		errs = append(errs, fmt.Errorf("%s has no %s", dir, c.name))
	}
	return errors.Join(errs...)
}

func (v versions) key() string {
	return fmt.Sprintf("kubernetes-%s-etcd-%s-%s-%s",
		v[kubernetesModule], v[etcdModule], runtime.GOOS, runtime.GOARCH)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// A machine that is also compiling needs much longer than the usual three seconds.
	startTimeout = time.Minute
	// Nothing outlives the process, so a graceful end is not awaited.
	stopTimeout = 2 * time.Second
)

// start runs a control plane with its state in dir until ctx ends. program is the program of the controllers; if it is
// empty, none are started.
func start(ctx context.Context, assets, program, dir string, progress io.Writer) (err error) {
	layout, err := newLayout(dir)
	if err != nil {
		return err
	}
	defer layout.close()
	// envtest takes the components from this directory, whatever else is set.
	if err := os.Setenv(assetsDirEnv, assets); err != nil {
		return fmt.Errorf("set the directory of the binaries: %w", err)
	}
	_, _ = fmt.Fprintln(progress, "starting etcd and kube-apiserver")
	plane, err := newPlane(layout, assets)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := plane.Stop(); stopErr != nil {
			// A component that does not end in time has been killed, which is fine.
			_, _ = fmt.Fprintln(progress, "stopping the control plane:", stopErr)
		}
	}()
	if err := plane.Start(); err != nil {
		return fmt.Errorf("start the control plane (its logs are in %s): %w", dir, err)
	}
	admin, err := plane.AddUser(envtest.User{Name: "usher-admin", Groups: []string{"system:masters"}}, &rest.Config{})
	if err != nil {
		return fmt.Errorf("create an administrator: %w", err)
	}
	var running *controllers
	if program != "" {
		_, _ = fmt.Fprintln(progress, "starting the controllers")
		if running, err = startControllers(ctx, plane, layout, program); err != nil {
			return err
		}
		defer running.stop()
	}
	if err := waitReady(ctx, admin.Config(), running); err != nil {
		return fmt.Errorf("%w (its logs are in %s)", err, dir)
	}
	kubeconfig, err := admin.KubeConfig()
	if err != nil {
		return fmt.Errorf("create a kubeconfig: %w", err)
	}
	if err := writeAtomically(layout.kubeconfig, kubeconfig); err != nil {
		return err
	}
	defer func() { _ = os.Remove(layout.kubeconfig) }()
	_, _ = fmt.Fprintln(progress, "ready:", layout.kubeconfig)
	select {
	case <-ctx.Done():
		return nil
	case <-running.ended():
		return fmt.Errorf("the controllers ended unexpectedly; see %s", filepath.Join(dir, controllersName+".log"))
	}
}

func newPlane(layout *layout, assets string) (*envtest.ControlPlane, error) {
	etcd, err := componentPath(filepath.Join(assets, etcdName), layout.bin)
	if err != nil {
		return nil, err
	}
	etcdLog, err := layout.log(etcdName)
	if err != nil {
		return nil, err
	}
	apiServer, err := componentPath(filepath.Join(assets, apiServerName), layout.bin)
	if err != nil {
		return nil, err
	}
	apiServerLog, err := layout.log(apiServerName)
	if err != nil {
		return nil, err
	}
	plane := &envtest.ControlPlane{
		Etcd: &envtest.Etcd{
			Path: etcd, DataDir: layout.data, Out: etcdLog, Err: etcdLog,
			StartTimeout: startTimeout, StopTimeout: stopTimeout,
		},
		APIServer: &envtest.APIServer{
			Path: apiServer, CertDir: layout.certs, Out: apiServerLog, Err: apiServerLog,
			StartTimeout: startTimeout, StopTimeout: stopTimeout,
		},
		KubectlPath: filepath.Join(assets, kubectlName),
	}
	plane.Etcd.Configure().
		Set("unsafe-no-fsync", "true").
		Set("log-level", "warn")
	plane.APIServer.Configure().
		// envtest turns ServiceAccount off. Tests would not notice that it is missing.
		Disable("disable-admission-plugins").
		// Usher must have the permissions that owner references require.
		Set("enable-admission-plugins", "OwnerReferencesPermissionEnforcement").
		Set("authorization-mode", "RBAC").
		// A machine without a default route has no other address.
		Set("advertise-address", "127.0.0.1").
		Set("endpoint-reconciler-type", "none").
		Set("profiling", "false")
	return plane, nil
}

// layout holds the paths in the directory of a control plane.
type layout struct {
	dir, data, certs, bin, kubeconfig string

	logs []*os.File
}

func newLayout(dir string) (*layout, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", dir, err)
	}
	l := &layout{
		dir:        dir,
		data:       filepath.Join(dir, "etcd"),
		certs:      filepath.Join(dir, "certs"),
		bin:        filepath.Join(dir, "exec"),
		kubeconfig: filepath.Join(dir, "kubeconfig"),
	}
	for _, sub := range []string{l.data, l.certs, l.bin} {
		if _, err := os.Stat(sub); err == nil {
			return nil, fmt.Errorf("%s is from another control plane: remove %s or name another directory", sub, dir)
		}
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return nil, fmt.Errorf("make the control plane's directory: %w", err)
		}
	}
	return l, nil
}

func (l *layout) log(name string) (*os.File, error) {
	file, err := os.Create(filepath.Join(l.dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	l.logs = append(l.logs, file)
	return file, nil
}

func (l *layout) close() {
	for _, file := range l.logs {
		_ = file.Close()
	}
}

// writeAtomically replaces a file, so that a reader never sees half of it.
func writeAtomically(path string, content []byte) error {
	partial := path + ".partial"
	if err := os.WriteFile(partial, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(partial)))
	}
	return nil
}

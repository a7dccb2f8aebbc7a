package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// A machine that is also compiling needs several times the usual four seconds.
	readyTimeout = 2 * time.Minute
	pollInterval = 20 * time.Millisecond
)

// Options configure a Cluster. The zero value is suitable for tests.
type Options struct {
	// Dir holds state, logs and kubeconfigs. Empty means a temporary directory, which Stop removes.
	Dir string
	// Progress receives progress messages for a person. Nil means standard error, and only for the build of the control
	// plane, which takes minutes.
	Progress io.Writer
	// Detached lets the control plane outlive this process.
	Detached bool
	// APIOnly runs only etcd and kube-apiserver, and needs no other binaries. Without controllers, nothing is garbage
	// collected and no namespace is ever deleted completely. Without kubectl, Kubectl and KubectlInput fail.
	APIOnly bool
}

// Cluster is a running control plane.
type Cluster struct {
	dir       string
	temporary bool
	assets    string
	config    *rest.Config
	process   *process
	stdin     io.Closer

	// apiServer is the process from StartAPIServer, which replaces the control plane's original one.
	apiServer        *process
	apiServerCommand []string
}

// Start starts a control plane and waits until it is ready. The context bounds the start, not the life of the cluster.
// The cluster ends with Stop, and with this process unless it is detached.
func Start(ctx context.Context, options Options) (_ *Cluster, err error) {
	c := &Cluster{dir: options.Dir}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "usher-cluster-"); err != nil {
			return nil, fmt.Errorf("make a directory for the cluster: %w", err)
		}
		c.temporary = true
	} else if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory for the cluster: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	progress := options.Progress
	if progress == nil {
		progress = os.Stderr
	}
	if err := c.run(ctx, options, progress); err != nil {
		return nil, err
	}
	if err := c.waitForKubeconfig(ctx); err != nil {
		return nil, err
	}
	return c, c.loadConfig()
}

// Attach returns the detached cluster that an earlier Start left in dir. Stop does not end it.
func Attach(ctx context.Context, dir string) (*Cluster, error) {
	program, err := buildControlPlane()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir}
	if c.assets, err = findAssets(ctx, program, true, io.Discard); err != nil {
		return nil, err
	}
	return c, c.loadConfig()
}

// Stop ends the control plane with everything in it.
func (c *Cluster) Stop() error {
	var errs []error
	if c.apiServer != nil {
		errs = append(errs, c.apiServer.kill())
	}
	if c.process != nil {
		if c.stdin != nil {
			_ = c.stdin.Close()
		}
		if err := c.process.terminate(); err != nil {
			errs = append(errs, fmt.Errorf("stop the control plane: %w", err))
		}
	}
	if c.temporary {
		if err := os.RemoveAll(c.dir); err != nil {
			errs = append(errs, fmt.Errorf("remove the cluster's directory: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Config returns a copy of the cluster administrator's client configuration, without client-side rate limits.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// KubeconfigPath returns the cluster administrator's kubeconfig.
func (c *Cluster) KubeconfigPath() string { return filepath.Join(c.dir, "kubeconfig") }

// Dir returns the directory with the cluster's logs.
func (c *Cluster) Dir() string { return c.dir }

// PID returns the process ID of the control plane, or 0 if this process did not start it.
func (c *Cluster) PID() int {
	if c.process == nil {
		return 0
	}
	return c.process.pid()
}

// run finds the binaries and starts the control plane.
func (c *Cluster) run(ctx context.Context, options Options, progress io.Writer) error {
	program, err := buildControlPlane()
	if err != nil {
		return err
	}
	if c.assets, err = findAssets(ctx, program, !options.APIOnly, progress); err != nil {
		return err
	}
	source, err := controlPlaneSource()
	if err != nil {
		return err
	}
	args := []string{"start", "--dir=" + c.dir, "--source=" + source}
	if options.APIOnly {
		args = append(args, "--kubectl=false")
	} else {
		controllers, err := buildControllers()
		if err != nil {
			return err
		}
		args = append(args, "--controllers="+controllers)
	}
	return c.startProgram(ctx, program, args, options.Detached)
}

func (c *Cluster) startProgram(ctx context.Context, program string, args []string, detached bool) error {
	if !detached {
		args = append(args, "--until-stdin-closes")
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	if !detached {
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return fmt.Errorf("hold the control plane: %w", err)
		}
		c.stdin = stdin
	}
	var err error
	c.process, err = startProcess(cmd, filepath.Join(c.dir, "controlplane.log"), detached)
	return err
}

func (c *Cluster) waitForKubeconfig(ctx context.Context) error {
	return c.process.waitUntil(ctx, "the control plane is ready", func(context.Context) bool {
		_, err := os.Stat(c.KubeconfigPath())
		return err == nil
	})
}

func (c *Cluster) loadConfig() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.KubeconfigPath())
	if err != nil {
		return fmt.Errorf("read the cluster's kubeconfig: %w", err)
	}
	// The tests must meet the API server's own flow control.
	config.QPS = -1
	c.config = config
	return nil
}

// controlPlaneDir is the directory of the control plane's module.
const controlPlaneDir = "hack/controlplane"

func controlPlaneSource() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, controlPlaneDir), nil
}

func findAssets(ctx context.Context, program string, kubectl bool, progress io.Writer) (string, error) {
	source, err := controlPlaneSource()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, "assets", "--source="+source, fmt.Sprintf("--kubectl=%t", kubectl))
	var stdout, tail bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, io.MultiWriter(progress, &tail)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("find the control plane's binaries: %w\n%s", err, strings.TrimSpace(tail.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

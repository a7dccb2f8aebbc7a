package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// Components that a test may break. Everything that a test can do to them here can be undone.
const (
	Etcd      = "etcd"
	APIServer = "kube-apiserver"
)

// component is a child process of the control plane.
type component struct {
	pid     int
	program string
	args    []string
}

// findComponent finds a component by its program name, because the control plane does not publish process IDs.
func (c *Cluster) findComponent(name string) (*component, error) {
	if c.process == nil {
		return nil, fmt.Errorf("find %s: the control plane was not started by this process", name)
	}
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, directory := range directories {
		// A process that ends meanwhile is not the component.
		stat, err := os.ReadFile(filepath.Join(directory, "stat"))
		if err != nil || parentOf(string(stat)) != c.process.pid() {
			continue
		}
		program, err := os.Readlink(filepath.Join(directory, "exe"))
		if err != nil || filepath.Base(program) != name {
			continue
		}
		line, err := os.ReadFile(filepath.Join(directory, "cmdline"))
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		pid, err := strconv.Atoi(filepath.Base(directory))
		if err != nil {
			return nil, err
		}
		return &component{pid, program, strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")[1:]}, nil
	}
	return nil, fmt.Errorf("find %s: process %d has no such child", name, c.process.pid())
}

// parentOf parses /proc/PID/stat. The name of the program is in parentheses and may itself contain parentheses.
func parentOf(stat string) int {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return parent
}

// SignalEtcd sends a signal to the etcd process, for tests that freeze it.
func (c *Cluster) SignalEtcd(signal syscall.Signal) error {
	etcd, err := c.findComponent(Etcd)
	if err != nil {
		return err
	}
	return syscall.Kill(etcd.pid, signal)
}

// EtcdURL returns the address of etcd, without TLS or a password. Its content is what the API server will show, even
// while no API server is running.
func (c *Cluster) EtcdURL() (string, error) {
	etcd, err := c.findComponent(Etcd)
	if err != nil {
		return "", err
	}
	for _, arg := range etcd.args {
		if url, found := strings.CutPrefix(arg, "--listen-client-urls="); found {
			return url, nil
		}
	}
	return "", fmt.Errorf("find etcd: no client URL in %q", etcd.args)
}

// KillAPIServer kills the API server and waits for its end. StartAPIServer starts it again.
func (c *Cluster) KillAPIServer(ctx context.Context) error {
	if c.apiServer != nil {
		return c.apiServer.kill()
	}
	running, err := c.findComponent(APIServer)
	if err != nil {
		return err
	}
	c.apiServerCommand = append([]string{running.program}, running.args...)
	if err := syscall.Kill(running.pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the API server: %w", err)
	}
	return wait.PollUntilContextTimeout(ctx, pollInterval, terminateTimeout, true, func(context.Context) (bool, error) {
		return errors.Is(syscall.Kill(running.pid, 0), syscall.ESRCH), nil
	})
}

// StartAPIServer starts the API server that KillAPIServer ended, with the same configuration, and waits until it is
// ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if c.apiServerCommand == nil {
		return errors.New("start the API server: it was not ended by KillAPIServer")
	}
	transport, err := rest.TransportFor(c.config)
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	client := &http.Client{Transport: transport}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		cmd := exec.CommandContext(context.WithoutCancel(ctx), c.apiServerCommand[0], c.apiServerCommand[1:]...)
		if c.apiServer, err = startProcess(cmd, filepath.Join(c.dir, APIServer+".log"), false); err != nil {
			return err
		}
		err := c.apiServer.waitUntil(ctx, "the API server is ready", func(ctx context.Context) bool {
			return isOK(ctx, client, strings.TrimSuffix(c.config.Host, "/")+"/readyz")
		})
		select {
		case <-c.apiServer.done:
			// The kernel may have used its port for an outgoing connection in the meantime.
			if ctx.Err() == nil {
				continue
			}
		default:
		}
		return err
	}
}

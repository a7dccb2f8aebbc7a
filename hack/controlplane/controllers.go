package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// controllersName is the name of the controllers' program and log.
const controllersName = "controllers"

// controllers is the process of the program in directory controllers.
type controllers struct {
	cmd    *exec.Cmd
	health string
	done   chan struct{}
}

func startControllers(
	ctx context.Context, plane *envtest.ControlPlane, layout *layout, program string,
) (*controllers, error) {
	user, err := plane.AddUser(envtest.User{Name: "system:kube-controller-manager"}, &rest.Config{})
	if err != nil {
		return nil, fmt.Errorf("create the controllers' user: %w", err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return nil, fmt.Errorf("create the controllers' kubeconfig: %w", err)
	}
	kubeconfigPath := filepath.Join(layout.certs, "controllers.kubeconfig")
	rootCA := filepath.Join(layout.certs, "root-ca.crt")
	for path, content := range map[string][]byte{kubeconfigPath: kubeconfig, rootCA: plane.APIServer.SecureServing.CA} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, fmt.Errorf("write the controllers' files: %w", err)
		}
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	path, err := componentPath(program, layout.bin)
	if err != nil {
		return nil, err
	}
	log, err := layout.log(controllersName)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path,
		"--kubeconfig="+kubeconfigPath,
		"--service-account-private-key-file="+filepath.Join(layout.certs, "sa-signer.key"),
		"--root-ca-file="+rootCA,
		"--health-bind-address=127.0.0.1:"+strconv.Itoa(port),
	)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the controllers: %w", err)
	}
	m := &controllers{
		cmd:    cmd,
		health: fmt.Sprintf("http://127.0.0.1:%d/healthz", port),
		done:   make(chan struct{}),
	}
	go func() {
		defer close(m.done)
		_ = cmd.Wait()
	}()
	return m, nil
}

// ended returns a channel that is closed when the process has ended. It is nil if there is no process.
func (m *controllers) ended() <-chan struct{} {
	if m == nil {
		return nil
	}
	return m.done
}

func (m *controllers) stop() {
	// The process has no state that a graceful end could save.
	_ = m.cmd.Process.Kill()
	<-m.done
}

// waitReady waits until the API server is ready, including all post-start hooks, and the controllers, if any, are
// running.
func waitReady(ctx context.Context, admin *rest.Config, m *controllers) error {
	transport, err := rest.TransportFor(admin)
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	ready := strings.TrimSuffix(admin.Host, "/") + "/readyz"
	if err := waitHealthy(ctx, &http.Client{Transport: transport}, ready, nil); err != nil {
		return fmt.Errorf("wait for kube-apiserver to be ready: %w", err)
	}
	if m == nil {
		return nil
	}
	if err := waitHealthy(ctx, http.DefaultClient, m.health, m.done); err != nil {
		return fmt.Errorf("wait for the controllers to run: %w", err)
	}
	return nil
}

// waitHealthy waits until the address answers. It returns an error when ended is closed.
func waitHealthy(ctx context.Context, client *http.Client, url string, ended <-chan struct{}) error {
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, startTimeout, true,
		func(ctx context.Context) (bool, error) {
			select {
			case <-ended:
				return false, errors.New("the process ended")
			default:
				return healthy(ctx, client, url), nil
			}
		})
}

func healthy(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// freePort returns a port that nothing listens on at the moment.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}

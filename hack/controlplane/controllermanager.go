package main

import (
	"context"
	"crypto/tls"
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

// controllers are those that Usher's objects meet. What needs nodes or a cloud would
// only cost time.
var controllers = []string{
	"clusterrole-aggregation-controller",
	"garbage-collector-controller",
	"namespace-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"validatingadmissionpolicy-status-controller",
}

type controllerManager struct {
	cmd    *exec.Cmd
	health string
	done   chan struct{}
}

func startControllerManager(
	ctx context.Context, plane *envtest.ControlPlane, layout *layout, assets string,
) (*controllerManager, error) {
	user, err := plane.AddUser(envtest.User{Name: "system:kube-controller-manager"}, &rest.Config{})
	if err != nil {
		return nil, fmt.Errorf("make the controller manager's user: %w", err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return nil, fmt.Errorf("make the controller manager's kubeconfig: %w", err)
	}
	kubeconfigPath := filepath.Join(layout.certs, "kube-controller-manager.kubeconfig")
	rootCA := filepath.Join(layout.certs, "root-ca.crt")
	for path, content := range map[string][]byte{kubeconfigPath: kubeconfig, rootCA: plane.APIServer.SecureServing.CA} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, fmt.Errorf("give the controller manager its files: %w", err)
		}
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	path, err := componentPath(assets, layout.bin, "kube-controller-manager")
	if err != nil {
		return nil, err
	}
	log, err := layout.log("kube-controller-manager")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path,
		"--kubeconfig="+kubeconfigPath,
		"--controllers="+strings.Join(controllers, ","),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+filepath.Join(layout.certs, "sa-signer.key"),
		"--root-ca-file="+rootCA,
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--secure-port="+strconv.Itoa(port),
		"--cert-dir="+layout.certs,
		"--authentication-skip-lookup=true",
	)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start kube-controller-manager: %w", err)
	}
	m := &controllerManager{
		cmd:    cmd,
		health: fmt.Sprintf("https://127.0.0.1:%d/healthz", port),
		done:   make(chan struct{}),
	}
	go func() {
		defer close(m.done)
		_ = cmd.Wait()
	}()
	return m, nil
}

func (m *controllerManager) stop() {
	// It keeps nothing that a signal to end could save.
	_ = m.cmd.Process.Kill()
	<-m.done
}

// waitReady returns when the API server is ready, all its post-start hooks included,
// and the controllers run.
func waitReady(ctx context.Context, admin *rest.Config, m *controllerManager) error {
	transport, err := rest.TransportFor(admin)
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	checks := []struct {
		name, url string
		client    *http.Client
	}{
		{"kube-apiserver", strings.TrimSuffix(admin.Host, "/") + "/readyz", &http.Client{Transport: transport}},
		{"kube-controller-manager", m.health, &http.Client{Transport: selfSigned()}},
	}
	for _, check := range checks {
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, startTimeout, true,
			func(ctx context.Context) (bool, error) {
				select {
				case <-m.done:
					return false, errors.New("kube-controller-manager ended")
				default:
				}
				return healthy(ctx, check.client, check.url), nil
			})
		if err != nil {
			return fmt.Errorf("wait for %s to be ready: %w", check.name, err)
		}
	}
	return nil
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

// selfSigned accepts the certificate that the controller manager makes for itself.
func selfSigned() http.RoundTripper {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // asked over loopback whether it is up, told nothing
		DisableKeepAlives: true,
	}
}

// freePort returns a port that nobody listens on at the moment.
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

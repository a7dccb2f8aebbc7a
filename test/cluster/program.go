package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Program is a third-party controller that runs next to the control plane and ends with this process.
type Program struct{ process *process }

// BuildProgram builds bin/NAME from a package of the module in dir, a path below the root of the repository, and
// returns its path.
func BuildProgram(name, dir, pkg string) (string, error) { return buildIn(name, dir, pkg) }

// StartProgram starts a program. Its log is NAME.log in the directory of the cluster. The context bounds only the
// start.
func (c *Cluster) StartProgram(ctx context.Context, program string, env, args []string) (*Program, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Env = append(os.Environ(), env...)
	p, err := startProcess(cmd, filepath.Join(c.dir, filepath.Base(program)+".log"), false)
	if err != nil {
		return nil, err
	}
	return &Program{process: p}, nil
}

// PID returns the program's process.
func (p *Program) PID() int { return p.process.pid() }

// Stop ends the program.
func (p *Program) Stop() error { return p.process.kill() }

// LogTail returns the last lines of the log.
func (p *Program) LogTail() string { return tail(p.process.log) }

// AccountKubeconfig writes a kubeconfig with a token of the service account and returns its path.
func (c *Cluster) AccountKubeconfig(ctx context.Context, namespace, account string) (string, error) {
	return c.accountKubeconfig(ctx, namespace, account, namespace+"."+account+".kubeconfig")
}

func (c *Cluster) accountKubeconfig(ctx context.Context, namespace, account, file string) (string, error) {
	clients, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return "", fmt.Errorf("reach the cluster: %w", err)
	}
	seconds := managerTokenSeconds
	token, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}},
		metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get a token for service account %s/%s: %w", namespace, account, err)
	}
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[account] = &clientcmdapi.Cluster{
		Server: c.config.Host, CertificateAuthorityData: c.config.CAData,
	}
	kubeconfig.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	kubeconfig.Contexts[account] = &clientcmdapi.Context{Cluster: account, AuthInfo: account, Namespace: namespace}
	kubeconfig.CurrentContext = account
	path := filepath.Join(c.dir, file)
	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		return "", fmt.Errorf("write the kubeconfig of service account %s/%s: %w", namespace, account, err)
	}
	return path, nil
}

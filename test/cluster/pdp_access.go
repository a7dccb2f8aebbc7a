package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// PDPAudience is the audience of the tokens that callers of the decision point show.
	PDPAudience = "usher-pdp"

	pdpAccount = "usher-pdp"
	// pdpClient is the role of callers, and a service account that has it everywhere.
	pdpClient = "usher-pdp-client"

	authorityKey = "ca.crt"
)

// CertificateArgs have a manager issue the certificates of a decision point and a SCIM server that are called at localhost.
var CertificateArgs = []string{
	"--pdp-certificate-secret=" + managerNamespace + "/usher-pdp-tls", "--pdp-dns-names=localhost",
	"--scim-certificate-secret=" + managerNamespace + "/usher-scim-tls", "--scim-dns-names=localhost",
}

// InstallPDP applies config/local/pdp after Install: the rights of the decision point and of its callers, and the objects
// for its certificate. It may be repeated.
func (c *Cluster) InstallPDP(ctx context.Context) error {
	manifests, err := renderConfig("local", "pdp")
	if err != nil {
		return fmt.Errorf("install the decision point: %w", err)
	}
	if _, err := c.apply(ctx, manifests, true); err != nil {
		return fmt.Errorf("install the decision point: %w", err)
	}
	return nil
}

// PDPKubeconfig writes a kubeconfig of the decision point's service account, which InstallPDP makes, and returns its path.
func (c *Cluster) PDPKubeconfig(ctx context.Context) (string, error) {
	return c.accountKubeconfig(ctx, managerNamespace, pdpAccount, "pdp.kubeconfig")
}

// PDPCertificate waits for the certificate of the decision point, which a manager with CertificateArgs issues. It writes what
// the kubelet would mount, and returns the directory and the authorities that callers trust, in PEM.
func (c *Cluster) PDPCertificate(ctx context.Context) (dir string, authorities []byte, err error) {
	return c.servedCertificate(ctx, "pdp")
}

// servedCertificate is PDPCertificate for a server, by its subcommand.
func (c *Cluster) servedCertificate(ctx context.Context, subcommand string) (dir string, authorities []byte, err error) {
	clients, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return "", nil, fmt.Errorf("reach the cluster: %w", err)
	}
	dir = filepath.Join(c.dir, subcommand+"-certificate")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make a directory for the certificate of usher %s: %w", subcommand, err)
	}
	err = wait.PollUntilContextTimeout(ctx, pollInterval, readyTimeout, true, func(ctx context.Context) (bool, error) {
		secret, err := clients.CoreV1().Secrets(managerNamespace).Get(ctx, "usher-"+subcommand+"-tls", metav1.GetOptions{})
		if err != nil || len(secret.Data[corev1.TLSCertKey]) == 0 {
			return false, err
		}
		bundle, err := clients.CoreV1().ConfigMaps(managerNamespace).Get(ctx, "usher-"+subcommand+"-ca", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		authorities = []byte(bundle.Data[authorityKey])
		var failures []error
		for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
			failures = append(failures, os.WriteFile(filepath.Join(dir, key), secret.Data[key], 0o600))
		}
		return true, errors.Join(failures...)
	})
	if err != nil {
		return "", nil, fmt.Errorf("get the certificate of usher %s, which the manager issues: %w", subcommand, err)
	}
	return dir, authorities, nil
}

// PDPToken returns the token of a service account that may ask the decision point everything, in every organization.
func (c *Cluster) PDPToken(ctx context.Context) (string, error) {
	clients, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return "", fmt.Errorf("reach the cluster: %w", err)
	}
	accounts := clients.CoreV1().ServiceAccounts(managerNamespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: managerNamespace, Name: pdpClient}}
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("create a caller of the decision point: %w", err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: pdpClient},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: pdpClient},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: managerNamespace, Name: pdpClient}},
	}
	_, err = clients.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("bind the role of callers: %w", err)
	}
	seconds := managerTokenSeconds
	token, err := accounts.CreateToken(ctx, pdpClient, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{PDPAudience}, ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get the token of a caller of the decision point: %w", err)
	}
	return token.Status.Token, nil
}

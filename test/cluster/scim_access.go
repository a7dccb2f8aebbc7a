package cluster

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// scimProvider is the role of identity providers.
const scimProvider = "usher-scim-provider"

// InstallSCIM applies config/local/scim after Install: the role of identity providers, and the objects for the certificate of
// the SCIM server. It may be repeated.
func (c *Cluster) InstallSCIM(ctx context.Context) error {
	manifests, err := renderConfig("local", "scim")
	if err != nil {
		return fmt.Errorf("install the SCIM server: %w", err)
	}
	if _, err := c.apply(ctx, manifests, true); err != nil {
		return fmt.Errorf("install the SCIM server: %w", err)
	}
	return nil
}

// SCIMCertificate is PDPCertificate for the SCIM server.
func (c *Cluster) SCIMCertificate(ctx context.Context) (dir string, authorities []byte, err error) {
	return c.servedCertificate(ctx, "scim")
}

// SCIMToken returns the token of an identity provider in an organization. It makes the service account with the name, which
// may write users and groups, and join groups to groups.
func (c *Cluster) SCIMToken(ctx context.Context, organization, name string) (string, error) {
	clients, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return "", fmt.Errorf("reach the cluster: %w", err)
	}
	meta := metav1.ObjectMeta{Namespace: organization, Name: name}
	accounts := clients.CoreV1().ServiceAccounts(organization)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("create the service account of an identity provider: %w", err)
	}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"access.usher.dev"}, Resources: []string{"accessgroups"}, Verbs: []string{"join"},
	}}}
	if _, err := clients.RbacV1().Roles(organization).Create(ctx, role, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("create a role of an identity provider: %w", err)
	}
	for suffix, bound := range map[string]rbacv1.RoleRef{
		"":       {APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: scimProvider},
		"-parts": {APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
	} {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: name + suffix}, RoleRef: bound,
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: organization, Name: name}},
		}
		_, err := clients.RbacV1().RoleBindings(organization).Create(ctx, binding, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return "", fmt.Errorf("bind a role to an identity provider: %w", err)
		}
	}
	seconds := managerTokenSeconds
	token, err := accounts.CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get the token of an identity provider: %w", err)
	}
	return token.Status.Token, nil
}

// Package scim_test provisions users and groups as identity providers do: usher scim as a process, over TLS, with tokens of
// service accounts, on a real API server with admission.
package scim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	patience = 45 * time.Second

	application = "finance"

	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	clients *kubernetes.Clientset
	options cluster.ServerOptions
	server  atomic.Pointer[cluster.Server]
	web     *http.Client
)

func TestSCIM(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "SCIM server")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	plane = suite.StartCluster(ctx, cluster.Options{APIOnly: true},
		(*cluster.Cluster).Install, (*cluster.Cluster).InstallSCIM, (*cluster.Cluster).InstallWebhooks)
	suite.RunManager(ctx, plane, cluster.ManagerOptions{Webhooks: true, Args: cluster.CertificateArgs})
	kube = suite.NewClient(plane)
	var err error
	clients, err = kubernetes.NewForConfig(plane.Config())
	Expect(err).NotTo(HaveOccurred())

	dir, authorities, err := plane.SCIMCertificate(ctx)
	Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	Expect(roots.AppendCertsFromPEM(authorities)).To(BeTrue())
	web = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 8,
	}}
	options = cluster.ServerOptions{CertificateDir: dir, Race: cluster.CanRace()}
	started, err := plane.StartSCIM(ctx, options)
	Expect(err).NotTo(HaveOccurred())
	options.Address = started.Address() // also after a restart
	server.Store(started)
	DeferCleanup(func() error { return server.Load().Stop() })
}, NodeTimeout(suite.Beginning))

var _ = JustAfterEach(func() { suite.ReportLog("the SCIM server", server.Load()) })

// organization makes a namespace, in which the application has roles.
func organization(ctx context.Context, name string) {
	GinkgoHelper()
	suite.CreateNamespace(ctx, kube, name, nil)
	apply(ctx, name, "ApplicationAccess", application, nil, "{}")
}

// apply declares an object as Git does, its spec in YAML.
func apply(ctx context.Context, organization, kind, name string, annotations map[string]string, spec string) {
	GinkgoHelper()
	Expect(declare(ctx, organization, kind, name, annotations, spec)).To(Succeed())
}

func declare(ctx context.Context, organization, kind, name string, annotations map[string]string, spec string) error {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(organization)
	u.SetName(name)
	u.SetAnnotations(annotations)
	fields := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(spec), &fields); err != nil {
		return err
	}
	u.Object["spec"] = fields
	return kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("flux"), client.ForceOwnership)
}

// provisioned lets an identity provider add members to a group that Git declares.
var provisioned = map[string]string{accessv1alpha1.AnnotationMembers: accessv1alpha1.MembersProvisioned}

// newProvider makes an identity provider that may grant the roles in the application.
func newProvider(ctx context.Context, organization, name string, roles ...string) *provider {
	GinkgoHelper()
	token, err := plane.SCIMToken(ctx, organization, name)
	Expect(err).NotTo(HaveOccurred())
	if len(roles) > 0 {
		meta := metav1.ObjectMeta{Namespace: organization, Name: name + "-grants"}
		Expect(kube.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"grants.access.usher.dev"}, Resources: []string{"applicationroles", "applicationroles/" + application},
			ResourceNames: roles, Verbs: []string{"grant"},
		}}})).To(Succeed())
		Expect(kube.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: organization, Name: name}},
		})).To(Succeed())
	}
	return &provider{organization: organization, token: token}
}

// provider is an identity provider.
type provider struct{ organization, token string }

// reply is what the SCIM server answers.
type reply struct {
	code   int
	header http.Header
	body   map[string]any
}

func (r reply) text(name string) string {
	text, _ := r.body[name].(string)
	return text
}

// do sends a request.
func (p *provider) do(ctx context.Context, method, path string, body any) (reply, error) {
	text := ""
	if body != nil {
		made, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		text = string(made)
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://"+server.Load().Address()+"/"+p.organization+"/v2"+path, strings.NewReader(text))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/scim+json")
	request.Header.Set("Authorization", "Bearer "+p.token)
	response, err := web.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{code: response.StatusCode, header: response.Header}
	if len(got) > 0 {
		if err := json.Unmarshal(got, &r.body); err != nil {
			return reply{}, fmt.Errorf("%w in %q", err, got)
		}
	}
	return r, nil
}

// must sends a request and expects the code.
func (p *provider) must(ctx context.Context, code int, method, path string, body any) reply {
	GinkgoHelper()
	r, err := p.do(ctx, method, path, body)
	Expect(err).NotTo(HaveOccurred())
	Expect(r.code).To(Equal(code), "%s %s: %v", method, path, r.body)
	return r
}

func newUser(userName string) map[string]any {
	return map[string]any{"schemas": []string{userSchema}, "userName": userName, "displayName": "User " + userName, "active": true}
}

func newGroup(displayName string, ids ...string) map[string]any {
	return map[string]any{"schemas": []string{groupSchema}, "displayName": displayName, "members": memberList(ids...)}
}

func memberList(ids ...string) []map[string]string {
	list := make([]map[string]string, 0, len(ids))
	for _, id := range ids {
		list = append(list, map[string]string{"value": id})
	}
	return list
}

// patch returns the body of a PATCH with one operation.
func patch(operation, path string, value any) map[string]any {
	return map[string]any{"schemas": []string{patchSchema}, "Operations": []any{map[string]any{"op": operation, "path": path, "value": value}}}
}

// published returns the roles of users in the application's document.
func published(ctx context.Context, organization string) (map[string]string, error) {
	var configMap corev1.ConfigMap
	key := client.ObjectKey{Namespace: organization, Name: "application-access-" + application}
	if err := kube.Get(ctx, key, &configMap); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	var document struct {
		Users map[string]struct{ Role string }
	}
	if err := json.Unmarshal([]byte(configMap.Data["access.json"]), &document); err != nil {
		return nil, err
	}
	roles := map[string]string{}
	for user, entry := range document.Users {
		roles[user] = entry.Role
	}
	return roles, nil
}

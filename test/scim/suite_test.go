// Package scim_test provisions users and groups as identity providers do: usher scim as a process, over TLS, with tokens of
// service accounts, on a real API server with admission.
package scim_test

import (
	"context"
	"encoding/json"
	"net/http"
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
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	patience = 45 * time.Second

	application = "finance"
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	clients *kubernetes.Clientset
	options cluster.ServerOptions
	server  atomic.Pointer[cluster.Server]
	web     *cluster.SCIMClient
)

func TestSCIM(t *testing.T) {
	log.SetLogger(GinkgoLogr) // of the client, which logs the warnings of admission
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
	options = cluster.ServerOptions{CertificateDir: dir, Race: cluster.CanRace()}
	started, err := plane.StartSCIM(ctx, options)
	Expect(err).NotTo(HaveOccurred())
	options.Address = started.Address() // also after a restart
	server.Store(started)
	web, err = cluster.NewSCIMClient(started.Address(), authorities)
	Expect(err).NotTo(HaveOccurred())
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

// newProvider makes an identity provider that may grant the roles, in the application and in the organization.
func newProvider(ctx context.Context, organization, name string, roles ...string) *provider {
	GinkgoHelper()
	token, err := plane.SCIMToken(ctx, organization, name)
	Expect(err).NotTo(HaveOccurred())
	if len(roles) > 0 {
		meta := metav1.ObjectMeta{Namespace: organization, Name: name + "-grants"}
		Expect(kube.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"grants.access.usher.dev"}, Resources: []string{"organizationroles", "applicationroles", "applicationroles/" + application},
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

// do sends a request.
func (p *provider) do(ctx context.Context, method, path string, body any) (cluster.SCIMReply, error) {
	return web.Do(ctx, p.organization, p.token, method, path, body)
}

// must sends a request and expects the code.
func (p *provider) must(ctx context.Context, code int, method, path string, body any) cluster.SCIMReply {
	GinkgoHelper()
	r, err := p.do(ctx, method, path, body)
	Expect(err).NotTo(HaveOccurred())
	Expect(r.Code).To(Equal(code), "%s %s: %v", method, path, r.Body)
	return r
}

// repeat sends a request until the server can answer it, as identity providers do, and expects the code.
func (p *provider) repeat(ctx context.Context, code int, method, path string, body any) {
	GinkgoHelper()
	var r cluster.SCIMReply
	Eventually(func() (_ int, err error) {
		r, err = p.do(ctx, method, path, body)
		return r.Code, err
	}).WithContext(ctx).WithTimeout(patience * 4).Should(BeNumerically("<", http.StatusInternalServerError))
	Expect(r.Code).To(Equal(code), "%s %s: %v", method, path, r.Body)
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

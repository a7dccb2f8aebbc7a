// Package pdp_test asks the decision point as programs and gateways do: usher pdp as a process with the rights of its own
// service account, over TLS, with tokens of service accounts, on a real API server.
package pdp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/webhook/certificate"
	"github.com/usher-dev/usher/test/cluster"
)

const (
	patience     = 45 * time.Second
	pollInterval = 20 * time.Millisecond

	serverName = "usher-pdp.usher-system.svc"
	audience   = "usher-pdp"

	pdpNamespace = "usher-system"
	clientRole   = "usher-pdp-client"
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	clients *kubernetes.Clientset
	pdp     *cluster.PDP
	// pdpOptions are those of pdp and of other replicas.
	pdpOptions cluster.PDPOptions
	roots      *x509.CertPool
	rootsPEM   []byte
	provider   *issuer
	gateways   *authority
)

func TestPDP(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Decision point")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(pollInterval)
	EnforceDefaultTimeoutsWhenUsingContexts()

	var err error
	plane, err = cluster.Start(ctx, cluster.Options{Progress: GinkgoWriter, APIOnly: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(plane.Stop)
	Expect(plane.Install(ctx)).To(Succeed())
	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(accessv1alpha1.AddToScheme(scheme)).To(Succeed())
	kube, err = client.New(plane.Config(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	clients, err = kubernetes.NewForConfig(plane.Config())
	Expect(err).NotTo(HaveOccurred())

	Expect(plane.InstallPDP(ctx)).To(Succeed())
	dir := GinkgoT().TempDir()
	issueCertificate(dir)
	provider = newIssuer()
	gateways = newAuthority("gateways")
	Expect(os.WriteFile(filepath.Join(dir, "gateways.crt"), gateways.pem(), 0o600)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, "authentication.yaml"), provider.configuration(), 0o600)).To(Succeed())
	pdpOptions = cluster.PDPOptions{
		CertificateDir: dir, Race: cluster.CanRace(),
		Args: []string{
			"--application-type=record",
			"--authentication-config=" + filepath.Join(dir, "authentication.yaml"),
			"--user-header=X-Forwarded-User", "--user-header-client-names=gateway",
			"--user-header-client-ca=" + filepath.Join(dir, "gateways.crt"),
		},
	}
	pdpOptions.Kubeconfig, err = plane.PDPKubeconfig(ctx)
	Expect(err).NotTo(HaveOccurred())
	pdp = startReplica(ctx, "")
	DeferCleanup(func() error { return pdp.Stop() })
}, NodeTimeout(15*time.Minute)) // Where nobody has built the control plane yet, the suite does.

var _ = JustAfterEach(func() {
	if CurrentSpecReport().Failed() {
		AddReportEntry("the end of the decision point's log", pdp.LogTail())
	}
})

// startReplica starts a decision point at the address; empty means a free one.
func startReplica(ctx context.Context, address string) *cluster.PDP {
	GinkgoHelper()
	options := pdpOptions
	options.Address = address
	replica, err := plane.StartPDP(ctx, options)
	Expect(err).NotTo(HaveOccurred())
	return replica
}

// issueCertificate writes a certificate of the decision point into the directory.
func issueCertificate(dir string) {
	GinkgoHelper()
	issuer := certificate.Issuer{DNSNames: []string{serverName}, Validity: time.Hour, AuthorityValidity: 3 * time.Hour}
	data, _, err := issuer.Renew(nil, time.Now())
	Expect(err).NotTo(HaveOccurred())
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		Expect(os.WriteFile(filepath.Join(dir, key), data[key], 0o600)).To(Succeed())
	}
	roots, rootsPEM = x509.NewCertPool(), data["ca.crt"]
	Expect(roots.AppendCertsFromPEM(rootsPEM)).To(BeTrue())
}

// organization makes a namespace.
func organization(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
}

// apply declares an object in an organization, its spec in YAML.
func apply(ctx context.Context, organization, kind, name, spec string) {
	GinkgoHelper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(organization)
	u.SetName(name)
	fields := map[string]any{}
	Expect(yaml.UnmarshalStrict([]byte(spec), &fields)).To(Succeed())
	u.Object["spec"] = fields
	Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("somebody"), client.ForceOwnership)).To(Succeed())
}

// newAccount makes a service account.
func newAccount(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	Expect(kube.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})).To(Succeed())
}

// newCaller makes a service account that may ask everything in an organization.
func newCaller(ctx context.Context, organization, name string) {
	GinkgoHelper()
	newAccount(ctx, organization, name)
	Expect(kube.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clientRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: organization, Name: name}},
	})).To(Succeed())
}

// token returns a token of the service account for the audiences.
func token(ctx context.Context, organization, name string, audiences ...string) string {
	GinkgoHelper()
	made, err := clients.CoreV1().ServiceAccounts(organization).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return made.Status.Token
}

// reply is what the decision point answers.
type reply struct {
	code   int
	header http.Header
	body   string
}

// caller calls the decision point over TLS.
type caller struct {
	token        string
	certificates []tls.Certificate
}

// do sends a request. Headers are names and values in turn.
func (c caller) do(ctx context.Context, method, path, body string, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, "https://"+pdp.Address()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	if request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.send(request)
}

func (c caller) send(request *http.Request) (reply, error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: roots, ServerName: serverName, Certificates: c.certificates, MinVersion: tls.VersionTLS12,
	}}
	response, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}).Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{response.StatusCode, response.Header, string(text)}, nil
}

// post asks a question.
func (c caller) post(ctx context.Context, path, body string, headers ...string) reply {
	GinkgoHelper()
	made, err := c.do(ctx, http.MethodPost, path, body, headers...)
	Expect(err).NotTo(HaveOccurred())
	return made
}

// decisions returns the decisions in an answer: that of one question, or those of a batch.
func (r reply) decisions() ([]bool, error) {
	var answer struct {
		Decision    *bool
		Evaluations []struct{ Decision *bool }
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		return nil, fmt.Errorf("%w in %d %s", err, r.code, r.body)
	}
	if answer.Decision != nil {
		return []bool{*answer.Decision}, nil
	}
	var all []bool
	for _, each := range answer.Evaluations {
		if each.Decision == nil {
			return nil, fmt.Errorf("an item without a decision in %s", r.body)
		}
		all = append(all, *each.Decision)
	}
	return all, nil
}

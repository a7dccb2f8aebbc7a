// Package notices_test sends notices as in production: on a real control plane, with the manager as a process with its
// own permissions, a real mail server and real webhook receivers.
package notices_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	systemNamespace = suite.SystemNamespace
	fieldOwner      = client.FieldOwner("somebody")

	patience = 30 * time.Second

	username = "usher"
	password = "correct horse battery staple"
)

var (
	update = flag.Bool("update", false, "update the golden files")

	root    string
	plane   *cluster.Cluster
	kube    client.Client
	manager *suite.Manager
	ca      *authority
)

func TestNotices(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Notices")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	var err error
	root, err = cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	ca = newAuthority()
	plane = suite.StartCluster(ctx, cluster.Options{}, (*cluster.Cluster).Install)
	kube = suite.NewClient(plane)
	manager = suite.RunManager(ctx, plane, cluster.ManagerOptions{Race: cluster.CanRace(), Args: flags})
}, NodeTimeout(suite.Beginning))

var _ = BeforeEach(func(ctx SpecContext) { manager.Revive(ctx) })

var _ = JustAfterEach(func() { suite.ReportLog("the manager", manager) })

// flags make the manager send notices soon and allow it to reach the servers of this process.
var flags = []string{"--notice-window=300ms", "--notice-timeout=2s", "--notice-mass=0", "--notice-allowed-networks=127.0.0.0/8"}

// organization is the namespace of a spec.
type organization struct{ name string }

// newOrganization creates a namespace for one spec, in which Usher may read Secrets.
func newOrganization(ctx context.Context) organization {
	GinkgoHelper()
	o := organization{suite.NewOrganization(ctx, kube)}
	o.allowSecrets(ctx)
	return o
}

func namedOrganization(ctx context.Context, name string) organization {
	GinkgoHelper()
	o := organization{name}
	suite.CreateNamespace(ctx, kube, name, nil)
	DeferCleanup(suite.DeleteNamespace, kube, name)
	o.allowSecrets(ctx)
	return o
}

// allowSecrets lets Usher read the Secrets of channels in the namespace.
func (o organization) allowSecrets(ctx context.Context) {
	GinkgoHelper()
	_, err := plane.Kubectl(ctx, "--namespace="+o.name, "apply", "--server-side", "--kustomize="+filepath.Join(root, "config", "notices"))
	Expect(err).NotTo(HaveOccurred())
}

// apply applies an object with the spec in YAML.
func (o organization) apply(ctx context.Context, kind, name, spec string) {
	GinkgoHelper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(o.name)
	u.SetName(name)
	fields := map[string]any{}
	Expect(yaml.UnmarshalStrict([]byte(spec), &fields)).To(Succeed())
	u.Object["spec"] = fields
	Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), fieldOwner, client.ForceOwnership)).To(Succeed())
}

// secret creates or replaces a Secret for a channel.
func (o organization) secret(ctx context.Context, name string, typ corev1.SecretType, data map[string]string) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name}, Type: typ, StringData: data}
	Expect(client.IgnoreNotFound(kube.Delete(ctx, secret.DeepCopy()))).To(Succeed())
	Expect(kube.Create(ctx, secret)).To(Succeed())
}

// mailSecret creates a Secret for a mail channel.
func (o organization) mailSecret(ctx context.Context, s *mailServer) {
	GinkgoHelper()
	o.secret(ctx, "mail", accessv1alpha1.SecretTypeChannel, map[string]string{
		accessv1alpha1.ChannelKeyServer: s.address, accessv1alpha1.ChannelKeyUsername: username,
		accessv1alpha1.ChannelKeyPassword: password, accessv1alpha1.ChannelKeyCertificateAuthority: ca.pem,
	})
}

// mailPolicy creates a policy with a channel "mail" that uses the server.
func (o organization) mailPolicy(ctx context.Context, s *mailServer) {
	GinkgoHelper()
	o.mailSecret(ctx, s)
	o.apply(ctx, "AccessPolicy", "default", fmt.Sprintf(`
notificationChannels:
- {name: mail, type: SMTP, perMinute: 60000, secretRef: {name: mail}, smtp: {server: %q, sender: access@acme.example}}
`, s.address))
}

// waitTracked waits until Usher has a record of the organization, so that later changes are announced.
func (o organization) waitTracked(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() error {
		index := &corev1.ConfigMap{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: o.name, Name: "access-notices-index"}, index); err != nil {
			return err
		}
		var said struct{ Begun bool }
		if err := yaml.Unmarshal([]byte(index.Data["record.json"]), &said); err != nil {
			return err
		}
		if !said.Begun {
			return errors.New("the record has not been written whole")
		}
		return nil
	}).WithContext(ctx).Should(Succeed())
}

// condition returns the reason and message of the condition NoticesFailing of a group.
func (o organization) condition(ctx context.Context, group string) func() (string, error) {
	return func() (string, error) {
		g := &accessv1alpha1.AccessGroup{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: o.name, Name: group}, g); err != nil {
			return "", err
		}
		for _, c := range g.Status.Conditions {
			if c.Type == accessv1alpha1.ConditionNoticesFailing && c.Status == metav1.ConditionTrue {
				return c.Reason + ": " + c.Message, nil
			}
		}
		return "", nil
	}
}

// waitReady waits, as a pipeline does, until the effect of the object is published.
func (o organization) waitReady(ctx context.Context, kind, name string) {
	GinkgoHelper()
	_, err := plane.Kubectl(ctx, "-n", o.name, "wait", "--for=condition=Ready", kind+"/"+name, "--timeout="+patience.String())
	Expect(err).NotTo(HaveOccurred())
}

// golden compares the text with a file, or updates the file.
func golden(name, got string) {
	GinkgoHelper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		Expect(os.WriteFile(path, []byte(got), 0o644)).To(Succeed())
		return
	}
	want, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	if diff := cmp.Diff(string(want), got); diff != "" {
		Fail("differs from " + path + " (-want +got); -update updates it:\n" + diff)
	}
}

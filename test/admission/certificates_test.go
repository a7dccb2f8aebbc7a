package admission_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	configurationName = "usher-validating-webhook-configuration"
	secretName        = "usher-webhook-certificate"
)

var _ = Describe("The webhook's certificate", func() {
	It("lets the API server ask over TLS", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		Expect(kube.Create(ctx, newGroup(organization, "people"))).To(Succeed())
	}, SpecTimeout(patience))

	It("is renewed before it expires, while requests flow, and none fails", func(ctx SpecContext) {
		manager.Replace(ctx, "--webhook-certificate-validity=9s")
		// The manager starts with the certificate in the Secret and renews it at once for the shorter validity.
		var first *x509.Certificate
		Eventually(func(g Gomega) {
			first = served(ctx, manager.WebhookAddress())
			g.Expect(time.Until(first.NotAfter)).To(BeNumerically("<", time.Hour))
		}).WithContext(ctx).Should(Succeed())
		requests := flow(ctx, newOrganization(ctx), manager.WebhookAddress())
		Eventually(func(g Gomega) {
			now := served(ctx, manager.WebhookAddress())
			g.Expect(now.NotAfter.After(first.NotAfter.Add(time.Second))).To(BeTrue(), "still the one until %s", now.NotAfter)
		}).WithContext(ctx).Should(Succeed())
		Expect(time.Now()).To(BeTemporally("<", first.NotAfter), "renewed only when it had expired")
		requests.stop()
	}, SpecTimeout(2*patience))

	It("is switched by every replica when its authority is replaced, and no request fails", func(ctx SpecContext) {
		args := []string{"--webhook-certificate-validity=30s", "--leader-elect", "--leader-election-namespace=" + managerNamespace}
		manager.Replace(ctx, args...)
		options := manager.Options(args...)
		var err error
		options.WebhookAddress, err = cluster.FreeWebhookAddress(ctx)
		Expect(err).NotTo(HaveOccurred())
		second, err := plane.StartManager(ctx, options)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(second.Stop)

		first := served(ctx, manager.WebhookAddress())
		requests := flow(ctx, newOrganization(ctx), manager.WebhookAddress(), second.WebhookAddress())
		secret := &corev1.Secret{}
		secret.Namespace, secret.Name = managerNamespace, secretName
		Expect(kube.Patch(ctx, secret, client.RawPatch(types.MergePatchType, []byte(`{"data":null}`)))).To(Succeed())
		for _, address := range []string{manager.WebhookAddress(), second.WebhookAddress()} {
			Eventually(func(g Gomega) {
				g.Expect(served(ctx, address).AuthorityKeyId).NotTo(Equal(first.AuthorityKeyId))
			}).WithContext(ctx).Should(Succeed())
		}
		requests.stop()
	}, SpecTimeout(2*patience))

	It("is read from files if somebody else renews it", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		var secret corev1.Secret
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: managerNamespace, Name: secretName}, &secret)).To(Succeed())
		for _, name := range []string{corev1.TLSPrivateKeyKey, corev1.TLSCertKey} {
			Expect(os.WriteFile(filepath.Join(dir, name), secret.Data[name], 0o600)).To(Succeed())
		}
		first := served(ctx, manager.WebhookAddress())
		manager.Replace(ctx, "--webhook-certificates=Mounted", "--webhook-certificate-dir="+dir)
		Expect(served(ctx, manager.WebhookAddress()).Raw).To(Equal(first.Raw))
		Expect(kube.Create(ctx, newGroup(newOrganization(ctx), "people"))).To(Succeed())
	}, SpecTimeout(2*patience))
})

var _ = Describe("Without a manager", func() {
	It("the four kinds cannot be written, and with it they can again", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		kept := newGroup(organization, "kept")
		Expect(kube.Create(ctx, kept)).To(Succeed())
		Expect(manager.Stop()).To(Succeed())

		refused := func(err error) {
			GinkgoHelper()
			Expect(err).To(MatchError(apierrors.IsInternalError, "the API server's word for a webhook that does not answer"))
			Expect(err).To(MatchError(ContainSubstring("failed calling webhook")))
		}
		refused(kube.Create(ctx, newGroup(organization, "new")))
		refused(kube.Patch(ctx, kept, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"displayName":"Kept"}}`))))
		refused(kube.Delete(ctx, kept))

		manager.Start(ctx)
		Expect(kube.Create(ctx, newGroup(organization, "new"))).To(Succeed())
		Expect(kube.Delete(ctx, kept)).To(Succeed())
	}, SpecTimeout(2*patience))
})

// served returns the certificate that a manager serves.
func served(ctx context.Context, address string) *x509.Certificate {
	GinkgoHelper()
	certificate, err := handshake(ctx, address, nil)
	Expect(err).NotTo(HaveOccurred())
	return certificate
}

// handshake connects as the API server does. It trusts the bundle, or any certificate if the bundle is nil.
func handshake(ctx context.Context, address string, bundle *x509.CertPool) (*x509.Certificate, error) {
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: "localhost", RootCAs: bundle,
		InsecureSkipVerify: bundle == nil, //nolint:gosec // only looks at what is served
	}}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// trusted returns the CA bundle of the webhook configuration.
func trusted(ctx context.Context) (*x509.CertPool, error) {
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	if err := kube.Get(ctx, client.ObjectKey{Name: configurationName}, &configuration); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(configuration.Webhooks[0].ClientConfig.CABundle) {
		return nil, errors.New("the CA bundle holds no certificate")
	}
	return pool, nil
}

// requests are sent until they are stopped.
type requests struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	count    int
	failures []error
}

// flow makes the API server call the webhook continuously, and connects to each address like an API server without an
// open connection.
func flow(ctx context.Context, organization string, addresses ...string) *requests {
	r := &requests{}
	var until context.Context
	until, r.cancel = context.WithCancel(ctx)
	DeferCleanup(r.cancel)
	r.repeat(until, func(i int) error {
		return kube.Create(ctx, newGroup(organization, fmt.Sprintf("group-%d", i)), client.DryRunAll)
	})
	for _, address := range addresses {
		r.repeat(until, func(int) error {
			bundle, err := trusted(ctx)
			if err != nil {
				return err
			}
			_, err = handshake(ctx, address, bundle)
			return err
		})
	}
	return r
}

func (r *requests) repeat(until context.Context, request func(i int) error) {
	r.done.Go(func() {
		i := 0
		_ = wait.PollUntilContextCancel(until, suite.PollInterval, true, func(context.Context) (bool, error) {
			i++
			err := request(i)
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.count++; err != nil {
				r.failures = append(r.failures, err)
			}
			return false, nil
		})
	})
}

// stop stops the requests and fails if one of them failed.
func (r *requests) stop() {
	GinkgoHelper()
	r.cancel()
	r.done.Wait()
	Expect(r.failures).To(BeEmpty())
	Expect(r.count).To(BeNumerically(">", 0))
}

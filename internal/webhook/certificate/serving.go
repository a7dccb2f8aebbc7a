package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Serving is the certificate that this replica serves, and whether the API server trusts it. It runs on every replica.
type Serving struct {
	Reader client.Reader
	// Secret holds the certificate. If its name is empty, the certificate comes from files and only the bundle is
	// checked.
	Secret client.ObjectKey
	// Configuration is the name of the webhook configuration with the bundle.
	Configuration string
	// Rest is how long a new authority must be in the bundle before a certificate that it signed is served.
	Rest time.Duration
	// Now is the clock.
	Now func() time.Time

	mu      sync.RWMutex
	served  *pair
	trusted error // why the certificate is not trusted, or nil
	fresh   *x509.Certificate
	since   time.Time // when the bundle was first seen with fresh
}

type pair struct {
	authority   *x509.Certificate
	certificate *tls.Certificate
}

var errNoneYet = errors.New("there is no certificate for the webhooks yet")

// SetupWithManager adds the controller to the manager.
func (s *Serving) SetupWithManager(mgr ctrl.Manager) error {
	s.trusted = errors.New("the webhook configuration has not been seen yet")
	controllers := ctrl.NewControllerManagedBy(mgr).
		Named("webhook-certificate-serving").
		WithOptions(controllerOptions()).
		Watches(&admissionregistrationv1.ValidatingWebhookConfiguration{}, always(s.Secret))
	if s.fromSecret() {
		controllers = controllers.Watches(&corev1.Secret{}, always(s.Secret))
	}
	if err := controllers.Complete(s); err != nil {
		return fmt.Errorf("adding the serving certificate of the webhooks: %w", err)
	}
	return nil
}

func (s *Serving) fromSecret() bool { return s.Secret.Name != "" }

// GetCertificate returns the served certificate, for a TLS configuration.
func (s *Serving) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.served == nil {
		return nil, errNoneYet
	}
	return s.served.certificate, nil
}

// Validity returns the validity period of the served certificate, or zero times if there is none.
func (s *Serving) Validity() (notBefore, notAfter time.Time) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.served == nil {
		return time.Time{}, time.Time{}
	}
	return s.served.certificate.Leaf.NotBefore, s.served.certificate.Leaf.NotAfter
}

// Check is a readiness check. It returns an error if the API server cannot call this replica.
func (s *Serving) Check(*http.Request) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fromSecret() && s.served == nil {
		return errors.Join(errNoneYet, s.trusted)
	}
	return s.trusted
}

// Reconcile switches to the certificate in the Secret as soon as the bundle trusts it.
func (s *Serving) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := s.Reader.Get(ctx, client.ObjectKey{Name: s.Configuration}, configuration); err != nil {
		err = fmt.Errorf("reading ValidatingWebhookConfiguration %s: %w", s.Configuration, err)
		s.distrust(err)
		return ctrl.Result{}, err
	}
	if !s.fromSecret() {
		s.distrust(trusts(configuration, func(bundle []byte) bool { return len(certificates(bundle)) > 0 }))
		return ctrl.Result{}, nil
	}
	secret := &corev1.Secret{}
	if err := s.Reader.Get(ctx, s.Secret, secret); err != nil {
		return ctrl.Result{}, fmt.Errorf("reading Secret %s: %w", s.Secret, err)
	}
	found, err := pairOf(secret.Data)
	if err != nil {
		// The leader will fill the Secret. The replica keeps serving the current certificate.
		log.FromContext(ctx).V(1).Info("the Secret holds no certificate", "secret", s.Secret, "error", err.Error())
	}
	wait, changed := s.change(found, configuration)
	if changed {
		log.FromContext(ctx).Info("serving a new certificate", "notAfter", found.certificate.Leaf.NotAfter)
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}

// change switches to a certificate if it is trusted long enough, or returns how long to wait. Otherwise it keeps the
// served certificate.
func (s *Serving) change(found *pair, configuration *admissionregistrationv1.ValidatingWebhookConfiguration) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait, changed := time.Duration(0), false
	if found != nil && trusts(configuration, found.signedIn) == nil {
		if wait = s.remaining(found); wait == 0 {
			changed = s.served == nil || !s.served.certificate.Leaf.Equal(found.certificate.Leaf)
			s.served = found
		}
	}
	if s.served != nil {
		s.trusted = trusts(configuration, s.served.signedIn)
	}
	return wait, changed
}

// remaining returns how much longer the authority, which is in the bundle, must stay there before it is used.
func (s *Serving) remaining(found *pair) time.Duration {
	now := s.Now()
	if s.served == nil || found.authority.Equal(s.served.authority) || !now.Before(s.served.certificate.Leaf.NotAfter) {
		return 0
	}
	if s.fresh == nil || !s.fresh.Equal(found.authority) {
		s.fresh, s.since = found.authority, now
	}
	return max(0, s.since.Add(s.Rest).Sub(now))
}

func (s *Serving) distrust(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = why
}

func (p *pair) signedIn(bundle []byte) bool { return holds(bundle, p.authority) }

// trusts returns an error unless every webhook of the configuration has a bundle that passes the check.
func trusts(configuration *admissionregistrationv1.ValidatingWebhookConfiguration, good func(bundle []byte) bool) error {
	if len(configuration.Webhooks) == 0 {
		return fmt.Errorf("ValidatingWebhookConfiguration %s has no webhooks", configuration.Name)
	}
	for i := range configuration.Webhooks {
		if !good(configuration.Webhooks[i].ClientConfig.CABundle) {
			return fmt.Errorf("webhook %s of ValidatingWebhookConfiguration %s does not trust the certificate yet",
				configuration.Webhooks[i].Name, configuration.Name)
		}
	}
	return nil
}

func pairOf(data map[string][]byte) (*pair, error) {
	authority, err := firstCertificate(data[authorityKey])
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	return &pair{authority: authority, certificate: &certificate}, nil
}

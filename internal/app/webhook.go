package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/server"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/webhook/certificate"
	webhookv1alpha1 "github.com/usher-dev/usher/internal/webhook/v1alpha1"
)

// longestSettled bounds how long a new certificate authority is in the CA bundle before it is used. API servers learn
// of the bundle with a delay.
const longestSettled = 10 * time.Second

// mostConnections bounds the connections to the webhook. An API server uses one for each review in progress.
const mostConnections = 1024

const (
	// reviewTimeout bounds a review. The API server waits ten seconds.
	reviewTimeout = 15 * time.Second
	// reviewHeaderBytes is several times the size of a header from an API server.
	reviewHeaderBytes = 16 << 10
)

// webhookServer is the webhook.Server of controller-runtime on a server with bounds, which its own does not have.
type webhookServer struct {
	webhook.Server // registers handlers, with metrics

	serving *server.Server
}

func newWebhookServer(options server.Options) webhookServer {
	mux := http.NewServeMux()
	options.Handler = mux
	return webhookServer{webhook.NewServer(webhook.Options{WebhookMux: mux}), server.New(options)}
}

// Start serves until the context ends.
func (s webhookServer) Start(ctx context.Context) error { return s.serving.Start(ctx) }

// StartedChecker returns a readiness check that passes when the server is listening.
func (s webhookServer) StartedChecker() healthz.Checker { return s.serving.Check }

// admissionServer is the webhook server with the components that it needs.
type admissionServer struct {
	options WebhookOptions
	secret  client.ObjectKey
	serving *certificate.Serving
	server  webhook.Server
}

// newAdmissionServer returns the webhook server, or nil if it is turned off.
func newAdmissionServer(options WebhookOptions) (*admissionServer, error) {
	if !options.Enabled() {
		return nil, nil
	}
	serverOptions := server.Options{
		Name: "the webhook", Address: options.BindAddress, CertificateDir: options.CertificateDir, ClientCA: options.ClientCA,
		Connections: mostConnections, ConnectionsPerAddress: mostConnections / 4,
		RequestTimeout: reviewTimeout, IdleTimeout: time.Minute, ShutdownTimeout: time.Minute, HeaderBytes: reviewHeaderBytes,
		Log: ctrl.Log.WithName("webhook"),
	}
	a := &admissionServer{options: options, serving: &certificate.Serving{
		Configuration: options.Configuration,
		Rest:          min(options.CertificateValidity/10, longestSettled),
		Now:           time.Now,
	}}
	if options.rotated() {
		namespace, name, err := toolscache.SplitMetaNamespaceKey(options.CertificateSecret)
		if err != nil {
			return nil, fmt.Errorf("--webhook-certificate-secret: %w", err)
		}
		a.secret = client.ObjectKey{Namespace: namespace, Name: name}
		a.serving.Secret = a.secret
		serverOptions.GetCertificate = a.serving.GetCertificate
	}
	a.server = newWebhookServer(serverOptions)
	return a, nil
}

// caches restricts the watches to the one Secret and the one configuration, because the manager may read no others.
func (a *admissionServer) caches(byObject map[client.Object]cache.ByObject) {
	byObject[&admissionregistrationv1.ValidatingWebhookConfiguration{}] = cache.ByObject{Field: named(a.options.Configuration)}
	if a.options.rotated() {
		byObject[&corev1.Secret{}] = cache.ByObject{
			Namespaces: map[string]cache.Config{a.secret.Namespace: {FieldSelector: named(a.secret.Name)}},
		}
	}
}

func named(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }

// setup adds the certificates, the handler and the readiness checks to the manager.
func (a *admissionServer) setup(
	mgr ctrl.Manager, fed *feed.Feed, options roster.Options, requesters *webhookv1alpha1.Requesters,
	now func() time.Time,
) error {
	a.serving.Reader = mgr.GetClient()
	if err := a.serving.SetupWithManager(mgr); err != nil {
		return err
	}
	if a.options.rotated() {
		rotation := &certificate.Rotation{
			Client: client.WithFieldOwner(mgr.GetClient(), publish.FieldManager),
			Issuer: certificate.Issuer{
				DNSNames: a.options.DNSNames,
				Validity: a.options.CertificateValidity, AuthorityValidity: a.options.CertificateCAValidity,
			},
			Secret: a.secret, Configuration: a.options.Configuration, Now: time.Now,
		}
		if err := rotation.SetupWithManager(mgr); err != nil {
			return err
		}
		metrics.Registry.MustRegister(certificateMetrics(a.serving.Validity)...)
	}
	handler := handlerFor(mgr, fed, options, now)
	handler.Requesters = requesters
	handler.SetupWithManager(mgr, webhookv1alpha1.DefaultLimits())
	return errors.Join(
		mgr.AddReadyzCheck("webhook-certificate", a.serving.Check),
		mgr.AddReadyzCheck("webhook-server", a.server.StartedChecker()),
	)
}

// certificateMetrics returns metrics with the end and the validity period of the served certificate. Both are needed to
// compute when it is due for renewal. Both are 0 until there is a certificate.
func certificateMetrics(validity func() (notBefore, notAfter time.Time)) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "usher_webhook_certificate_expiry_timestamp_seconds",
			Help: "Expiry of the certificate with which this replica serves its webhook, in seconds since 1970.",
		}, func() float64 {
			if _, notAfter := validity(); !notAfter.IsZero() {
				return float64(notAfter.Unix())
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "usher_webhook_certificate_validity_seconds",
			Help: "Validity period of the certificate with which this replica serves its webhook.",
		}, func() float64 {
			notBefore, notAfter := validity()
			return notAfter.Sub(notBefore).Seconds()
		}),
	}
}

func handlerFor(
	mgr ctrl.Manager, fed *feed.Feed, options roster.Options, now func() time.Time,
) *webhookv1alpha1.Handler {
	losses, measured := validation.NewLosses(), webhookv1alpha1.NewMetrics(metrics.Registry)
	// The next review takes into account the losses of all settled changes.
	fed.Settled = func(s *feed.Settlement) {
		if !s.First {
			losses.Note(&s.Changes, s.Now)
		}
	}
	validator := &validation.Validator{
		View: fed.View, Elsewhere: fed.Roster.View, Losses: losses, ConfigMaps: publish.ConfigMaps,
	}
	live := func(v *roster.View) webhookv1alpha1.Judge { return validator.On(v).Judge }
	return &webhookv1alpha1.Handler{
		Ready:    fed.Ready(),
		Judge:    validator.Judge,
		Reviewer: webhookv1alpha1.NewReviewer(mgr.GetClient(), measured, now),
		Live:     webhookv1alpha1.NewLive(mgr.GetAPIReader(), mgr.GetClient(), fed.Roster, options, live),
		Metrics:  measured,
		Now:      now,
	}
}

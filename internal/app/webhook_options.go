package app

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/cache"
)

// Sources of the certificate of the webhooks.
const (
	// CertificatesRotated makes Usher issue and renew the certificate, in a Secret.
	CertificatesRotated = "Rotated"
	// CertificatesMounted takes the certificate from files that somebody else renews.
	CertificatesMounted = "Mounted"
)

// off is the address of an endpoint that is not served.
const off = "0"

// WebhookOptions are the flags of the admission webhooks.
type WebhookOptions struct {
	BindAddress           string
	Configuration         string
	Certificates          string
	CertificateDir        string
	CertificateSecret     string
	ClientCA              string
	DNSNames              []string
	CertificateValidity   time.Duration
	CertificateCAValidity time.Duration
}

// AddFlags adds the flags with their defaults.
func (o *WebhookOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.BindAddress, "webhook-bind-address", off,
		`The address of the admission webhooks, such as ":9443". "0" turns them off.`)
	flags.StringVar(&o.Configuration, "webhook-configuration", "usher-validating-webhook-configuration",
		"The ValidatingWebhookConfiguration of the webhooks.")
	flags.StringVar(&o.Certificates, "webhook-certificates", CertificatesRotated,
		"The source of the webhooks' certificate. Rotated: Usher issues and renews it, and fills in the CA bundle. "+
			"Mounted: files, with a CA bundle that somebody else maintains, such as cert-manager.")
	flags.StringVar(&o.CertificateDir, "webhook-certificate-dir", "/tmp/k8s-webhook-server/serving-certs",
		"Mounted: the directory with tls.crt and tls.key.")
	flags.StringVar(&o.CertificateSecret, "webhook-certificate-secret", "usher-system/usher-webhook-certificate",
		"Rotated: namespace and name of the Secret with the certificate and the certificate authority. The Secret must exist.")
	flags.StringVar(&o.ClientCA, "webhook-client-ca", "",
		"A PEM file with certificate authorities. Only callers with a client certificate of one of them are served. "+
			"Empty: every caller is served.")
	flags.StringSliceVar(&o.DNSNames, "webhook-dns-names", []string{"usher-webhook-service.usher-system.svc"},
		"Rotated: the DNS names in the certificate, by which the API server calls the webhooks.")
	flags.DurationVar(&o.CertificateValidity, "webhook-certificate-validity", 90*24*time.Hour,
		"Rotated: how long a certificate is valid. It is renewed when a third of that time is left.")
	flags.DurationVar(&o.CertificateCAValidity, "webhook-ca-validity", 5*365*24*time.Hour,
		"Rotated: how long a certificate authority is valid, at least three times as long as a certificate.")
}

// Enabled reports whether the webhooks are served.
func (o *WebhookOptions) Enabled() bool { return o.BindAddress != off }

func (o *WebhookOptions) rotated() bool { return o.Certificates == CertificatesRotated }

// checkListenAddress returns an error unless the address has a valid port.
func checkListenAddress(address string) error {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if port, err := strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("%q is not a port", text)
	}
	return nil
}

func (o *WebhookOptions) validate() []error {
	if !o.Enabled() {
		return nil
	}
	var failures []error
	if err := checkListenAddress(o.BindAddress); err != nil {
		failures = append(failures, fmt.Errorf("--webhook-bind-address %q: %w", o.BindAddress, err))
	}
	if o.Configuration == "" {
		failures = append(failures, errors.New("--webhook-configuration: name one"))
	}
	if !slices.Contains([]string{CertificatesRotated, CertificatesMounted}, o.Certificates) {
		failures = append(failures, fmt.Errorf("--webhook-certificates %q: must be %s or %s",
			o.Certificates, CertificatesRotated, CertificatesMounted))
	}
	if !o.rotated() {
		return failures
	}
	if namespace, name, err := cache.SplitMetaNamespaceKey(o.CertificateSecret); err != nil || namespace == "" || name == "" {
		failures = append(failures, fmt.Errorf("--webhook-certificate-secret %q: must be NAMESPACE/NAME", o.CertificateSecret))
	}
	if len(o.DNSNames) == 0 {
		failures = append(failures, errors.New("--webhook-dns-names: name at least one"))
	}
	for _, name := range o.DNSNames {
		for _, problem := range validation.IsDNS1123Subdomain(name) {
			failures = append(failures, fmt.Errorf("--webhook-dns-names %q: %s", name, problem))
		}
	}
	if o.CertificateValidity <= 0 {
		failures = append(failures, fmt.Errorf("--webhook-certificate-validity %s: must be positive", o.CertificateValidity))
	}
	if o.CertificateCAValidity < 3*o.CertificateValidity {
		failures = append(failures, fmt.Errorf("--webhook-ca-validity %s: must be at least three times %s",
			o.CertificateCAValidity, o.CertificateValidity))
	}
	return failures
}

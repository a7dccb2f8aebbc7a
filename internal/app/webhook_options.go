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

// Where the certificate of the webhooks comes from.
const (
	// CertificatesRotated has Usher issue and renew it, in a Secret.
	CertificatesRotated = "Rotated"
	// CertificatesMounted takes it from files, which somebody else renews.
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
		"The ValidatingWebhookConfiguration that calls them.")
	flags.StringVar(&o.Certificates, "webhook-certificates", CertificatesRotated,
		"Where their certificate comes from. Rotated: Usher issues and renews it, and fills the CA bundle. "+
			"Mounted: from files and from a CA bundle that somebody else keeps, such as cert-manager.")
	flags.StringVar(&o.CertificateDir, "webhook-certificate-dir", "/tmp/k8s-webhook-server/serving-certs",
		"Mounted: the directory with tls.crt and tls.key.")
	flags.StringVar(&o.CertificateSecret, "webhook-certificate-secret", "usher-system/usher-webhook-certificate",
		"Rotated: namespace and name of the Secret that holds certificate and certificate authority. It has to exist.")
	flags.StringVar(&o.ClientCA, "webhook-client-ca", "",
		"A file with certificate authorities, in PEM: only a caller who shows a client certificate of one of them is answered. "+
			"Empty: whoever reaches the port is answered.")
	flags.StringSliceVar(&o.DNSNames, "webhook-dns-names", []string{"usher-webhook-service.usher-system.svc"},
		"Rotated: the names that the API server calls them by.")
	flags.DurationVar(&o.CertificateValidity, "webhook-certificate-validity", 90*24*time.Hour,
		"Rotated: how long a certificate is valid. It is renewed when a third is left.")
	flags.DurationVar(&o.CertificateCAValidity, "webhook-ca-validity", 5*365*24*time.Hour,
		"Rotated: how long a certificate authority is valid, at least three times as long as a certificate.")
}

// Enabled says whether they are served.
func (o *WebhookOptions) Enabled() bool { return o.BindAddress != off }

func (o *WebhookOptions) rotated() bool { return o.Certificates == CertificatesRotated }

// checkListenAddress returns an error unless the address has a port to listen on.
func checkListenAddress(address string) error {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if port, err := strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("%q is no port", text)
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

package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/webhook/certificate"
)

const (
	pdpCertificateValidity = 90 * 24 * time.Hour
	pdpAuthorityValidity   = 5 * 365 * 24 * time.Hour
	// pdpAuthorityRest is how long a new authority is published before the decision point serves a certificate of it.
	pdpAuthorityRest = time.Hour
)

// PDPCertificateOptions are the flags of the manager for the certificate of the decision point. The manager renews it, because
// the decision point has no right to write anything.
type PDPCertificateOptions struct {
	Secret    string
	ConfigMap string
	DNSNames  []string
}

// AddFlags adds the flags with their defaults.
func (o *PDPCertificateOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Secret, "pdp-certificate-secret", "",
		"Namespace and name of the Secret with the certificate of the decision point, which Usher issues and renews. "+
			"Empty: somebody else does.")
	flags.StringVar(&o.ConfigMap, "pdp-certificate-configmap", "usher-system/usher-pdp-ca",
		"Namespace and name of the ConfigMap with the certificate authorities for clients of the decision point.")
	flags.StringSliceVar(&o.DNSNames, "pdp-dns-names", []string{"usher-pdp.usher-system.svc"},
		"The names that clients call the decision point by.")
}

func (o *PDPCertificateOptions) validate() []error {
	if o.Secret == "" {
		return nil
	}
	var failures []error
	for _, each := range []struct{ flag, value string }{
		{"--pdp-certificate-secret", o.Secret}, {"--pdp-certificate-configmap", o.ConfigMap},
	} {
		if _, err := objectKey(each.value); err != nil {
			failures = append(failures, fmt.Errorf("%s %q: %w", each.flag, each.value, err))
		}
	}
	if len(o.DNSNames) == 0 {
		failures = append(failures, errors.New("--pdp-dns-names: name at least one"))
	}
	for _, name := range o.DNSNames {
		for _, problem := range validation.IsDNS1123Subdomain(name) {
			failures = append(failures, fmt.Errorf("--pdp-dns-names %q: %s", name, problem))
		}
	}
	return failures
}

// objectKey returns the key that a text such as NAMESPACE/NAME stands for.
func objectKey(text string) (client.ObjectKey, error) {
	namespace, name, err := toolscache.SplitMetaNamespaceKey(text)
	if err != nil || namespace == "" || name == "" {
		return client.ObjectKey{}, errors.New("must be NAMESPACE/NAME")
	}
	return client.ObjectKey{Namespace: namespace, Name: name}, nil
}

// setupPDPCertificate has the leader renew the certificate of the decision point.
func setupPDPCertificate(mgr ctrl.Manager, options PDPCertificateOptions, writes client.Client, now func() time.Time) error {
	if options.Secret == "" {
		return nil
	}
	secret, err := objectKey(options.Secret)
	if err != nil {
		return fmt.Errorf("--pdp-certificate-secret: %w", err)
	}
	configMap, err := objectKey(options.ConfigMap)
	if err != nil {
		return fmt.Errorf("--pdp-certificate-configmap: %w", err)
	}
	return mgr.Add(&certificate.PublishedRotation{
		Reader: mgr.GetAPIReader(), Client: client.WithFieldOwner(writes, publish.FieldManager),
		Issuer: certificate.Issuer{
			DNSNames: options.DNSNames, Validity: pdpCertificateValidity, AuthorityValidity: pdpAuthorityValidity,
		},
		Secret: secret, ConfigMap: configMap, Rest: pdpAuthorityRest, Now: now,
	})
}

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
	servedCertificateValidity = 90 * 24 * time.Hour
	servedAuthorityValidity   = 5 * 365 * 24 * time.Hour
	// servedAuthorityRest is how long a new authority is published before a server has a certificate of it.
	servedAuthorityRest = time.Hour
)

// certified is a server whose certificate the manager issues.
type certified struct{ prefix, name string }

var (
	certifiedPDP  = certified{"pdp", "the decision point"}
	certifiedSCIM = certified{"scim", "the SCIM server"}
)

// CertificateOptions are the flags of the manager for the certificate of another server. The manager renews it, because
// that server has no right to write anything.
type CertificateOptions struct {
	Secret    string
	ConfigMap string
	DNSNames  []string
}

func (o *CertificateOptions) addFlags(of certified, flags *pflag.FlagSet) {
	flags.StringVar(&o.Secret, of.prefix+"-certificate-secret", "",
		"Namespace and name of the Secret with the certificate of "+of.name+", which Usher issues and renews. "+
			"Empty: somebody else does.")
	flags.StringVar(&o.ConfigMap, of.prefix+"-certificate-configmap", "usher-system/usher-"+of.prefix+"-ca",
		"Namespace and name of the ConfigMap with the certificate authorities for clients of "+of.name+".")
	flags.StringSliceVar(&o.DNSNames, of.prefix+"-dns-names", []string{"usher-" + of.prefix + ".usher-system.svc"},
		"The names that clients call "+of.name+" by.")
}

func (o *CertificateOptions) validate(of certified) []error {
	if o.Secret == "" {
		return nil
	}
	var failures []error
	for _, each := range []struct{ flag, value string }{
		{"--" + of.prefix + "-certificate-secret", o.Secret}, {"--" + of.prefix + "-certificate-configmap", o.ConfigMap},
	} {
		if _, err := objectKey(each.value); err != nil {
			failures = append(failures, fmt.Errorf("%s %q: %w", each.flag, each.value, err))
		}
	}
	if len(o.DNSNames) == 0 {
		failures = append(failures, fmt.Errorf("--%s-dns-names: name at least one", of.prefix))
	}
	for _, name := range o.DNSNames {
		for _, problem := range validation.IsDNS1123Subdomain(name) {
			failures = append(failures, fmt.Errorf("--%s-dns-names %q: %s", of.prefix, name, problem))
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

// setup has the leader renew the certificate.
func (o *CertificateOptions) setup(of certified, mgr ctrl.Manager, writes client.Client, now func() time.Time) error {
	if o.Secret == "" {
		return nil
	}
	secret, err := objectKey(o.Secret)
	if err != nil {
		return fmt.Errorf("--%s-certificate-secret: %w", of.prefix, err)
	}
	configMap, err := objectKey(o.ConfigMap)
	if err != nil {
		return fmt.Errorf("--%s-certificate-configmap: %w", of.prefix, err)
	}
	return mgr.Add(&certificate.PublishedRotation{
		Reader: mgr.GetAPIReader(), Client: client.WithFieldOwner(writes, publish.FieldManager),
		Issuer: certificate.Issuer{
			DNSNames: o.DNSNames, Validity: servedCertificateValidity, AuthorityValidity: servedAuthorityValidity,
		},
		Secret: secret, ConfigMap: configMap, Rest: servedAuthorityRest, Now: now,
	})
}

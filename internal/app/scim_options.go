package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/usher-dev/usher/internal/scim"
)

// SCIMOptions are the flags of the SCIM server.
type SCIMOptions struct {
	BindAddress    string
	CertificateDir string

	APIServer   string
	APIServerCA string

	UserAttribute string
	Attributes    []string

	MetricsBindAddress     string
	MetricsSecure          bool
	HealthProbeBindAddress string

	// Now is the clock for metrics. It is not a flag.
	Now func() time.Time
}

// AddFlags adds the flags with their defaults.
func (o *SCIMOptions) AddFlags(flags *pflag.FlagSet) {
	addEndpointFlags(flags, &o.MetricsBindAddress, &o.MetricsSecure, &o.HealthProbeBindAddress)
	flags.StringVar(&o.BindAddress, "bind-address", ":8443", "The address of the SCIM server.")
	flags.StringVar(&o.CertificateDir, "certificate-dir", "/etc/usher-scim/tls",
		"The directory with the certificate of the SCIM server: tls.crt and tls.key. Both are read again when they change.")
	flags.StringVar(&o.APIServer, "api-server", "",
		"The URL of the API server. Empty: the one that Kubernetes names in the environment of a Pod.")
	flags.StringVar(&o.APIServerCA, "api-server-ca", "/etc/usher-scim/api-server/ca.crt",
		"A file with the certificate authorities of the API server, in PEM.")
	flags.StringVar(&o.UserAttribute, "user-attribute", string(scim.UserAttributeUserName),
		"The attribute of SCIM that is the identity of a user: userName, externalId, or email for the primary e-mail address.")
	flags.StringArrayVar(&o.Attributes, "attribute", nil,
		"An attribute of SCIM and the name of the attribute of a UserAccess that it becomes, such as title=jobTitle. May be given "+
			"several times. The attributes of the enterprise extension keep their names without it.")
}

// Validate returns the errors of all flags.
func (o *SCIMOptions) Validate() error {
	var failures []error
	if err := checkListenAddress(o.BindAddress); err != nil {
		failures = append(failures, fmt.Errorf("--bind-address %q: %w", o.BindAddress, err))
	}
	if o.CertificateDir == "" {
		failures = append(failures, errors.New("--certificate-dir: name a directory"))
	}
	if o.APIServer != "" {
		if address, err := url.Parse(o.APIServer); err != nil || address.Scheme != "https" || address.Host == "" {
			failures = append(failures, fmt.Errorf("--api-server %q: must be a URL with https, because tokens are sent there", o.APIServer))
		}
	}
	if o.APIServerCA == "" {
		failures = append(failures, errors.New("--api-server-ca: name a file, because tokens are sent to the API server"))
	}
	if !slices.Contains(scim.UserAttributes, scim.UserAttribute(o.UserAttribute)) {
		failures = append(failures, fmt.Errorf("--user-attribute %q: must be one of %q", o.UserAttribute, scim.UserAttributes))
	}
	if _, err := scim.NewAttributes(o.Attributes); err != nil {
		failures = append(failures, fmt.Errorf("--attribute %w", err))
	}
	return errors.Join(failures...)
}

// apiServer returns the URL of the API server.
func (o *SCIMOptions) apiServer() (string, error) {
	if o.APIServer != "" {
		return o.APIServer, nil
	}
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return "", errors.New("--api-server: give the URL of the API server, because the environment does not name it")
	}
	return "https://" + net.JoinHostPort(host, port), nil
}

package app

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/usher-dev/usher/internal/decision"
)

// leastStaleness is the smallest bound on the age of the view: a watch shows nothing for about a minute where no object
// changes.
const leastStaleness = 2 * time.Minute

// PDPOptions are the flags of the decision point.
type PDPOptions struct {
	SystemNamespace      string
	OrganizationSelector string

	BindAddress      string
	CertificateDir   string
	MaxStaleness     time.Duration
	ApplicationTypes []string

	AuthenticationConfig  string
	UserHeader            string
	UserHeaderClientCA    string
	UserHeaderClientNames []string

	MetricsBindAddress     string
	MetricsSecure          bool
	HealthProbeBindAddress string

	// Now is the clock by which questions are answered. It is not a flag.
	Now func() time.Time
}

// AddFlags adds the flags with their defaults.
func (o *PDPOptions) AddFlags(flags *pflag.FlagSet) {
	addOrganizationFlags(flags, &o.SystemNamespace, &o.OrganizationSelector)
	addEndpointFlags(flags, &o.MetricsBindAddress, &o.MetricsSecure, &o.HealthProbeBindAddress)
	flags.StringVar(&o.BindAddress, "bind-address", ":8443", "The address of the decision point.")
	flags.StringVar(&o.CertificateDir, "certificate-dir", "/etc/usher-pdp/tls",
		"The directory with the certificate of the decision point: tls.crt and tls.key. Both are read again when they change.")
	flags.DurationVar(&o.MaxStaleness, "max-staleness", 5*time.Minute,
		"Answer questions only if the watches have received data within this time, at least 2m. 0: always answer.")
	flags.StringArrayVar(&o.ApplicationTypes, "application-type", nil,
		"A further name of the resource type application. May be given several times.")
	flags.StringVar(&o.AuthenticationConfig, "authentication-config", "",
		"A file with an AuthenticationConfiguration of Kubernetes: its jwt part says whose tokens name the user of a check. "+
			"Empty: no token does.")
	flags.StringVar(&o.UserHeader, "user-header", "",
		"The header by which a gateway names the user of a check, such as X-Forwarded-User. Empty: no header does.")
	flags.StringVar(&o.UserHeaderClientCA, "user-header-client-ca", "",
		"A file with certificate authorities, in PEM: only a gateway that shows a client certificate of one of them may set the header.")
	flags.StringSliceVar(&o.UserHeaderClientNames, "user-header-client-names", nil,
		"The common names of the client certificates of gateways that may set the header.")
}

// Validate returns every flag's error.
func (o *PDPOptions) Validate() error {
	failures := validateOrganizations(o.SystemNamespace, o.OrganizationSelector)
	if err := checkListenAddress(o.BindAddress); err != nil {
		failures = append(failures, fmt.Errorf("--bind-address %q: %w", o.BindAddress, err))
	}
	if o.CertificateDir == "" {
		failures = append(failures, errors.New("--certificate-dir: name a directory"))
	}
	if o.MaxStaleness != 0 && o.MaxStaleness < leastStaleness {
		failures = append(failures, fmt.Errorf("--max-staleness %s: must be 0 or at least %s", o.MaxStaleness, leastStaleness))
	}
	for _, each := range o.ApplicationTypes {
		if each == "" || each == decision.TypeRow {
			failures = append(failures, fmt.Errorf("--application-type %q: must be a name other than %q", each, decision.TypeRow))
		}
	}
	return errors.Join(append(failures, o.validateUserHeader()...)...)
}

func (o *PDPOptions) validateUserHeader() []error {
	if o.UserHeader == "" {
		if o.UserHeaderClientCA != "" || len(o.UserHeaderClientNames) > 0 {
			return []error{errors.New("--user-header: name the header that --user-header-client-ca and --user-header-client-names are for")}
		}
		return nil
	}
	var failures []error
	for _, problem := range validation.IsHTTPHeaderName(o.UserHeader) {
		failures = append(failures, fmt.Errorf("--user-header %q: %s", o.UserHeader, problem))
	}
	if o.UserHeaderClientCA == "" {
		failures = append(failures, errors.New("--user-header-client-ca: name a file, because only known gateways may set --user-header"))
	}
	if len(o.UserHeaderClientNames) == 0 || slices.Contains(o.UserHeaderClientNames, "") {
		failures = append(failures, errors.New("--user-header-client-names: name the gateways that may set --user-header"))
	}
	return failures
}

// addOrganizationFlags adds the flags that say which namespaces are organizations.
func addOrganizationFlags(flags *pflag.FlagSet, systemNamespace, organizationSelector *string) {
	flags.StringVar(systemNamespace, "system-namespace", "access-system",
		"The namespace above all organizations: its AccessPolicy, System groups and UserAccess objects are effective in each of them.")
	flags.StringVar(organizationSelector, "organization-selector", "",
		"Label selector for the namespaces that are organizations. Empty selects all.")
}

// validateOrganizations returns the errors of these flags.
func validateOrganizations(systemNamespace, organizationSelector string) []error {
	var failures []error
	for _, problem := range validation.IsDNS1123Label(systemNamespace) {
		failures = append(failures, fmt.Errorf("--system-namespace %q: %s", systemNamespace, problem))
	}
	if _, err := labels.Parse(organizationSelector); err != nil {
		failures = append(failures, fmt.Errorf("--organization-selector %q: %w", organizationSelector, err))
	}
	return failures
}

// addEndpointFlags adds the flags of metrics and probes.
func addEndpointFlags(flags *pflag.FlagSet, metrics *string, secure *bool, probes *string) {
	flags.StringVar(metrics, "metrics-bind-address", "0",
		`The address of the metrics endpoint, such as ":8443". "0" turns it off.`)
	flags.BoolVar(secure, "metrics-secure", true,
		"Serve metrics over TLS and only to clients that the API server authenticates and authorizes.")
	flags.StringVar(probes, "health-probe-bind-address", ":8081",
		`The address of /healthz and /readyz. "0" turns them off.`)
}

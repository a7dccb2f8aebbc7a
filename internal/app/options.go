package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Options are the flags of the manager.
type Options struct {
	SystemNamespace      string
	OrganizationSelector string
	DocumentGrace        time.Duration
	AuditLog             bool

	LeaderElect             bool
	LeaderElectionNamespace string

	MetricsBindAddress     string
	MetricsSecure          bool
	HealthProbeBindAddress string

	Webhook WebhookOptions
	Notices NoticeOptions

	// Now is the clock for resolving access. It has no flag: the command uses the machine's clock.
	Now func() time.Time
	// Audit receives the audit lines. It has no flag. Nil discards the lines.
	Audit logr.LogSink
}

// AddFlags adds the flags with their defaults.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.SystemNamespace, "system-namespace", "access-system",
		"The namespace above all organizations: its AccessPolicy, System groups and UserAccess objects are effective in each of them.")
	flags.StringVar(&o.OrganizationSelector, "organization-selector", "",
		"Label selector for the namespaces that are organizations. Empty selects all.")
	flags.DurationVar(&o.DocumentGrace, "document-grace", 2*time.Minute,
		"How long a document stays empty before it is deleted.")
	flags.BoolVar(&o.AuditLog, "audit-log", true,
		"Log a line for every change of a user's access to an application and for every change that admission allows.")
	flags.BoolVar(&o.LeaderElect, "leader-elect", false,
		"Write only while holding the leader election lease. Required if more than one replica runs.")
	flags.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "",
		"The namespace of the lease. Empty: the namespace of the manager.")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", "0",
		`The address of the metrics endpoint, such as ":8443". "0" turns it off.`)
	flags.BoolVar(&o.MetricsSecure, "metrics-secure", true,
		"Serve metrics over TLS and only to clients that the API server authenticates and authorizes.")
	flags.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", ":8081",
		`The address of /healthz and /readyz. "0" turns them off.`)
	o.Webhook.AddFlags(flags)
	o.Notices.AddFlags(flags)
}

// Validate returns the errors of all flags.
func (o *Options) Validate() error {
	var failures []error
	for _, problem := range validation.IsDNS1123Label(o.SystemNamespace) {
		failures = append(failures, fmt.Errorf("--system-namespace %q: %s", o.SystemNamespace, problem))
	}
	if _, err := labels.Parse(o.OrganizationSelector); err != nil {
		failures = append(failures, fmt.Errorf("--organization-selector %q: %w", o.OrganizationSelector, err))
	}
	if o.DocumentGrace < 0 {
		failures = append(failures, fmt.Errorf("--document-grace %s: must not be negative", o.DocumentGrace))
	}
	failures = append(failures, o.Webhook.validate()...)
	return errors.Join(append(failures, o.Notices.validate()...)...)
}

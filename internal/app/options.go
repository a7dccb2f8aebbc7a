package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
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
	PDP     CertificateOptions
	SCIM    CertificateOptions

	// Now is the clock for resolving access. It has no flag: the command uses the machine's clock.
	Now func() time.Time
	// Audit receives the audit lines. It has no flag. Nil discards the lines.
	Audit logr.LogSink
}

// AddFlags adds the flags with their defaults.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	addOrganizationFlags(flags, &o.SystemNamespace, &o.OrganizationSelector)
	flags.DurationVar(&o.DocumentGrace, "document-grace", 7*time.Minute,
		"How long a document stays empty before it is deleted.")
	flags.BoolVar(&o.AuditLog, "audit-log", true,
		"Log a line for every change of a user's access to an application and for every change that admission allows.")
	flags.BoolVar(&o.LeaderElect, "leader-elect", false,
		"Write only while holding the leader election lease. Required if more than one replica runs.")
	flags.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "",
		"The namespace of the lease. Empty: the namespace of the manager.")
	addEndpointFlags(flags, &o.MetricsBindAddress, &o.MetricsSecure, &o.HealthProbeBindAddress)
	o.Webhook.AddFlags(flags)
	o.Notices.AddFlags(flags)
	o.PDP.addFlags(certifiedPDP, flags)
	o.SCIM.addFlags(certifiedSCIM, flags)
}

// Validate returns the errors of all flags.
func (o *Options) Validate() error {
	failures := validateOrganizations(o.SystemNamespace, o.OrganizationSelector)
	if o.DocumentGrace < 0 {
		failures = append(failures, fmt.Errorf("--document-grace %s: must not be negative", o.DocumentGrace))
	}
	failures = append(failures, o.Webhook.validate()...)
	failures = append(failures, o.PDP.validate(certifiedPDP)...)
	failures = append(failures, o.SCIM.validate(certifiedSCIM)...)
	return errors.Join(append(failures, o.Notices.validate()...)...)
}

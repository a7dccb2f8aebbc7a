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
	PDP     PDPCertificateOptions

	// Now is the clock by which access is resolved. It is no flag: the command has the machine's.
	Now func() time.Time
	// Audit takes the lines of the audit. It is no flag either; nil takes none.
	Audit logr.LogSink
}

// AddFlags adds the flags with their defaults.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	addOrganizationFlags(flags, &o.SystemNamespace, &o.OrganizationSelector)
	flags.DurationVar(&o.DocumentGrace, "document-grace", 2*time.Minute,
		"How long an ended document stays, empty, before it is removed.")
	flags.BoolVar(&o.AuditLog, "audit-log", true,
		"Write a line to the log for every change of a user's access to an application, and for every change that admission lets through.")
	flags.BoolVar(&o.LeaderElect, "leader-elect", false,
		"Write only while holding the lease, so that of several replicas one writes.")
	flags.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "",
		"The namespace of the lease. Empty: the one that the manager runs in.")
	addEndpointFlags(flags, &o.MetricsBindAddress, &o.MetricsSecure, &o.HealthProbeBindAddress)
	o.Webhook.AddFlags(flags)
	o.Notices.AddFlags(flags)
	o.PDP.AddFlags(flags)
}

// Validate returns every flag's error.
func (o *Options) Validate() error {
	failures := validateOrganizations(o.SystemNamespace, o.OrganizationSelector)
	if o.DocumentGrace < 0 {
		failures = append(failures, fmt.Errorf("--document-grace %s: must not be negative", o.DocumentGrace))
	}
	failures = append(failures, o.Webhook.validate()...)
	failures = append(failures, o.PDP.validate()...)
	return errors.Join(append(failures, o.Notices.validate()...)...)
}

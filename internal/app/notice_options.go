package app

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/usher-dev/usher/internal/egress"
	"github.com/usher-dev/usher/internal/notify"
)

// Values of --notice-plaintext.
const (
	// PlaintextRefused requires https and TLS of every channel.
	PlaintextRefused = "Refused"
	// PlaintextAllowed allows http and mail without TLS for channels that specify it.
	PlaintextAllowed = "Allowed"
)

// NoticeOptions are the flags of notices.
type NoticeOptions struct {
	Window          time.Duration
	Mass            int
	Keep            time.Duration
	Timeout         time.Duration
	AllowedNetworks []string
	Plaintext       string
}

// AddFlags adds the flags with their defaults.
func (o *NoticeOptions) AddFlags(flags *pflag.FlagSet) {
	flags.DurationVar(&o.Window, "notice-window", 30*time.Second,
		"How long to collect changes of a user's access before the user is notified.")
	flags.IntVar(&o.Mass, "notice-mass", 50,
		"Number of users whose access changes within the window from which the administrators of the organization are notified. 0: never.")
	flags.DurationVar(&o.Keep, "notice-keep", 24*time.Hour,
		"How long to retry the delivery of a notice.")
	flags.DurationVar(&o.Timeout, "notice-timeout", 30*time.Second,
		"Timeout for the delivery of one notice to a server.")
	flags.StringSliceVar(&o.AllowedNetworks, "notice-allowed-networks", nil,
		"Networks, such as 10.20.0.0/16, to which notices may be sent even if their addresses are loopback, link-local, private "+
			"or otherwise special.")
	flags.StringVar(&o.Plaintext, "notice-plaintext", PlaintextRefused,
		"Whether a channel may send without TLS, by http or by mail with tls: None. Refused or Allowed.")
}

func (o *NoticeOptions) validate() []error {
	var failures []error
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"--notice-keep", o.Keep}, {"--notice-timeout", o.Timeout}} {
		if d.value <= 0 {
			failures = append(failures, fmt.Errorf("%s %s: must be positive", d.flag, d.value))
		}
	}
	if o.Window < 0 {
		failures = append(failures, fmt.Errorf("--notice-window %s: must not be negative", o.Window))
	}
	if o.Mass < 0 {
		failures = append(failures, fmt.Errorf("--notice-mass %d: must not be negative", o.Mass))
	}
	if _, err := o.networks(); err != nil {
		failures = append(failures, err)
	}
	if !slices.Contains([]string{PlaintextRefused, PlaintextAllowed}, o.Plaintext) {
		failures = append(failures, fmt.Errorf("--notice-plaintext %q: must be %s or %s",
			o.Plaintext, PlaintextRefused, PlaintextAllowed))
	}
	return failures
}

func (o *NoticeOptions) networks() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range o.AllowedNetworks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--notice-allowed-networks %q: must be a network such as 10.20.0.0/16", text)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

func (o *NoticeOptions) options() (notify.Options, error) {
	networks, err := o.networks()
	return notify.Options{
		Window: o.Window, Mass: o.Mass, Keep: o.Keep,
		Targets: egress.Targets{Allowed: networks, Plaintext: o.Plaintext == PlaintextAllowed, Timeout: o.Timeout},
	}, err
}

package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// optionCase is a command line.
type optionCase struct {
	args []string
	want []string // every string must be in the error; empty if valid
}

// testOptions parses and validates each command line into new options.
func testOptions(t *testing.T, newOptions func() flagged, cases map[string]optionCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := newOptions()
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.AddFlags(flags)
			if err := flags.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			err := o.Validate()
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatalf("got error %v", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

// flagged are the options of a subcommand.
type flagged interface {
	AddFlags(flags *pflag.FlagSet)
	Validate() error
}

func TestOptions(t *testing.T) {
	testOptions(t, func() flagged { return &Options{} }, map[string]optionCase{
		"defaults":       {},
		"as shipped":     {args: []string{"--organization-selector=access.usher.dev/organization=enabled", "--leader-elect"}},
		"no namespace":   {args: []string{"--system-namespace="}, want: []string{"--system-namespace"}},
		"not a selector": {args: []string{"--organization-selector=a in b"}, want: []string{"--organization-selector", `"a in b"`}},
		"webhooks":       {args: []string{"--webhook-bind-address=:9443"}},
		"webhooks that somebody else has certificates for": {
			args: []string{"--webhook-bind-address=:9443", "--webhook-certificates=Mounted", "--webhook-certificate-secret="},
		},
		"webhooks without an address": {
			args: []string{"--webhook-bind-address=9443"}, want: []string{`--webhook-bind-address "9443"`},
		},
		"webhooks on no port": {
			args: []string{"--webhook-bind-address=:http"}, want: []string{`--webhook-bind-address ":http"`, `"http" is not a port`},
		},
		"certificates all wrong": {
			args: []string{
				"--webhook-bind-address=:1", "--webhook-configuration=", "--webhook-certificate-secret=x",
				"--webhook-dns-names=A_B", "--webhook-certificate-validity=2h", "--webhook-ca-validity=5h",
			},
			want: []string{
				"--webhook-configuration", `--webhook-certificate-secret "x"`, `--webhook-dns-names "A_B"`, "--webhook-ca-validity 5h",
			},
		},
		"certificates of somebody unknown": {
			args: []string{"--webhook-bind-address=:1", "--webhook-certificates=Bought"},
			want: []string{`--webhook-certificates "Bought": must be Rotated or Mounted`},
		},
		"what is off is not looked at": {args: []string{"--webhook-certificates=Bought"}},
		"everything wrong": {
			args: []string{"--system-namespace=A_B", "--document-grace=-1s"},
			want: []string{`--system-namespace "A_B"`, "--document-grace -1s"},
		},
		"notices":                             {args: []string{"--notice-window=0s", "--notice-mass=0", "--notice-allowed-networks=10.0.0.0/8,::1/128"}},
		"a certificate of the decision point": {args: []string{"--pdp-certificate-secret=usher-system/usher-pdp-tls"}},
		"a certificate of the decision point, all wrong": {
			args: []string{"--pdp-certificate-secret=x", "--pdp-certificate-configmap=a/b/c", "--pdp-dns-names=A_B"},
			want: []string{`--pdp-certificate-secret "x"`, `--pdp-certificate-configmap "a/b/c"`, `--pdp-dns-names "A_B"`},
		},
		"notices all wrong": {
			args: []string{
				"--notice-window=-1s", "--notice-mass=-1", "--notice-keep=0s", "--notice-timeout=0s",
				"--notice-allowed-networks=10.0.0.1", "--notice-plaintext=yes",
			},
			want: []string{
				"--notice-window -1s", "--notice-mass -1", "--notice-keep 0s", "--notice-timeout 0s",
				`--notice-allowed-networks "10.0.0.1"`, `--notice-plaintext "yes": must be Refused or Allowed`,
			},
		},
	})
}

func TestDefaults(t *testing.T) {
	var o Options
	o.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	want := Options{
		SystemNamespace: "access-system", DocumentGrace: 2 * time.Minute, AuditLog: true,
		MetricsBindAddress: "0", MetricsSecure: true, HealthProbeBindAddress: ":8081",
		Webhook: WebhookOptions{
			BindAddress: "0", Configuration: "usher-validating-webhook-configuration", Certificates: "Rotated",
			CertificateDir:        "/tmp/k8s-webhook-server/serving-certs",
			CertificateSecret:     "usher-system/usher-webhook-certificate",
			DNSNames:              []string{"usher-webhook-service.usher-system.svc"},
			CertificateValidity:   90 * 24 * time.Hour,
			CertificateCAValidity: 5 * 365 * 24 * time.Hour,
		},
		Notices: NoticeOptions{
			Window: 30 * time.Second, Mass: 50, Keep: 24 * time.Hour, Timeout: 30 * time.Second, Plaintext: "Refused",
		},
		PDP: PDPCertificateOptions{ConfigMap: "usher-system/usher-pdp-ca", DNSNames: []string{"usher-pdp.usher-system.svc"}},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("unexpected defaults (-want +got):\n%s", diff)
	}
}

func TestCommandErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a wrong value, without a subcommand":           {[]string{"--document-grace=-1s"}, "--document-grace -1s"},
		"a wrong value of the manager":                  {[]string{"manager", "--document-grace=-1s"}, "--document-grace -1s"},
		"an unknown subcommand":                         {[]string{"other"}, `unknown command "other"`},
		"an argument of the manager":                    {[]string{"manager", "other"}, `unknown command "other"`},
		"a flag of the manager, for another":            {[]string{"pdp", "--leader-elect"}, "unknown flag: --leader-elect"},
		"a wrong value of the decision point":           {[]string{"pdp", "--max-staleness=1s"}, "--max-staleness 1s"},
		"a flag of the decision point, for the manager": {[]string{"--max-staleness=0"}, "unknown flag: --max-staleness"},
		"a flag of the manager before another":          {[]string{"--leader-elect", "pdp"}, "unknown flag: --leader-elect"},
	} {
		t.Run(name, func(t *testing.T) {
			command := NewCommand()
			command.SetArgs(tc.args)
			if err := command.Execute(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want %q", err, tc.want)
			}
		})
	}
}

package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func TestPDPOptions(t *testing.T) {
	testOptions(t, func() flagged { return &PDPOptions{} }, map[string]optionCase{
		"defaults":    {},
		"no bound":    {args: []string{"--max-staleness=0"}},
		"every check": {args: []string{"--authentication-config=a.yaml", "--user-header=X-User", "--user-header-client-ca=ca.crt", "--user-header-client-names=a,b"}},
		"types":       {args: []string{"--application-type=app", "--application-type=service"}},
		"everything wrong": {
			args: []string{
				"--system-namespace=A_B", "--organization-selector=a in b", "--bind-address=8443", "--certificate-dir=",
				"--max-staleness=30s", "--application-type=row", "--application-type=", "--user-header=a b",
			},
			want: []string{
				`--system-namespace "A_B"`, `--organization-selector "a in b"`, `--bind-address "8443"`, "--certificate-dir",
				"--max-staleness 30s: must be 0 or at least 2m0s", `--application-type "row"`, `--application-type ""`,
				`--user-header "a b"`, "--user-header-client-ca", "--user-header-client-names",
			},
		},
		"gateways without a header": {args: []string{"--user-header-client-names=a"}, want: []string{"--user-header: name the header"}},
		"a gateway without a name": {
			args: []string{"--user-header=X-User", "--user-header-client-ca=ca.crt", "--user-header-client-names=a,"},
			want: []string{"--user-header-client-names"},
		},
	})
}

func TestPDPDefaults(t *testing.T) {
	var o PDPOptions
	o.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	want := PDPOptions{
		SystemNamespace: "access-system", BindAddress: ":8443", CertificateDir: "/etc/usher-pdp/tls", MaxStaleness: 5 * time.Minute,
		MetricsBindAddress: "0", MetricsSecure: true, HealthProbeBindAddress: ":8081",
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("unexpected defaults (-want +got):\n%s", diff)
	}
}

package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func TestSCIMOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string // each in the error; none: valid
	}{
		"defaults":   {},
		"attributes": {args: []string{"--user-attribute=email", "--attribute=title=jobTitle", "--attribute=urn:acme:2.0:User:region=region"}},
		"elsewhere":  {args: []string{"--api-server=https://127.0.0.1:6443", "--api-server-ca=ca.crt"}},
		"everything wrong": {
			args: []string{
				"--bind-address=8443", "--certificate-dir=", "--api-server=http://127.0.0.1:6443", "--api-server-ca=",
				"--user-attribute=shoeSize", "--attribute=shoeSize=x",
			},
			want: []string{
				`--bind-address "8443"`, "--certificate-dir", `--api-server "http://127.0.0.1:6443"`, "--api-server-ca",
				`--user-attribute "shoeSize"`, `--attribute "shoeSize=x"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var o SCIMOptions
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

func TestSCIMDefaults(t *testing.T) {
	var o SCIMOptions
	o.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	want := SCIMOptions{
		BindAddress: ":8443", CertificateDir: "/etc/usher-scim/tls", APIServerCA: "/etc/usher-scim/api-server/ca.crt",
		UserAttribute: "userName", MetricsBindAddress: "0", MetricsSecure: true, HealthProbeBindAddress: ":8081",
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("unexpected defaults (-want +got):\n%s", diff)
	}
}

func TestSCIMFindsTheAPIServer(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	if got, err := (&SCIMOptions{}).apiServer(); got != "https://[fd00::1]:443" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := (&SCIMOptions{}).apiServer(); err == nil || !strings.Contains(err.Error(), "--api-server") {
		t.Errorf("got %v", err)
	}
}

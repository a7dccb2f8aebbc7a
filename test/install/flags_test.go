package install

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/usher-dev/usher/internal/app"
)

// TestTheManagerTakesTheArguments parses the arguments in the rendered chart with the flags of the manager.
func TestTheManagerTakesTheArguments(t *testing.T) {
	for name, set := range map[string]values{
		"as shipped":    {},
		"with all else": {"logging": values{"level": "debug", "encoder": "console"}, "metrics": values{"secure": false}},
		"cert-manager":  {"certificates": values{"issuedBy": "CertManager"}},
		"validities":    {"certificates": values{"validity": "24h", "authorityValidity": "72h"}},
		"no metrics":    {"metrics": values{"enabled": false}},
		"a client CA":   {"webhook": values{"clientCA": values{"name": "api-server-ca"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, namespace := range []string{shippedIn, "elsewhere"} {
				rendered, _, err := render(t, namespace, set)
				if err != nil {
					t.Fatal(err)
				}
				if err := app.NewCommand().ParseFlags(args(t, rendered[deployment])); err != nil {
					t.Errorf("in %s: %v", namespace, err)
				}
			}
		})
	}
}

// TestTheServersTakeTheArguments parses what the chart renders with the flags of the decision point and the SCIM server.
func TestTheServersTakeTheArguments(t *testing.T) {
	for subcommand, server := range servers {
		for name, set := range map[string]values{
			"as shipped":    {},
			"with all else": {"logging": values{"level": "debug", "encoder": "console"}, "metrics": values{"secure": false}},
			"no metrics":    {"metrics": values{"enabled": false}},
			"another flag":  {subcommand: values{"extraArgs": []any{server.flag}}},
		} {
			t.Run(subcommand+" "+name, func(t *testing.T) {
				command, rest, err := app.NewCommand().Find(args(t, mustRender(t, with(server.given, set))[server.deployment]))
				if err != nil || command.Name() != subcommand {
					t.Fatalf("it runs %s: %v", command.Name(), err)
				}
				if err := command.ParseFlags(rest); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestEveryFlagCanBeSet checks that each flag is set by a value or can be given in extraArgs.
func TestEveryFlagCanBeSet(t *testing.T) {
	var refused []string
	app.NewCommand().Flags().VisitAll(func(flag *pflag.Flag) {
		given := "--" + flag.Name + "=" + flag.DefValue
		rendered, _, err := render(t, shippedIn, values{"extraArgs": []any{given}})
		switch {
		case err != nil:
			refused = append(refused, flag.Name)
		case !slices.Contains(args(t, rendered[deployment]), given):
			t.Errorf("%s does not reach the manager", given)
		}
	})
	want := []string{
		"document-grace", "health-probe-bind-address", "leader-elect", "metrics-bind-address", "metrics-secure",
		"organization-selector", "pdp-certificate-configmap", "pdp-certificate-secret", "scim-certificate-configmap",
		"scim-certificate-secret", "system-namespace", "webhook-bind-address", "webhook-ca-validity", "webhook-certificate-dir",
		"webhook-certificate-secret", "webhook-certificate-validity", "webhook-certificates", "webhook-client-ca", "zap-encoder",
		"zap-log-level",
	}
	slices.Sort(refused)
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("flags that have a value of their own (-want +got):\n%s", diff)
	}
}

// TestEveryFlagOfTheServersCanBeSet checks the same for the decision point and the SCIM server.
func TestEveryFlagOfTheServersCanBeSet(t *testing.T) {
	for subcommand, server := range servers {
		t.Run(subcommand, func(t *testing.T) {
			command, _, err := app.NewCommand().Find([]string{subcommand})
			if err != nil {
				t.Fatal(err)
			}
			var refused []string
			command.Flags().VisitAll(func(flag *pflag.Flag) {
				given := "--" + flag.Name + "=" + flag.DefValue
				rendered, _, err := render(t, shippedIn, with(server.given, values{subcommand: values{"extraArgs": []any{given}}}))
				switch {
				case err != nil:
					refused = append(refused, flag.Name)
				case !slices.Contains(args(t, rendered[server.deployment]), given):
					t.Errorf("%s does not reach it", given)
				}
			})
			slices.Sort(refused)
			if diff := cmp.Diff(server.refused, refused); diff != "" {
				t.Errorf("flags that have a value of their own (-want +got):\n%s", diff)
			}
		})
	}
}

// servers are the optional servers by subcommand.
var servers = map[string]struct {
	given      values
	deployment string
	flag       string
	refused    []string // the flags that have a value of their own
}{
	"pdp": {decisions, pdpDeployment, "--application-type=app", []string{
		"bind-address", "certificate-dir", "health-probe-bind-address", "max-staleness", "metrics-bind-address", "metrics-secure",
		"organization-selector", "system-namespace", "zap-encoder", "zap-log-level",
	}},
	"scim": {provisioning, scimDeployment, "--attribute=title=jobTitle", []string{
		"api-server-ca", "bind-address", "certificate-dir", "health-probe-bind-address", "metrics-bind-address", "metrics-secure",
		"zap-encoder", "zap-log-level",
	}},
}

// TestTheSelectorIsOne checks that the flag and the admission policies select the same namespaces.
func TestTheSelectorIsOne(t *testing.T) {
	expression := func(key, operator string, in ...any) values {
		expression := values{"key": key, "operator": operator}
		if len(in) > 0 {
			expression["values"] = in
		}
		return expression
	}
	for name, tc := range map[string]struct {
		selector []any
		want     string
	}{
		"as shipped": {nil, "access.usher.dev/organization=enabled"},
		"all kinds": {[]any{
			expression("a", "In", "x"), expression("b", "In", "x", "y"), expression("c", "NotIn", "z"), expression("d", "Exists"),
			expression("e", "DoesNotExist"),
		}, "a=x,b in (x,y),c notin (z),d,!e"},
		"everything": {[]any{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := values{}
			if tc.selector != nil {
				set["organizationSelector"] = tc.selector
			}
			rendered := mustRender(t, set)
			want := "--organization-selector=" + tc.want
			if !slices.Contains(args(t, rendered[deployment]), want) {
				t.Errorf("%v has no %s", args(t, rendered[deployment]), want)
			}
			if _, err := labels.Parse(tc.want); err != nil {
				t.Error(err)
			}
			bound := fmt.Sprint(rendered[organizationsAt]["spec"])
			for _, part := range strings.FieldsFunc(tc.want, func(r rune) bool { return strings.ContainsRune("=,!() ", r) }) {
				if part != "in" && part != "notin" && !strings.Contains(bound, part) {
					t.Errorf("the binding does not say %s: %s", part, bound)
				}
			}
			if tc.want == "" && !strings.Contains(bound, "kube-system") {
				t.Errorf("the binding holds in kube-system: %s", bound)
			}
		})
	}
}

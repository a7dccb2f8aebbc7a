package install

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// bindings returns the objects that bind the admission policies.
func bindings(of string) []string {
	return []string{
		"ValidatingAdmissionPolicyBinding/usher-materialized-label-" + of,
		"ValidatingAdmissionPolicyBinding/usher-published-documents-" + of,
	}
}

// effects has an entry for every value: a value other than the default, and the objects that differ by it.
var effects = map[string]struct {
	given values // other values that it requires, before and after
	value any
	want  []string
}{
	"image.repository":     {value: "registry.example/usher", want: []string{deployment}},
	"image.tag":            {value: "v1.2.3", want: []string{deployment}},
	"image.digest":         {value: "sha256:" + strings.Repeat("0", 64), want: []string{deployment}},
	"image.pullPolicy":     {value: "Always", want: []string{deployment}},
	"imagePullSecrets":     {value: []any{values{"name": "registry"}}, want: []string{deployment}},
	"replicas":             {value: 3, want: []string{deployment}},
	"resources":            {value: values{"limits": values{"memory": "4Gi"}}, want: []string{deployment}},
	"systemNamespace":      {value: "platform", want: append(bindings("system"), deployment)},
	"organizationSelector": {value: labelled("team", "acme"), want: append(bindings("organizations"), deployment)},
	"documentGrace":        {value: "10m", want: []string{deployment}},
	"accessPolicy":         {value: values{"crossObjectChecks": "Deny"}, want: []string{"AccessPolicy/default"}},
	"notices.namespaces":   {value: []any{"acme"}, want: []string{"Role/acme/usher-channel-reader", "RoleBinding/acme/usher-channel-reader"}},
	"logging.level":        {value: "debug", want: []string{deployment}},
	"logging.encoder":      {value: "console", want: []string{deployment}},
	"extraArgs":            {value: []any{"--zap-time-encoding=rfc3339"}, want: []string{deployment}},
	"certificates.issuedBy": {value: "CertManager", want: []string{
		"Certificate/usher-webhook-ca", "Certificate/usher-webhook-certificate", "ClusterRole/usher-manager-role", deployment,
		"Issuer/usher-selfsigned-issuer", "Issuer/usher-webhook-issuer", "Role/usher-system/usher-manager-role", "RoleBinding/usher-system/usher-manager-rolebinding",
		"Secret/usher-webhook-certificate", webhooks,
	}},
	"certificates.validity":          {value: "720h", want: []string{deployment}},
	"certificates.authorityValidity": {value: "87600h", want: []string{deployment}},
	"certificates.issuerRef": {
		given: values{"certificates": values{"issuedBy": "CertManager"}},
		value: values{"kind": "ClusterIssuer", "name": "internal"},
		want: []string{
			"Certificate/usher-webhook-ca", "Certificate/usher-webhook-certificate", "Issuer/usher-selfsigned-issuer",
			"Issuer/usher-webhook-issuer",
		},
	},
	"webhook.clientCA.name": {value: "api-server-ca", want: []string{deployment}},
	"webhook.clientCA.kind": {
		given: values{"webhook": values{"clientCA": values{"name": "api-server-ca"}}}, value: "Secret", want: []string{deployment},
	},
	"webhook.clientCA.key": {
		given: values{"webhook": values{"clientCA": values{"name": "api-server-ca"}}}, value: "ca.pem", want: []string{deployment},
	},
	"metrics.enabled":                {value: false, want: []string{deployment, networkPolicy, metricsService}},
	"metrics.secure":                 {value: false, want: []string{deployment, metricsService}},
	"metrics.serviceMonitor.enabled": {value: true, want: []string{serviceMonitor}},
	"metrics.serviceMonitor.labels":  {given: monitored, value: values{"release": "prometheus"}, want: []string{serviceMonitor}},
	"metrics.serviceMonitor.interval": {
		given: monitored, value: "30s", want: []string{serviceMonitor},
	},
	"metrics.prometheusRule.enabled": {value: true, want: []string{alertRules}},
	"metrics.prometheusRule.labels":  {given: alerted, value: values{"release": "prometheus"}, want: []string{alertRules}},
	"networkPolicy.enabled":          {value: false, want: []string{networkPolicy}},
	"networkPolicy.apiServerCIDRs":   {value: []any{"10.0.0.5/32", "fd00::5/128"}, want: []string{networkPolicy}},
	"networkPolicy.metricsFrom":      {value: labelled("team", "sre"), want: []string{networkPolicy}},
	"pdp.enabled": {value: true, want: []string{
		"ClusterRole/usher-pdp", "ClusterRole/usher-pdp-client", "ClusterRoleBinding/usher-pdp", "ConfigMap/usher-pdp-ca", pdpDeployment,
		"NetworkPolicy/usher-pdp", "PodDisruptionBudget/usher-pdp", "Secret/usher-pdp-tls", "Service/usher-pdp", "Service/usher-pdp-metrics",
		"ServiceAccount/usher-pdp",
	}},
	"pdp.replicas":     {given: decisions, value: 3, want: []string{pdpDeployment}},
	"pdp.resources":    {given: decisions, value: values{"limits": values{"memory": "4Gi"}}, want: []string{pdpDeployment}},
	"pdp.maxStaleness": {given: decisions, value: "10m", want: []string{pdpDeployment}},
	"pdp.extraArgs":    {given: decisions, value: []any{"--application-type=app"}, want: []string{pdpDeployment}},
	"pdp.volumes":      {given: decisions, value: []any{values{"name": "check", "configMap": values{"name": "check"}}}, want: []string{pdpDeployment}},
	"pdp.volumeMounts": {given: decisions, value: []any{values{"name": "check", "mountPath": "/etc/check"}}, want: []string{pdpDeployment}},
	"pdp.affinity":     {given: decisions, value: values{"nodeAffinity": values{}}, want: []string{pdpDeployment}},
	"scim.enabled": {value: true, want: []string{
		"ClusterRole/usher-scim-provider", "ConfigMap/usher-scim-ca", scimDeployment, "NetworkPolicy/usher-scim",
		"PodDisruptionBudget/usher-scim", "Secret/usher-scim-tls", "Service/usher-scim", "Service/usher-scim-metrics",
		"ServiceAccount/usher-scim",
	}},
	"scim.replicas":                     {given: provisioning, value: 3, want: []string{scimDeployment}},
	"scim.resources":                    {given: provisioning, value: values{"limits": values{"memory": "4Gi"}}, want: []string{scimDeployment}},
	"scim.extraArgs":                    {given: provisioning, value: []any{"--user-attribute=email"}, want: []string{scimDeployment}},
	"scim.affinity":                     {given: provisioning, value: values{"nodeAffinity": values{}}, want: []string{scimDeployment}},
	"networkPolicy.scimFrom":            {given: provisioning, value: labelled("team", "gateways"), want: []string{"NetworkPolicy/usher-scim"}},
	"podDisruptionBudget.enabled":       {value: false, want: []string{"PodDisruptionBudget/usher-controller-manager"}},
	"podDisruptionBudget.minAvailable":  {value: "50%", want: []string{"PodDisruptionBudget/usher-controller-manager"}},
	"crds.enabled":                      {value: false, want: definitions},
	"crds.keep":                         {value: false, want: definitions},
	"namespace.create":                  {value: true, want: []string{"Namespace/" + shippedIn}},
	"serviceAccount.annotations":        {value: values{"team": "access"}, want: []string{"ServiceAccount/usher-controller-manager"}},
	"pod.labels":                        {value: values{"team": "access"}, want: []string{deployment}},
	"pod.annotations":                   {value: values{"team": "access"}, want: []string{deployment}},
	"pod.nodeSelector":                  {value: values{"kubernetes.io/os": "linux"}, want: []string{deployment}},
	"pod.tolerations":                   {value: []any{values{"operator": "Exists"}}, want: []string{deployment}},
	"pod.affinity":                      {value: values{"nodeAffinity": values{}}, want: []string{deployment}},
	"pod.topologySpreadConstraints":     {value: []any{}, want: []string{deployment}},
	"pod.priorityClassName":             {value: "system-cluster-critical", want: []string{deployment}},
	"pod.terminationGracePeriodSeconds": {value: 60, want: []string{deployment}},
	"pod.securityContext":               {value: values{"runAsUser": nil}, want: []string{deployment}},
	"pod.env":                           {value: []any{values{"name": "A", "value": "b"}}, want: []string{deployment}},
}

var (
	monitored    = values{"metrics": values{"serviceMonitor": values{"enabled": true}}}
	decisions    = values{"pdp": values{"enabled": true}}
	provisioning = values{"scim": values{"enabled": true}}
	alerted      = values{"metrics": values{"prometheusRule": values{"enabled": true}}}
	definitions  = []string{
		"CustomResourceDefinition/accessgroups.access.usher.dev",
		"CustomResourceDefinition/accesspolicies.access.usher.dev",
		"CustomResourceDefinition/applicationaccesses.access.usher.dev",
		"CustomResourceDefinition/useraccesses.access.usher.dev",
	}
)

// labelled returns an expression that requires one value of a label.
func labelled(key, value string) []any {
	return []any{values{"key": key, "operator": "In", "values": []any{value}}}
}

func TestEveryValueHasItsEffect(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(maps.Keys(effects)), documented(t)); diff != "" {
		t.Errorf("values (-tested +values.yaml):\n%s", diff)
	}
	for name, tc := range effects {
		t.Run(name, func(t *testing.T) {
			given := with(values{}, tc.given)
			before, after := mustRender(t, given), mustRender(t, with(given, nested(name, tc.value)))
			var got []string
			both := maps.Clone(before)
			maps.Copy(both, after)
			for _, key := range both.names() {
				if !cmp.Equal(before[key], after[key]) {
					got = append(got, key)
				}
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(tc.want)), got); diff != "" {
				t.Errorf("objects that differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTheServersFollowTheValuesOfAll holds that the values that are not the manager's alone reach the decision point and the
// SCIM server.
func TestTheServersFollowTheValuesOfAll(t *testing.T) {
	for subcommand, server := range servers {
		wants := map[string]string{
			"certificates.issuedBy": "Certificate/usher-" + subcommand, "metrics.serviceMonitor.enabled": "ServiceMonitor/usher-" + subcommand + "-metrics",
			"networkPolicy.enabled": "NetworkPolicy/usher-" + subcommand, "networkPolicy.metricsFrom": "NetworkPolicy/usher-" + subcommand,
			"podDisruptionBudget.enabled":      "PodDisruptionBudget/usher-" + subcommand,
			"podDisruptionBudget.minAvailable": "PodDisruptionBudget/usher-" + subcommand,
		}
		for _, name := range []string{
			"image.repository", "image.tag", "image.digest", "image.pullPolicy", "imagePullSecrets", "logging.level", "logging.encoder",
			"metrics.enabled", "metrics.secure", "pod.labels", "pod.annotations", "pod.nodeSelector", "pod.tolerations",
			"pod.priorityClassName", "pod.terminationGracePeriodSeconds", "pod.securityContext", "pod.env",
		} {
			wants[name] = server.deployment
		}
		if subcommand == "pdp" {
			wants["systemNamespace"], wants["organizationSelector"] = server.deployment, server.deployment
		}
		for name, want := range wants {
			t.Run(subcommand+" "+name, func(t *testing.T) {
				before, after := mustRender(t, server.given), mustRender(t, with(server.given, nested(name, effects[name].value)))
				if cmp.Equal(before[want], after[want]) {
					t.Errorf("%s does not differ", want)
				}
			})
		}
	}
}

func nested(name string, value any) values {
	first, rest, more := strings.Cut(name, ".")
	if !more {
		return values{first: value}
	}
	return values{first: nested(rest, value)}
}

// documented returns the names of all values in values.yaml. A Kubernetes API type counts as one value.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(repository("config", "helm", "usher", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all values
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		t.Fatal(err)
	}
	names := leaves("", all)
	slices.Sort(names)
	return names
}

func leaves(prefix string, of values) []string {
	var names []string
	for key, value := range of {
		name := prefix + key
		inner, isMap := value.(values)
		if isMap && len(inner) > 0 && name != "resources" && name != "pdp.resources" && name != "scim.resources" && name != "pod.securityContext" {
			names = append(names, leaves(name+".", inner)...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

func TestBadValuesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		set  values
		want []string // every string must be in the error
	}{
		"unknown":           {values{"replicaCount": 3}, []string{"additional properties 'replicaCount' not allowed"}},
		"unknown inside":    {values{"image": values{"name": "x"}}, []string{"at '/image'", "additional properties 'name' not allowed"}},
		"no replica":        {values{"replicas": 0}, []string{"at '/replicas'", "minimum: got 0, want 1"}},
		"half a replica":    {values{"replicas": 1.5}, []string{"at '/replicas'", "want integer"}},
		"tag in repository": {values{"image": values{"repository": "usher:v1"}}, []string{"at '/image/repository'"}},
		"bad digest":        {values{"image": values{"digest": "sha256:1"}}, []string{"at '/image/digest'"}},
		"bad pull policy":   {values{"image": values{"pullPolicy": "Sometimes"}}, []string{"at '/image/pullPolicy'", "'Always', 'IfNotPresent', 'Never'"}},
		"bad namespace":     {values{"systemNamespace": "A_B"}, []string{"at '/systemNamespace'"}},
		"no duration":       {values{"documentGrace": "2 minutes"}, []string{"at '/documentGrace'"}},
		"number":            {values{"documentGrace": 120}, []string{"at '/documentGrace'", "want string"}},
		"string selector":   {values{"organizationSelector": "a=b"}, []string{"at '/organizationSelector'", "want array"}},
		"bad operator": {
			values{"organizationSelector": []any{values{"key": "a", "operator": "Equals"}}},
			[]string{"at '/organizationSelector/0/operator'", "'In', 'NotIn', 'Exists', 'DoesNotExist'"},
		},
		"in nothing": {
			values{"organizationSelector": []any{values{"key": "a", "operator": "In"}}},
			[]string{"missing property 'values'"},
		},
		"exists in": {
			values{"organizationSelector": []any{values{"key": "a", "operator": "Exists", "values": []any{"b"}}}},
			[]string{"at '/organizationSelector/0/values'"},
		},
		"two values at once": {
			values{"organizationSelector": slices.Concat(labelled("a", "x"), labelled("a", "y"))},
			[]string{"label a is asked to have two values at once"},
		},
		"bad issuer":          {values{"certificates": values{"issuedBy": "Rotator"}}, []string{"at '/certificates/issuedBy'", "'Usher', 'CertManager'"}},
		"nameless issuer":     {values{"certificates": values{"issuerRef": values{"kind": "ClusterIssuer"}}}, []string{"at '/certificates/issuerRef'"}},
		"twice":               {values{"notices": values{"namespaces": []any{"acme", "acme"}}}, []string{"at '/notices/namespaces'"}},
		"bad level":           {values{"logging": values{"level": "loud"}}, []string{"at '/logging/level'"}},
		"switch as string":    {values{"crds": values{"keep": "yes"}}, []string{"at '/crds/keep'", "want boolean"}},
		"no network":          {values{"networkPolicy": values{"apiServerCIDRs": []any{"10.0.0.5"}}}, []string{"at '/networkPolicy/apiServerCIDRs/0'"}},
		"no file":             {values{"webhook": values{"clientCA": values{"kind": "File"}}}, []string{"at '/webhook/clientCA/kind'", "'ConfigMap', 'Secret'"}},
		"client CA by a flag": {values{"extraArgs": []any{"--webhook-client-ca=/x"}}, []string{"the value for it is webhook.clientCA"}},
		"no flag":             {values{"extraArgs": []any{"zap-devel"}}, []string{"at '/extraArgs/0'"}},
		"selected label":      {values{"pod": values{"labels": values{"control-plane": "x"}}}, []string{"at '/pod/labels'"}},
		"too little time":     {values{"pod": values{"terminationGracePeriodSeconds": 1}}, []string{"at '/pod/terminationGracePeriodSeconds'"}},
		"bad share":           {values{"podDisruptionBudget": values{"minAvailable": "half"}}, []string{"at '/podDisruptionBudget/minAvailable'"}},
		"not a policy":        {values{"accessPolicy": []any{}}, []string{"at '/accessPolicy'"}},
		"flag with a value":   {values{"extraArgs": []any{"--system-namespace=x"}}, []string{"extraArgs: --system-namespace is not set here; the value for it is systemNamespace"}},
		"flag without one":    {values{"extraArgs": []any{"--metrics-secure"}}, []string{"extraArgs: --metrics-secure is not set here", "metrics.secure"}},
		"flag of the decision point with a value": {
			values{"pdp": values{"enabled": true, "extraArgs": []any{"--max-staleness=0"}}},
			[]string{"pdp.extraArgs: --max-staleness is not set here; the value for it is pdp.maxStaleness"},
		},
		"no SCIM server":      {values{"scim": values{"replicas": 0}}, []string{"at '/scim/replicas'"}},
		"no decision point":   {values{"pdp": values{"replicas": 0}}, []string{"at '/pdp/replicas'"}},
		"flag that is served": {values{"extraArgs": []any{"--webhook-bind-address=:1"}}, []string{"the Service follows it"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := render(t, shippedIn, tc.set)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestNotes(t *testing.T) {
	const unlabelled = "pod-security.kubernetes.io/enforce=restricted"
	for name, tc := range map[string]struct {
		set       values
		want, not []string
	}{
		"as shipped": {
			want: []string{"kubectl create namespace access-system", "access.usher.dev/organization=enabled", unlabelled},
			not:  []string{"which you install separately", "Every namespace"},
		},
		"otherwise": {
			set: with(created, values{
				"systemNamespace": "platform", "crds": values{"enabled": false},
				"organizationSelector": []any{},
			}),
			want: []string{"kubectl create namespace platform", "which you install separately", "Every namespace"},
			not:  []string{unlabelled},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, notes, err := render(t, shippedIn, tc.set)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range tc.want {
				if !strings.Contains(notes, part) {
					t.Errorf("the notes do not say %q:\n%s", part, notes)
				}
			}
			for _, part := range tc.not {
				if strings.Contains(notes, part) {
					t.Errorf("the notes say %q:\n%s", part, notes)
				}
			}
		})
	}
}

// TestTheSchemaKnowsEveryValue finds values that are missing in the schema. The effects test values that differ from
// the default.
func TestTheSchemaKnowsEveryValue(t *testing.T) {
	if _, _, err := render(t, shippedIn, loadChart(t).Values); err != nil {
		t.Fatal(err)
	}
	if got := path.Base(loadChart(t).ChartFullPath()); got != "usher" {
		t.Errorf("the chart is called %s", got)
	}
}

// TestWebhookIsRestrictedToAPIServers tests the effect of the two values that restrict who may call the webhook.
func TestWebhookIsRestrictedToAPIServers(t *testing.T) {
	rendered := mustRender(t, values{
		"webhook":       values{"clientCA": values{"kind": "Secret", "name": "api-server-ca", "key": "ca.pem"}},
		"networkPolicy": values{"apiServerCIDRs": []any{"10.0.0.5/32", "fd00::5/128"}},
	})
	if want := "--webhook-client-ca=/etc/usher/webhook-client-ca/ca.pem"; !slices.Contains(args(t, rendered[deployment]), want) {
		t.Errorf("%v has no %s", args(t, rendered[deployment]), want)
	}
	object := rendered[deployment]["spec"].(values)["template"].(values)["spec"].(values)
	if diff := cmp.Diff([]any{values{"name": "webhook-client-ca", "secret": values{"secretName": "api-server-ca"}}},
		object["volumes"]); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{values{"name": "webhook-client-ca", "mountPath": "/etc/usher/webhook-client-ca", "readOnly": true}},
		container(t, rendered[deployment])["volumeMounts"]); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	var from any
	for _, rule := range rendered[networkPolicy]["spec"].(values)["ingress"].([]any) {
		if fmt.Sprint(rule.(values)["ports"]) == "[map[port:9443 protocol:TCP]]" {
			from = rule.(values)["from"]
		}
	}
	want := []any{values{"ipBlock": values{"cidr": "10.0.0.5/32"}}, values{"ipBlock": values{"cidr": "fd00::5/128"}}}
	if diff := cmp.Diff(want, from); diff != "" {
		t.Errorf("who may call the webhook (-want +got):\n%s", diff)
	}
}

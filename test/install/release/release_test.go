package release

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	"sigs.k8s.io/yaml"

	"github.com/usher-dev/usher/test/cluster"
)

const (
	name      = "usher"
	namespace = "usher-system"
	timeout   = time.Minute
	oldest    = "v1.30.0"
	webhooks  = "validatingwebhookconfiguration/usher-validating-webhook-configuration"
)

type values = map[string]any

// lab is a control plane with Helm.
type lab struct {
	*testing.T

	plane *cluster.Cluster
	helm  *action.Configuration
}

func newLab(t *testing.T) *lab {
	t.Helper()
	plane, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &lab{T: t, plane: plane, helm: newHelm(t, plane)}
}

func newHelm(t *testing.T, plane *cluster.Cluster) *action.Configuration {
	t.Helper()
	settings := cli.New()
	settings.KubeConfig = plane.KubeconfigPath()
	settings.SetNamespace(namespace)
	helm := action.NewConfiguration()
	if err := helm.Init(settings.RESTClientGetter(), namespace, "secret"); err != nil {
		t.Fatal(err)
	}
	return helm
}

// in returns the lab for a subtest, with its own Helm: a Helm that was used only for rendering forgets the releases.
func (l *lab) in(t *testing.T) *lab {
	t.Helper()
	return &lab{T: t, plane: l.plane, helm: newHelm(t, l.plane)}
}

// kubectl runs kubectl, which must succeed.
func (l *lab) kubectl(stdin string, args ...string) string {
	l.Helper()
	out, err := l.plane.KubectlInput(l.Context(), strings.NewReader(stdin), args...)
	if err != nil {
		l.Fatal(err)
	}
	return out
}

// field reads a field of an object.
func (l *lab) field(object, path string) string {
	l.Helper()
	return l.kubectl("", "--namespace="+namespace, "get", object, "--output=jsonpath={"+path+"}")
}

func (l *lab) gone(object string) {
	l.Helper()
	if out := l.kubectl("", "--namespace="+namespace, "get", object, "--ignore-not-found", "--output=name"); out != "" {
		l.Errorf("%s is still there", strings.TrimSpace(out))
	}
}

func (l *lab) chart() *chartv2.Chart {
	l.Helper()
	chart, err := loader.LoadDir(filepath.Join("..", "..", "..", "config", "helm", "usher"))
	if err != nil {
		l.Fatal(err)
	}
	return chart
}

func (l *lab) install(chart *chartv2.Chart, set values, dryRun action.DryRunStrategy) (string, error) {
	l.Helper()
	return l.installAs(name, chart, set, dryRun)
}

func (l *lab) installAs(name string, chart *chartv2.Chart, set values, dryRun action.DryRunStrategy) (string, error) {
	l.Helper()
	install := action.NewInstall(l.helm)
	install.ReleaseName, install.Namespace = name, namespace
	install.WaitStrategy, install.Timeout, install.DryRunStrategy = kube.HookOnlyStrategy, timeout, dryRun
	var err error
	if install.KubeVersion, err = common.ParseKubeVersion(oldest); err != nil { // for rendering without a cluster
		l.Fatal(err)
	}
	installed, err := install.RunWithContext(l.Context(), chart, set)
	if err != nil {
		return "", err
	}
	release, ok := installed.(*releasev1.Release)
	if !ok {
		l.Fatalf("Helm returns a %T", installed)
	}
	return release.Manifest, nil
}

func (l *lab) mustInstall(chart *chartv2.Chart, set values) {
	l.Helper()
	if _, err := l.install(chart, set, action.DryRunNone); err != nil {
		l.Fatal(err)
	}
	l.kubectl("", "wait", "--for=condition=Established", "--timeout=60s", "crd/accessgroups.access.usher.dev")
}

func (l *lab) upgrade(chart *chartv2.Chart, set values) {
	l.Helper()
	upgrade := action.NewUpgrade(l.helm)
	upgrade.Namespace, upgrade.WaitStrategy, upgrade.Timeout, upgrade.ServerSideApply = namespace, kube.HookOnlyStrategy, timeout, "auto"
	if _, err := upgrade.RunWithContext(l.Context(), name, chart, set); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) uninstall() {
	l.Helper()
	uninstall := action.NewUninstall(l.helm)
	uninstall.WaitStrategy, uninstall.Timeout = kube.StatusWatcherStrategy, timeout
	if _, err := uninstall.Run(name); err != nil {
		l.Fatal(err)
	}
}

// earlier returns the chart as in an earlier version, in which AccessGroup had no short name.
func (l *lab) earlier() *chartv2.Chart {
	l.Helper()
	const shortNames = "    shortNames:\n    - ag\n"
	chart := l.chart()
	changed := 0
	for _, file := range chart.Templates {
		if before := file.Data; file.Name == "templates/crds/accessgroups.yaml" {
			file.Data = bytes.Replace(before, []byte(shortNames), nil, 1)
			changed += len(before) - len(file.Data)
		}
	}
	if changed != len(shortNames) {
		l.Fatal("the chart has no short name of AccessGroup, where it is looked for")
	}
	return chart
}

const declared = `
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: finance, namespace: acme}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: france, namespace: acme}
spec: {members: [{user: amelie}], applicationAccess: [{application: finance, role: Editor}]}
`

// TestRelease tests the life of a release. What Usher wrote must survive an upgrade. Declared objects and their
// published documents must survive the release.
func TestRelease(t *testing.T) {
	l := newLab(t)
	for namespace, labels := range map[string]string{
		namespace:       "pod-security.kubernetes.io/enforce=restricted",
		"access-system": "team=platform",
		"acme":          "access.usher.dev/organization=enabled",
	} {
		l.kubectl("", "create", "namespace", namespace)
		l.kubectl("", "label", "namespace", namespace, labels)
	}

	if _, err := l.install(l.chart(), values{"accessPolicy": values{"crossObjectChecks": "Deny"}}, action.DryRunNone); err == nil ||
		!strings.Contains(err.Error(), "install with accessPolicy=null, and upgrade with it when the manager is ready") {
		t.Fatalf("a policy that would meet no webhook: %v", err)
	}
	l.mustInstall(l.earlier(), nil)
	if got := l.field("crd/accessgroups.access.usher.dev", ".spec.names.shortNames"); got != "" {
		t.Fatalf("the earlier version has short names %s", got)
	}

	manager, err := l.plane.StartManager(t.Context(), cluster.ManagerOptions{
		Webhooks: true, Args: []string{"--organization-selector=access.usher.dev/organization=enabled"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Kill() })
	certificate, bundle := l.field("secret/usher-webhook-certificate", ".data"), l.field(webhooks, ".webhooks[0].clientConfig.caBundle")
	if certificate == "" || bundle == "" {
		t.Fatal("a ready manager has no certificate")
	}

	l.upgrade(l.chart(), values{"replicas": 3})
	for what, pair := range map[string][2]string{
		"the certificate": {certificate, l.field("secret/usher-webhook-certificate", ".data")},
		"the CA bundle":   {bundle, l.field(webhooks, ".webhooks[0].clientConfig.caBundle")},
		"replicas":        {"3", l.field("deployment/usher-controller-manager", ".spec.replicas")},
		"the definitions": {`["ag"]`, l.field("crd/accessgroups.access.usher.dev", ".spec.names.shortNames")},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s after the upgrade: %q, want %q", what, pair[1], pair[0])
		}
	}

	// Nothing answers at the Service here.
	l.kubectl("", "delete", webhooks)
	l.kubectl(declared, "apply", "--filename=-")
	l.kubectl("", "--namespace=acme", "wait", "--for=condition=Ready", "accessgroup/france", "applicationaccess/finance", "--timeout=60s")
	if err := manager.Stop(); err != nil {
		t.Fatal(err)
	}
	kept := func() string {
		return l.kubectl("", "--namespace=acme", "get", "accessgroups,applicationaccesses,useraccesses,configmaps",
			"--output=jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.data}{\"\\n\"}{end}")
	}
	before := kept()
	for _, part := range []string{"ConfigMap/application-access-finance", "UserAccess/amelie-", "AccessGroup/france"} {
		if !strings.Contains(before, part) {
			t.Fatalf("there is no %s in\n%s", part, before)
		}
	}
	l.uninstall()
	for _, object := range []string{
		"deployment/usher-controller-manager", "clusterrole/usher-manager-role", webhooks,
		"validatingadmissionpolicy/usher-published-documents", "secret/usher-webhook-certificate",
	} {
		l.gone(object)
	}
	if after := kept(); after != before {
		t.Errorf("after the release:\n%s\nbefore:\n%s", after, before)
	}

	l.mustInstall(l.chart(), nil)
	if after := kept(); after != before {
		t.Errorf("after installing again:\n%s\nbefore:\n%s", after, before)
	}
	if _, err := l.installAs("second", l.chart(), nil, action.DryRunNone); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
		t.Errorf("a second Usher: %v", err)
	}
	t.Run("Pod Security Standard", func(t *testing.T) { l.in(t).holdToRestricted() })
	t.Run("kubectl", func(t *testing.T) { l.in(t).removeWithKubectl(kept, before) })
}

// removeWithKubectl installs config/default instead of the release, and removes it as documented in
// docs/operations.md.
func (l *lab) removeWithKubectl(kept func() string, before string) {
	l.uninstall()
	manifests := l.kubectl("", "kustomize", filepath.Join("..", "..", "..", "config", "default"))
	l.kubectl(manifests, "apply", "--server-side", "--force-conflicts", "--filename=-") // Helm managed the definitions
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		l.Fatal(err)
	}
	commands := removal.FindSubmatch(page)
	if commands == nil {
		l.Fatal("docs/operations.md does not say how to remove Usher")
	}
	for command := range strings.Lines(strings.ReplaceAll(string(commands[1]), "\\\n", " ")) {
		args := strings.Fields(command)
		if args[0] != "kubectl" {
			l.Fatalf("the test knows nothing of %q", command)
		}
		l.kubectl("", args[1:]...)
	}
	for name := range strings.Lines(l.kubectl(manifests, "get", "--ignore-not-found", "--output=name", "--filename=-")) {
		if !strings.HasPrefix(name, "customresourcedefinition.") {
			l.Errorf("%s is left", strings.TrimSpace(name))
		}
	}
	if after := kept(); after != before {
		l.Errorf("after Usher:\n%s\nbefore:\n%s", after, before)
	}
}

// removal matches the commands that remove Usher and keep access as it is.
var removal = regexp.MustCompile("(?s)leave access as it is.*?```sh\n(.*?)```")

// holdToRestricted makes the API server check every shipped Deployment and its pods in a namespace that enforces the
// restricted standard.
func (l *lab) holdToRestricted() {
	l.kubectl("", "label", "namespace", namespace, "pod-security.kubernetes.io/warn=restricted")
	variants := map[string]string{}
	for _, dir := range []string{"default", "certmanager"} {
		variants["kustomize "+dir] = l.kubectl("", "kustomize", filepath.Join("..", "..", "..", "config", dir))
	}
	for _, issuer := range []string{"Usher", "CertManager"} {
		manifest, err := l.install(l.chart(), values{"certificates": values{"issuedBy": issuer}}, action.DryRunClient)
		if err != nil {
			l.Fatal(err)
		}
		variants["chart "+issuer] = manifest
	}
	for variant, manifests := range variants {
		l.Run(variant, func(t *testing.T) {
			deployment := deploymentIn(t, manifests)
			if err := l.judge(deployment); err != nil {
				t.Error(err)
			}
			pod := deployment["spec"].(values)["template"].(values)
			pod["apiVersion"], pod["kind"] = "v1", "Pod"
			pod["metadata"].(values)["generateName"], pod["metadata"].(values)["namespace"] = "judged-", namespace
			if err := l.judge(pod); err != nil {
				t.Error(err)
			}
			// Make sure that the standard is enforced.
			pod["spec"].(values)["hostNetwork"] = true
			if err := l.judge(pod); err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
				t.Errorf("a pod in the host's network: %v", err)
			}
		})
	}
}

// judge makes a dry run of creating an object, which must cause no warning.
func (l *lab) judge(object values) error {
	text, err := yaml.Marshal(object)
	if err != nil {
		return err
	}
	_, err = l.plane.KubectlInput(l.Context(), bytes.NewReader(text), "create", "--dry-run=server", "--warnings-as-errors", "--filename=-")
	return err
}

func deploymentIn(t *testing.T, manifests string) values {
	t.Helper()
	for _, document := range strings.Split(manifests, "\n---\n") {
		var object values
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object["kind"] == "Deployment" {
			object["metadata"].(values)["name"] = "judged"
			return object
		}
	}
	t.Fatal(errors.New("there is no Deployment"))
	return nil
}

package install

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	releaseName     = "usher"
	shippedIn       = "usher-system"
	deployment      = "Deployment/usher-controller-manager"
	pdpDeployment   = "Deployment/usher-pdp"
	scimDeployment  = "Deployment/usher-scim"
	networkPolicy   = "NetworkPolicy/usher-controller-manager"
	webhooks        = "ValidatingWebhookConfiguration/usher-validating-webhook-configuration"
	metricsService  = "Service/usher-controller-manager-metrics"
	serviceMonitor  = "ServiceMonitor/usher-controller-manager-metrics"
	alertRules      = "PrometheusRule/usher-alerts"
	organizationsAt = "ValidatingAdmissionPolicyBinding/usher-published-documents-organizations"
)

// values are values of the chart.
type values = map[string]any

// objects are manifests by kind and name. These identify an object in these tests, because Usher never has two objects
// of one kind with the same name.
type objects map[string]map[string]any

func (o objects) add(t *testing.T, content map[string]any) {
	t.Helper()
	object := unstructured.Unstructured{Object: content}
	key := object.GetKind() + "/" + object.GetName()
	if o[key] != nil && object.GetNamespace() == (&unstructured.Unstructured{Object: o[key]}).GetNamespace() {
		t.Fatalf("%s is there twice", key)
	}
	if object.GetKind() == "Role" || object.GetKind() == "RoleBinding" {
		key = strings.Join([]string{object.GetKind(), object.GetNamespace(), object.GetName()}, "/")
	}
	o[key] = content
}

func (o objects) names() []string { return slices.Sorted(maps.Keys(o)) }

func repository(parts ...string) string {
	return filepath.Join(append([]string{"..", ".."}, parts...)...)
}

func loadChart(t *testing.T) *chartv2.Chart {
	t.Helper()
	chart, err := loader.LoadDir(repository("config", "helm", "usher"))
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

// render renders the chart as "helm template" does, and validates the values against the schema.
func render(t *testing.T, namespace string, set values) (objects, string, error) {
	t.Helper()
	chart := loadChart(t)
	release := common.ReleaseOptions{Name: releaseName, Namespace: namespace, Revision: 1, IsInstall: true}
	given, err := util.ToRenderValues(chart, set, release, common.DefaultCapabilities)
	if err != nil {
		return nil, "", err
	}
	files, err := engine.Render(chart, given)
	if err != nil {
		return nil, "", err
	}
	rendered, notes := objects{}, ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case path.Base(name) == "NOTES.txt":
			notes = files[name]
		case path.Ext(name) == ".yaml":
			for _, document := range strings.Split("\n"+files[name], "\n---\n") {
				var content map[string]any
				if err := yaml.UnmarshalStrict([]byte(document), &content); err != nil {
					t.Fatalf("%s: %v\n%s", name, err, document)
				}
				if len(content) > 0 {
					rendered.add(t, content)
				}
			}
		}
	}
	return rendered, notes, nil
}

// mustRender is like render, for valid values.
func mustRender(t *testing.T, set values) objects {
	t.Helper()
	rendered, _, err := render(t, shippedIn, set)
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

// kustomize builds a directory of config.
func kustomize(t *testing.T, dir string) objects {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), repository("config", dir))
	if err != nil {
		t.Fatal(err)
	}
	all := objects{}
	for _, object := range built.Resources() {
		text, err := object.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var content map[string]any
		if err := yaml.Unmarshal(text, &content); err != nil {
			t.Fatal(err)
		}
		all.add(t, content)
	}
	return all
}

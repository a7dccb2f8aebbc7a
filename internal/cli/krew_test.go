package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"sigs.k8s.io/yaml"
)

// krewPlugin contains the fields of a manifest that krew reads.
type krewPlugin struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string `json:"version"`
		Homepage         string `json:"homepage"`
		ShortDescription string `json:"shortDescription"`
		Description      string `json:"description"`
		Caveats          string `json:"caveats"`
		Platforms        []struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			URI    string `json:"uri"`
			SHA256 string `json:"sha256"`
			Bin    string `json:"bin"`
		} `json:"platforms"`
	} `json:"spec"`
}

// TestTheKrewManifest renders the template as a release does, and checks the result against the requirements of
// krew.
func TestTheKrewManifest(t *testing.T) {
	const tag = "v1.2.3"
	text := read(t, filepath.Join(root(t), ".krew.yaml"))
	// The addresses are quoted templates, which the outer template does not evaluate.
	fill := func(name, text string, functions template.FuncMap) string {
		var b bytes.Buffer
		made := template.Must(template.New(name).Funcs(functions).Parse(text))
		if err := made.Execute(&b, map[string]string{"TagName": tag}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	filled := fill("manifest", text, template.FuncMap{"addURIAndSha": func(address, _ string) string {
		return "uri: " + fill("address", address, nil) + "\n    sha256: " + strings.Repeat("0a", 32)
	}})
	var plugin krewPlugin
	if err := yaml.UnmarshalStrict([]byte(filled), &plugin); err != nil {
		t.Fatalf("%s\n%s", err, filled)
	}
	spec := plugin.Spec
	for what, ok := range map[string]bool{
		"apiVersion":       plugin.APIVersion == "krew.googlecontainertools.github.com/v1alpha2",
		"kind":             plugin.Kind == "Plugin",
		"name":             plugin.Metadata.Name == "access", // the command is kubectl access
		"version":          spec.Version == tag,
		"homepage":         strings.HasPrefix(spec.Homepage, "https://"),
		"shortDescription": spec.ShortDescription != "" && len(spec.ShortDescription) <= 50 && !strings.HasSuffix(spec.ShortDescription, "."),
		"description":      spec.Description != "",
		"platforms":        len(spec.Platforms) == 5,
	} {
		if !ok {
			t.Errorf("%s: %s", what, filled)
		}
	}
	seen := map[string]bool{}
	for _, p := range spec.Platforms {
		system, machine := p.Selector.MatchLabels["os"], p.Selector.MatchLabels["arch"]
		archive := regexp.MustCompile(`/releases/download/` + regexp.QuoteMeta(tag) + `/kubectl-access_` + system + `_` + machine + `\.(tar\.gz|zip)$`)
		program := "kubectl-access"
		if system == "windows" {
			program += ".exe"
		}
		if seen[system+machine] || !archive.MatchString(p.URI) || p.Bin != program || len(p.SHA256) != 64 {
			t.Errorf("%+v", p)
		}
		seen[system+machine] = true
	}
}

// TestWhatIsCheckedBeforehandIsWhatTheSchemasTake checks that the plugin reports before the first write what the
// API server would refuse.
func TestWhatIsCheckedBeforehandIsWhatTheSchemasTake(t *testing.T) {
	schema, err := os.ReadFile(filepath.Join(root(t), "config", "crd", "bases", "access.usher.dev_accessgroups.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{
		`^[^\p{Z}\p{Cc}\p{Cf},"\\]+$`, `^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`, `^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$`,
		`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`, "maxItems: 5000", "maxLength: 253",
	} {
		if !bytes.Contains(schema, []byte(pattern)) {
			t.Errorf("the schema does not say %s any more: change internal/cli/identity.go, too", pattern)
		}
	}
	for user, refused := range map[string]string{
		"": "empty", "a b": "white space", "a\u00a0b": "white space", "a,b": "a comma", `a"b`: "a double quote", `a\b`: "a backslash",
		"a\tb": "control", "a\u200bb": "not seen", "a\xffb": "UTF-8", strings.Repeat("a", 254): "254 characters",
		strings.Repeat("é", 253): "", "Zoë": "", "auth0|5f7c": "",
	} {
		got := call{args: []string{"members", "add", user, "-g", "france", "-n", "analytics", "-f", "config/samples", "-R"}}.run(t)
		if (got.code == 0) != (refused == "") || !strings.Contains(got.errOut, refused) {
			t.Errorf("%q: exit code %d, want %q in %s", user, got.code, refused, got.errOut)
		}
	}
}

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func TestInstall(t *testing.T) {
	root := filepath.Join("..", "..")
	for image, want := range map[string]string{
		"":                         "image: usher:latest",
		"registry.example/usher:v": "image: registry.example/usher:v",
	} {
		var got bytes.Buffer
		if err := run(root, []string{"install", "--image=" + image}, &got); err != nil {
			t.Fatal(err)
		}
		if count := strings.Count(got.String(), "image: "); count != 1 || !strings.Contains(got.String(), want) {
			t.Errorf("with %q, %d images and not %q", image, count, want)
		}
	}
}

func TestBadCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"nothing":      {nil, "name a command"},
		"unknown":      {[]string{"uninstall"}, `unknown command "uninstall"`},
		"unknown flag": {[]string{"install", "--tag=v1"}, "-tag"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.TempDir(), tc.args, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestInvalidChartInputIsRefused checks that the generator fails on input that it cannot handle, instead of
// omitting it from the chart.
func TestInvalidChartInputIsRefused(t *testing.T) {
	const (
		role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: reader\nrules: []\n"
		crd  = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: as.b.c\n"
	)
	for name, tc := range map[string]struct {
		shipped, certManager, want string
	}{
		"templates":      {role + "x: \"{{ . }}\"\n", role, "ClusterRole reader: the object has {{"},
		"no annotations": {crd, crd, "as.b.c: it has no annotations"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := chart(built(t, tc.shipped), built(t, tc.certManager))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func built(t *testing.T, manifest string) resmap.ResMap {
	t.Helper()
	files := filesys.MakeFsInMemory()
	for name, text := range map[string]string{"kustomization.yaml": "resources: [manifest.yaml]\n", "manifest.yaml": manifest} {
		if err := files.WriteFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, ".")
	if err != nil {
		t.Fatal(err)
	}
	return resources
}

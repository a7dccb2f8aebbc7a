package publish_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

var allFormats = []accessv1alpha1.PublishFormat{
	accessv1alpha1.PublishFormatJSON, accessv1alpha1.PublishFormatCSV,
	accessv1alpha1.PublishFormatCasbin, accessv1alpha1.PublishFormatOPA,
}

// holding returns the decision for a user with the role in application finance.
func holding(o *resolve.Organization, role string, window resolve.Window) *resolve.Decision {
	return decide(o, &resolve.Source{
		Name:         "AccessGroup/acme/team",
		Applications: []resolve.ApplicationGrant{{Application: "finance", Role: role, Window: window}},
	})
}

// manifold returns a user of every type that the formats treat differently.
func manifold(o *resolve.Organization) map[string]*resolve.Decision {
	return map[string]*resolve.Decision{
		"amelie@acme.example": france(o), // rows, and an end
		"ben@acme.example":    holding(o, "Editor", resolve.Window{NotAfter: june.Add(time.Hour)}),
		"zoe@acme.example":    administrator(o),
		"none@acme.example":   decide(o),
		"Zoë|1'#":             holding(o, "Editor", resolve.Window{}),
		"#hash":               holding(o, "Viewer", resolve.Window{}),
		"Viewer":              holding(o, "Editor", resolve.Window{}), // has the name of a role
	}
}

func TestGoldenFormats(t *testing.T) {
	o := organization()
	for name, data := range map[string]map[string]string{
		"formats":       publish.Application(o, "finance", 1, each(manifold(o)), allFormats...).Data(0),
		"formats-empty": publish.EmptyApplication("acme", "finance", 1, allFormats...),
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, key := range slices.Sorted(maps.Keys(data)) {
				fmt.Fprintf(&got, "-- %s --\n%s\n", key, data[key])
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	o := organization()
	opa := map[string]string{"openpolicyagent.org/data": "opa"}
	json := publish.Application(o, "finance", 1, each(manifold(o))).Data(0)[document.AccessKey]
	for name, tc := range map[string]struct {
		formats []accessv1alpha1.PublishFormat
		keys    []string
		labels  map[string]string
		omitted int
	}{
		"none":   {nil, []string{"access.json"}, nil, 0},
		"JSON":   {allFormats[:1], []string{"access.json"}, nil, 0},
		"CSV":    {allFormats[1:2], []string{"access.csv", "access.json", "roles.csv"}, nil, 2},
		"Casbin": {allFormats[2:3], []string{"access.json", "policy.csv"}, nil, 3},
		"OPA":    {allFormats[3:4], []string{"access.json", "data.json"}, opa, 0},
		"all":    {allFormats, []string{"access.csv", "access.json", "data.json", "policy.csv", "roles.csv"}, opa, 3},
	} {
		t.Run(name, func(t *testing.T) {
			rendered := publish.Application(o, "finance", 1, each(manifold(o)), tc.formats...)
			if diff := cmp.Diff(tc.keys, slices.Sorted(maps.Keys(rendered.Data(0)))); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.labels, publish.FormatLabels(tc.formats)); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			if rendered.Omitted != tc.omitted || rendered.Users != 6 {
				t.Errorf("%d of %d users are left out, want %d of 6", rendered.Omitted, rendered.Users, tc.omitted)
			}
			if rendered.Data(0)[document.AccessKey] != json {
				t.Error("a format changes access.json")
			}
		})
	}
}

// TestEmptiedInEveryFormat checks that what the cache keeps of a ConfigMap is enough to empty each of its files.
func TestEmptiedInEveryFormat(t *testing.T) {
	o := organization()
	for name, formats := range map[string][]accessv1alpha1.PublishFormat{
		"none": nil, "all": allFormats[1:], "Casbin": {accessv1alpha1.PublishFormatCasbin},
	} {
		t.Run(name, func(t *testing.T) {
			data := publish.Application(o, "finance", 1, each(manifold(o)), formats...).Data(0)
			cm := &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
					accessv1alpha1.AnnotationDigest: publish.Digest(data),
				}},
				Data: data,
			}
			publish.Observe(cm)
			publish.Observe(cm)
			if cm.Annotations[accessv1alpha1.AnnotationDigest] == "" {
				t.Error("the digest is gone")
			}
			if diff := cmp.Diff(formats, publish.FormatsIn(cm.Data)); diff != "" {
				t.Errorf("formats seen (-want +got):\n%s", diff)
			}
			empty := publish.EmptyApplication("acme", "finance", 0, publish.FormatsIn(cm.Data)...)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(data)), slices.Sorted(maps.Keys(empty))); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			for key, text := range empty {
				if strings.Contains(text, "zoe@") {
					t.Errorf("%s of an empty document: %q", key, text)
				}
			}
		})
	}
}

// TestFormatsCountForTheSize checks that all keys of a ConfigMap count for its bound.
func TestFormatsCountForTheSize(t *testing.T) {
	o := organization()
	editor := holding(o, "Editor", resolve.Window{})
	decisions := map[string]*resolve.Decision{}
	for i := range 2200 {
		decisions[fmt.Sprintf("user-%05d@acme.example", i)] = editor
	}
	for name, tc := range map[string]struct {
		formats []accessv1alpha1.PublishFormat
		want    int
		grows   bool
	}{
		"JSON": {nil, 1, false}, "OPA": {allFormats[3:4], 2, false}, "all": {allFormats, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			rendered := publish.Application(o, "finance", 1, each(decisions), tc.formats...)
			if rendered.Shards != tc.want || rendered.Grows() != tc.grows {
				t.Errorf("%d shards of at most %d bytes, growing: %t; want %d, %t",
					rendered.Shards, rendered.Bytes, rendered.Grows(), tc.want, tc.grows)
			}
			var lines []string
			for n := range rendered.Shards {
				data := rendered.Data(n)
				// The parts that do not depend on the users do not count.
				size := sizeOf(data) - sizeOf(publish.Application(o, "finance", rendered.Shards, each(nil), tc.formats...).Data(n))
				if size > publish.MaximumShardBytes || size > rendered.Bytes {
					t.Errorf("the entries of shard %d have %d bytes, the largest is said to have %d", n, size, rendered.Bytes)
				}
				lines = append(lines, strings.Split(strings.TrimSuffix(data["access.csv"], "\n"), "\n")...)
			}
			if want := len(decisions); len(tc.formats) > 1 && len(lines) != want {
				t.Errorf("%d users in access.csv of all shards, want %d", len(lines), want)
			}
		})
	}
}

func sizeOf(data map[string]string) int {
	size := 0
	for key, text := range data {
		size += len(key) + len(text)
	}
	return size
}

package cases

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

func TestCases(t *testing.T) {
	paths, err := Paths(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(path, ".yaml"), func(t *testing.T) {
			now, objects := load(t, path)
			want := decode(t, read(t, strings.TrimSuffix(path, ".yaml")+".expect.json"))
			if diff := cmp.Diff(want, decisions(t, now, objects)); diff != "" {
				t.Errorf("decisions (-want +got):\n%s", diff)
			}
			for i, j := 0, len(objects)-1; i < j; i, j = i+1, j-1 {
				objects[i], objects[j] = objects[j], objects[i]
			}
			if diff := cmp.Diff(want, decisions(t, now, objects)); diff != "" {
				t.Errorf("decisions, objects in reverse order (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCasesObjectByObject settles after every object, so that every decision comes from changes to an earlier one,
// and takes every object away and back again.
func TestCasesObjectByObject(t *testing.T) {
	paths, err := Paths(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(path, ".yaml"), func(t *testing.T) {
			now, objects := load(t, path)
			want := decode(t, read(t, strings.TrimSuffix(path, ".yaml")+".expect.json"))
			r := roster.New(roster.Options{SystemNamespace: "access-system"})
			for _, o := range objects {
				set(t, r, o)
				r.Settle(now)
			}
			if diff := cmp.Diff(want, render(t, r)); diff != "" {
				t.Errorf("decisions (-want +got):\n%s", diff)
			}
			for _, o := range objects {
				if err := r.Remove(o); err != nil {
					t.Fatal(err)
				}
				r.Settle(now)
				set(t, r, o)
				r.Settle(now)
				if diff := cmp.Diff(want, render(t, r)); diff != "" {
					t.Errorf("decisions after %T went and came back (-want +got):\n%s", o, diff)
				}
			}
			for _, o := range objects {
				if err := r.Remove(o); err != nil {
					t.Fatal(err)
				}
			}
			r.Settle(now)
			if got := r.View().Organizations(); len(got) != 0 {
				t.Errorf("organizations without objects: %v", got)
			}
		})
	}
}

func decisions(t *testing.T, now time.Time, objects []runtime.Object) any {
	t.Helper()
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	for _, o := range objects {
		set(t, r, o)
	}
	r.Settle(now)
	return render(t, r)
}

// render gives the user documents of all organizations, without what every document says of itself.
func render(t *testing.T, r *roster.Roster) any {
	t.Helper()
	all := []any{}
	for _, organization := range r.View().Organizations() {
		for _, user := range r.View().Users(organization) {
			d := publish.User(r.View().Organization(organization), user, r.View().Decision(organization, user), r.View().Applications(organization))
			document := decode(t, []byte(publish.UserData(d)["access.json"])).(map[string]any)
			delete(document, "apiVersion")
			delete(document, "kind")
			all = append(all, document)
		}
	}
	return all
}

func set(t *testing.T, r *roster.Roster, o runtime.Object) {
	t.Helper()
	if err := r.Set(o); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) (time.Time, []runtime.Object) {
	t.Helper()
	data := read(t, path)
	match := instant.FindSubmatch(data)
	if match == nil {
		t.Fatalf("%s does not say which instant it is about", path)
	}
	now, err := time.Parse(time.RFC3339, string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{accessv1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	var objects []runtime.Object
	for {
		part, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return now, objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(part, []byte("kind:")) {
			continue
		}
		o, _, err := decoder.Decode(part, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		objects = append(objects, o)
	}
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

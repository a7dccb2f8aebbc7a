package validation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

const system = "access-system"

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// parse reads objects in short form: "Kind namespace/name", followed by the spec. Objects are separated by "---".
func parse(t *testing.T, text string) []client.Object {
	t.Helper()
	var objects []client.Object
	for document := range strings.SplitSeq(text, "---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		head, body, _ := strings.Cut(strings.TrimLeft(document, "\n"), "\n")
		objects = append(objects, parseOne(t, head, body))
	}
	return objects
}

func parseOne(t *testing.T, head, body string) client.Object {
	t.Helper()
	kind, key, _ := strings.Cut(strings.TrimSpace(head), " ")
	namespace, name, _ := strings.Cut(key, "/")
	var o client.Object
	switch kind {
	case "AccessGroup":
		o = &accessv1alpha1.AccessGroup{}
	case "UserAccess":
		o = &accessv1alpha1.UserAccess{}
	case "ApplicationAccess":
		o = &accessv1alpha1.ApplicationAccess{}
	case "AccessPolicy":
		o = &accessv1alpha1.AccessPolicy{}
	case "Namespace": // "Namespace /name"
		o = &corev1.Namespace{}
	default:
		t.Fatalf("no kind %q in %q", kind, head)
	}
	if err := yaml.UnmarshalStrict([]byte(body), o); err != nil {
		t.Fatalf("%s: %v", head, err)
	}
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func keyOf(o client.Object) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1alpha1.") + " " + o.GetNamespace() + "/" + o.GetName()
}

// situation is the state before a request.
type situation struct {
	roster    *roster.Roster
	validator *validation.Validator
	objects   map[string]client.Object
}

// viewOf returns a function that settles the roster if objects were set since it was last settled.
func viewOf(r *roster.Roster) func() *roster.View {
	return func() *roster.View {
		if !r.Settled(june) {
			r.Settle(june)
		}
		return r.View()
	}
}

func situate(t *testing.T, text string) *situation {
	t.Helper()
	r := roster.New(roster.Options{SystemNamespace: system})
	s := &situation{roster: r, objects: map[string]client.Object{}}
	for i, o := range parse(t, text) {
		o.SetResourceVersion(fmt.Sprint(i + 1))
		if err := r.Set(o); err != nil {
			t.Fatal(err)
		}
		s.objects[keyOf(o)] = o
	}
	r.Settle(june)
	s.validator = &validation.Validator{View: viewOf(r), Losses: validation.NewLosses()}
	return s
}

// judge judges the change: the new object, or "delete Kind namespace/name".
func (s *situation) judge(t *testing.T, change string) *validation.Judgement {
	t.Helper()
	request := &validation.Request{Now: june}
	if key, isDelete := strings.CutPrefix(strings.TrimSpace(change), "delete "); isDelete {
		key, request.Lingers = strings.CutSuffix(key, " with finalizers")
		if request.Old = s.objects[key]; request.Old == nil {
			t.Fatalf("no %s to delete", key)
		}
	} else {
		request.New = parse(t, change)[0]
		if old, is := s.objects[keyOf(request.New)]; is {
			request.Old = old
		}
	}
	j, err := s.validator.Judge(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// rightsOf formats rights as "verb resource/application role @namespace | or this".
func rightsOf(j *validation.Judgement) []string {
	rights := []string{}
	for _, r := range j.Rights {
		var alternatives []string
		for _, a := range r.AnyOf {
			resource := a.Resource
			if a.Subresource != "" {
				resource += "/" + a.Subresource
			}
			alternatives = append(alternatives, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Verb, resource, a.Name))+" @"+a.Namespace)
		}
		rights = append(rights, strings.Join(alternatives, " | "))
	}
	return rights
}

// selected returns the selector for namespaces that are organizations.
func selected(t *testing.T) labels.Selector {
	t.Helper()
	selector, err := labels.Parse("access.usher.dev/organization=enabled")
	if err != nil {
		t.Fatal(err)
	}
	return selector
}

package publish_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
)

// request is what an API server sees of a request.
type request struct {
	Method, URL, ContentType string
	MetadataOnly             bool
	Holds                    bool // the body identifies the object
}

// newWriter returns a writer for a server that gives the same answer to every request, and the requests that the server
// received.
func newWriter(t *testing.T, code int, body string) (client.Client, *[]request) {
	t.Helper()
	var seen []request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		seen = append(seen, request{
			r.Method, r.URL.String(), r.Header.Get("Content-Type"),
			strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"), strings.Contains(string(sent), "some-name"),
		})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := accessv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.AddSpecific(corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithResource("configmaps"),
		corev1.SchemeGroupVersion.WithResource("configmap"), meta.RESTScopeNamespace)
	mapper.AddSpecific(accessv1alpha1.GroupVersion.WithKind("UserAccess"), accessv1alpha1.GroupVersion.WithResource("useraccesses"),
		accessv1alpha1.GroupVersion.WithResource("useraccess"), meta.RESTScopeNamespace)
	config := &rest.Config{Host: server.URL}
	under, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper, HTTPClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return client.WithFieldOwner(publish.NewWriter(under, config, server.Client()), publish.FieldManager), &seen
}

func named() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "acme", Name: "some-name", ResourceVersion: "7"}
}

func TestWriterReadsBackWhatAdmissionChanges(t *testing.T) {
	// Decoding the answer into the object would change its name.
	writer, seen := newWriter(t, http.StatusOK, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",`+
		`"metadata":{"name":"another","namespace":"acme","resourceVersion":"8","labels":{"cost-center":"4711"}}}`)
	document, account := &corev1.ConfigMap{ObjectMeta: named()}, &accessv1alpha1.UserAccess{ObjectMeta: named()}
	ctx := context.Background()
	for what, write := range map[string]func() error{
		"create":        func() error { return writer.Create(ctx, document) },
		"update":        func() error { return writer.Update(ctx, document) },
		"update status": func() error { return writer.Status().Update(ctx, account) },
		"create again":  func() error { return writer.Create(ctx, account) },
	} {
		*seen = nil
		if err := write(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		const core, ours = "/api/v1/namespaces/acme/configmaps", "/apis/access.usher.dev/v1alpha1/namespaces/acme/useraccesses"
		const protobuf, json, manager = "application/vnd.kubernetes.protobuf", "application/json", "?fieldManager=usher"
		want := map[string]request{
			"create":        {http.MethodPost, core + manager, protobuf, true, true},
			"update":        {http.MethodPut, core + "/some-name" + manager, protobuf, true, true},
			"update status": {http.MethodPut, ours + "/some-name/status" + manager, json, true, true},
			"create again":  {http.MethodPost, ours + manager, json, true, true},
		}[what]
		if diff := cmp.Diff([]request{want}, *seen); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", what, diff)
		}
	}
	want := &corev1.ConfigMap{ObjectMeta: named()}
	want.ResourceVersion, want.Labels = "8", map[string]string{"cost-center": "4711"}
	if diff := cmp.Diff(want, document); diff != "" {
		t.Errorf("after a write (-want +got):\n%s", diff)
	}
}

func TestWriterReportsErrors(t *testing.T) {
	writer, _ := newWriter(t, http.StatusConflict, `{"kind":"Status","apiVersion":"v1","status":"Failure",`+
		`"message":"it has changed","reason":"Conflict","code":409,"details":{"kind":"configmaps","name":"some-name"}}`)
	err := writer.Update(context.Background(), &corev1.ConfigMap{ObjectMeta: named()})
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "it has changed") {
		t.Errorf("got %v, want the conflict that the API server answered with", err)
	}
	err = writer.Status().Update(context.Background(), &corev1.Secret{ObjectMeta: named()})
	if err == nil || !strings.Contains(err.Error(), "Secret") {
		t.Errorf("got %v, want an error that names the kind that cannot be written", err)
	}
}

package scim

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	testOrganization = "acme"
	testProvider     = "entra"
	createdAt        = "2026-01-02T03:04:05Z"
)

// fakeAPI is an API server that knows server-side apply as far as this package uses it. test/scim uses a real one.
type fakeAPI struct {
	mu      sync.Mutex
	objects map[string]*fakeObject // by resource and name
	version int
	// requests are the requests, as METHOD RESOURCE/NAME.
	requests []string
	tokens   []string
	headers  http.Header // of the last request
	// refuse returns an error for a request, or nil.
	refuse func(r *http.Request) error
}

type fakeObject struct {
	resource, name, uid, version string
	// applied is what each field manager has applied.
	applied map[string]map[string]any
}

func newFakeAPI() *fakeAPI { return &fakeAPI{objects: map[string]*fakeObject{}} }

// seed applies an object as the field manager.
func (f *fakeAPI) seed(t *testing.T, manager, resource, name string, metadata, spec map[string]any) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.apply(manager, resource, name, map[string]any{"metadata": metadata, "spec": spec}); err != nil {
		t.Fatal(err)
	}
}

// spec returns the spec of an object, or nil.
func (f *fakeAPI) object(resource, name string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if found := f.objects[resource+"/"+name]; found != nil {
		return found.render()
	}
	return nil
}

// take returns the requests since the last call.
func (f *fakeAPI) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := f.requests
	f.requests = nil
	return taken
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	prefix := "/apis/" + accessv1alpha1.GroupVersion.String() + "/namespaces/" + testOrganization + "/"
	path := strings.TrimPrefix(r.URL.Path, prefix)
	f.requests = append(f.requests, r.Method+" "+path)
	f.tokens = append(f.tokens, r.Header.Get("Authorization"))
	f.headers = r.Header.Clone()
	made, err := f.answer(r, path)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var status apierrors.APIStatus
		if !errors.As(err, &status) {
			panic(err)
		}
		body := status.Status()
		body.APIVersion, body.Kind = "v1", "Status"
		w.WriteHeader(int(body.Code))
		_ = json.NewEncoder(w).Encode(body)
		return
	}
	_ = json.NewEncoder(w).Encode(made)
}

func (f *fakeAPI) answer(r *http.Request, path string) (any, error) {
	if f.refuse != nil {
		if err := f.refuse(r); err != nil {
			return nil, err
		}
	}
	resource, name, _ := strings.Cut(path, "/")
	kind := schema.GroupResource{Group: accessv1alpha1.GroupVersion.Group, Resource: resource}
	found := f.objects[path]
	switch {
	case r.Method == http.MethodPatch:
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return nil, err
		}
		return f.apply(r.URL.Query().Get("fieldManager"), resource, name, body)
	case name == "":
		return f.list(r, resource)
	case found == nil:
		return nil, apierrors.NewNotFound(kind, name)
	case r.Method == http.MethodDelete:
		var options metav1.DeleteOptions
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(text, &options)
		}
		if err != nil {
			return nil, err
		}
		if *options.Preconditions.ResourceVersion != found.version {
			return nil, apierrors.NewConflict(kind, name, errors.New("it has changed"))
		}
		delete(f.objects, path)
		return metav1.Status{Status: metav1.StatusSuccess}, nil
	}
	return found.render(), nil
}

func (f *fakeAPI) list(r *http.Request, resource string) (any, error) {
	selected, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		return nil, err
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	from := r.URL.Query().Get("continue")
	items, next := []any{}, ""
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		o := f.objects[key]
		if o.resource != resource || o.name < from || !selected.Matches(labels.Set(o.labels())) {
			continue
		}
		if len(items) == limit {
			next = o.name
			break
		}
		items = append(items, o.render())
	}
	return map[string]any{
		"apiVersion": accessv1alpha1.GroupVersion.String(), "kind": kindOf(resource) + "List",
		"metadata": map[string]any{"continue": next, "resourceVersion": "1"}, "items": items,
	}, nil
}

func (f *fakeAPI) apply(manager, resource, name string, body map[string]any) (any, error) {
	key := resource + "/" + name
	kind := schema.GroupResource{Group: accessv1alpha1.GroupVersion.Group, Resource: resource}
	o := f.objects[key]
	metadata, _ := body["metadata"].(map[string]any)
	uid, version := metadata["uid"], metadata["resourceVersion"]
	if o == nil {
		if uid != nil {
			return nil, apierrors.NewConflict(kind, name, errors.New("it does not exist"))
		}
		o = &fakeObject{resource: resource, name: name, uid: fmt.Sprintf("uid-%d", len(f.objects)+f.version), applied: map[string]map[string]any{}}
	} else if version != nil && version != o.version {
		return nil, apierrors.NewConflict(kind, name, errors.New("it has changed"))
	}
	made := map[string]any{"metadata": map[string]any{}, "spec": map[string]any{}}
	for _, part := range []string{"labels", "annotations", "ownerReferences"} {
		if metadata[part] != nil {
			made["metadata"].(map[string]any)[part] = metadata[part]
		}
	}
	if body["spec"] != nil {
		made["spec"] = body["spec"]
	}
	for other, theirs := range o.applied {
		for field, value := range made["spec"].(map[string]any) {
			current, is := theirs["spec"].(map[string]any)[field].(string)
			if other != manager && is && current != value {
				err := apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec." + field}},
					fmt.Sprintf("Apply failed with 1 conflict: conflict with %q: .spec.%s", other, field))
				return nil, err
			}
		}
	}
	o.applied[manager] = made
	f.version++
	o.version = strconv.Itoa(f.version)
	f.objects[key] = o
	return o.render(), nil
}

func (o *fakeObject) labels() map[string]string {
	found := map[string]string{}
	metadata, _ := o.render()["metadata"].(map[string]any)
	for key, value := range inner(metadata, "labels") {
		found[key] = value.(string)
	}
	return found
}

func (o *fakeObject) render() map[string]any {
	made := map[string]any{
		"apiVersion": accessv1alpha1.GroupVersion.String(), "kind": kindOf(o.resource),
		"metadata": map[string]any{}, "spec": map[string]any{},
	}
	var managed []any
	for _, manager := range slices.Sorted(maps.Keys(o.applied)) {
		merge(made, o.applied[manager])
		owned := map[string]any{}
		for _, member := range list(o.applied[manager]["spec"].(map[string]any)["members"]) {
			owned[fmt.Sprintf("k:{%q:%q}", "user", member.(map[string]any)["user"])] = map[string]any{".": map[string]any{}, "f:user": map[string]any{}}
		}
		managed = append(managed, map[string]any{
			"manager": manager, "operation": "Apply", "apiVersion": accessv1alpha1.GroupVersion.String(), "time": createdAt, "fieldsType": "FieldsV1",
			"fieldsV1": map[string]any{"f:spec": map[string]any{"f:members": owned}},
		})
	}
	metadata := made["metadata"].(map[string]any)
	maps.Copy(metadata, map[string]any{
		"name": o.name, "namespace": testOrganization, "uid": o.uid, "resourceVersion": o.version,
		"creationTimestamp": createdAt, "managedFields": managed,
	})
	if o.resource == kindUserAccess.resource && made["spec"].(map[string]any)["state"] == nil {
		made["spec"].(map[string]any)["state"] = "Active"
	}
	return made
}

func kindOf(resource string) string {
	if resource == kindUserAccess.resource {
		return kindUserAccess.name
	}
	return kindAccessGroup.name
}

func list(value any) []any {
	found, _ := value.([]any)
	return found
}

// merge adds what a manager has applied: maps by key, members by user, and other lists as sets.
func merge(into, from map[string]any) {
	for key, value := range from {
		switch value := value.(type) {
		case map[string]any:
			merge(inner(into, key), value)
		case []any:
			known := map[string]bool{}
			for _, each := range list(into[key]) {
				known[fmt.Sprint(each)] = true
			}
			for _, each := range value {
				if !known[fmt.Sprint(each)] {
					into[key] = append(list(into[key]), each)
				}
			}
		default:
			into[key] = value
		}
	}
}

// testToken returns a token of a service account that the fake API server takes.
func testToken(namespace, name string) string {
	payload := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"sub":"system:serviceaccount:%s:%s"}`, namespace, name))
	return "header." + payload + ".signature"
}

// client sends requests to a SCIM server on a fake API server.
type client struct {
	t      *testing.T
	api    *fakeAPI
	server *Server
	token  string
}

func newClient(t *testing.T, attribute UserAttribute, definitions ...string) *client {
	t.Helper()
	api := newFakeAPI()
	listening := httptest.NewServer(api)
	t.Cleanup(listening.Close)
	connector, err := NewConnector(&rest.Config{Host: listening.URL, BearerToken: "of the Pod"}, "usher-scim/test")
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := NewAttributes(definitions)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, api: api, token: testToken(testOrganization, testProvider), server: NewServer(Options{
		Connector: connector, UserAttribute: attribute, Attributes: attributes,
		Metrics: NewMetrics(prometheus.NewRegistry()), Now: time.Now, Log: logr.Discard(),
	})}
}

// as returns a client with the token of another service account.
func (c *client) as(provider string) *client {
	other := *c
	other.token = testToken(testOrganization, provider)
	return &other
}

// answerOf is an answer of the server.
type answerOf struct {
	code   int
	body   map[string]any
	header http.Header
}

func (c *client) do(method, path, body string, headers ...string) answerOf {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, "https://scim.example/"+testOrganization+"/v2"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+c.token)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	a := answerOf{code: w.Code, header: w.Header()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			c.t.Fatalf("%s %s: %v in %q", method, path, err, w.Body.String())
		}
	}
	return a
}

// must sends a request and expects the code.
func (c *client) must(code int, method, path, body string, headers ...string) answerOf {
	c.t.Helper()
	a := c.do(method, path, body, headers...)
	if a.code != code {
		c.t.Fatalf("%s %s: got %d %v, want %d", method, path, a.code, a.body, code)
	}
	return a
}

func (a answerOf) text(name string) string {
	text, _ := a.body[name].(string)
	return text
}

// createUser creates a user and returns the id.
func (c *client) createUser(userName string) string {
	c.t.Helper()
	return c.must(http.StatusCreated, http.MethodPost, "/Users",
		fmt.Sprintf(`{"schemas":[%q],"userName":%q,"active":true}`, coreUser.ID, userName)).text("id")
}

// createGroup creates a group and returns the id.
func (c *client) createGroup(displayName string, ids ...string) string {
	c.t.Helper()
	return c.must(http.StatusCreated, http.MethodPost, "/Groups",
		fmt.Sprintf(`{"schemas":[%q],"displayName":%q,"members":%s}`, coreGroup.ID, displayName, memberList(ids...))).text("id")
}

func memberList(ids ...string) string {
	list := make([]map[string]string, 0, len(ids))
	for _, id := range ids {
		list = append(list, map[string]string{"value": id})
	}
	text, _ := json.Marshal(list)
	return string(text)
}

// patchBody returns the body of a PATCH.
func patchBody(operations ...string) string {
	return fmt.Sprintf(`{"schemas":[%q],"Operations":[%s]}`, patchSchema, strings.Join(operations, ","))
}

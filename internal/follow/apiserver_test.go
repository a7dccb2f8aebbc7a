package follow

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

const testNamespace = "acme"

// apiServer answers lists and watches of single ConfigMaps, if a Role with their names allows them.
type apiServer struct {
	*httptest.Server

	mu      sync.Mutex
	version int
	objects map[string]*corev1.ConfigMap
	history []metav1.WatchEvent
	names   []string // of the ConfigMaps in the history
	changed chan struct{}
	refuse  int           // the status of every response; 0: normal responses
	cut     chan struct{} // ends the watches
	lists   int           // the number of answered lists
	refused int           // the number of refused requests
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{objects: map[string]*corev1.ConfigMap{}, changed: make(chan struct{}), cut: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.endWatches()
		s.Close()
	})
	return s
}

func (s *apiServer) client(t *testing.T) corev1client.ConfigMapInterface {
	t.Helper()
	client, err := corev1client.NewForConfig(&rest.Config{Host: s.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return client.ConfigMaps(testNamespace)
}

// set creates or changes a ConfigMap. Nil data deletes it.
func (s *apiServer) set(name string, data map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "MODIFIED"
	if s.objects[name] == nil {
		kind = "ADDED"
	}
	s.version++
	object := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: name, ResourceVersion: strconv.Itoa(s.version)},
		Data:       data,
	}
	s.objects[name] = object
	if data == nil {
		kind = "DELETED"
		delete(s.objects, name)
	}
	s.record(name, kind, object)
}

// record adds an event. The caller must hold the lock.
func (s *apiServer) record(name, kind string, object runtime.Object) {
	raw, err := json.Marshal(object)
	if err != nil {
		panic(err) // the object is always valid
	}
	s.history = append(s.history, metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: raw}})
	s.names = append(s.names, name)
	close(s.changed)
	s.changed = make(chan struct{})
}

// fail sends an error to the watches of a ConfigMap, as the API server does when it cannot continue.
func (s *apiServer) fail(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.record(name, "ERROR", &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "too old resource version",
	})
}

// serve makes the server respond to everything with the status, or normally with 0. It ends the watches.
func (s *apiServer) serve(status int) {
	s.mu.Lock()
	s.refuse = status
	s.mu.Unlock()
	s.endWatches()
}

func (s *apiServer) endWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.cut)
	s.cut = make(chan struct{})
}

func (s *apiServer) listCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists
}

func (s *apiServer) refusedCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	refuse := s.refuse
	if refuse != 0 {
		s.refused++
	}
	s.mu.Unlock()
	name, named := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")
	if refuse == 0 && (r.URL.Path != "/api/v1/namespaces/"+testNamespace+"/configmaps" || !named) {
		refuse = http.StatusForbidden // as with a Role with resourceNames
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case refuse != 0:
		w.WriteHeader(refuse)
		reason := metav1.StatusReason("")
		if refuse == http.StatusForbidden {
			reason = metav1.StatusReasonForbidden
		}
		respond(w, &metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
			Status:   metav1.StatusFailure, Code: int32(refuse), Reason: reason, Message: "refused by the test",
		})
	case r.URL.Query().Get("watch") != "":
		s.watch(w, r, name)
	default:
		s.list(w, r, name)
	}
}

func (s *apiServer) list(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version := r.URL.Query().Get("resourceVersion"); version != "" {
		w.WriteHeader(http.StatusBadRequest) // a stale cache might answer it
		return
	}
	list := &corev1.ConfigMapList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"},
		ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)},
	}
	if object := s.objects[name]; object != nil {
		list.Items = []corev1.ConfigMap{*object}
	}
	respond(w, list)
	s.lists++
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, name string) {
	next, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
	for {
		s.mu.Lock()
		changed, cut := s.changed, s.cut
		for ; next < len(s.history); next++ { // every version has one event
			if s.names[next] == name {
				respond(w, s.history[next])
			}
		}
		s.mu.Unlock()
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		select {
		case <-changed:
		case <-cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// respond writes a response. It ignores errors, because the client may be gone.
func respond(w http.ResponseWriter, answer any) {
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		_, _ = fmt.Fprintln(w, err)
	}
}

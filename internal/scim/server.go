package scim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	scim "github.com/elimity-com/scim"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	mediaType = "application/scim+json"
	// mostBodyBytes is the maximum size of a request: 20,000 members with long identities.
	mostBodyBytes = 16 << 20
	// smallBodyBytes is the maximum size of a small body. At most mostLargeBodies larger bodies are processed at the same
	// time, so large bodies neither fill the memory nor delay small ones.
	smallBodyBytes  = 64 << 10
	mostLargeBodies = 4
	// mostResults is the maximum number of resources on a page.
	mostResults = 200
	// requestTimeout bounds the work for one request.
	requestTimeout = 25 * time.Second

	codeConflict = http.StatusConflict
	codeTooLarge = http.StatusRequestEntityTooLarge
)

// The endpoints of a SCIM server, as they appear in metrics.
const (
	resourceUsers     = "Users"
	resourceGroups    = "Groups"
	resourceDiscovery = "discovery"
	resourceOther     = "other"
)

var (
	coreUser  = schema.CoreUserSchema()
	coreGroup = schema.CoreGroupSchema()
)

// Entra ID sends booleans as text. The library has this switch for all servers of a process.
func init() { schema.SetAllowStringValues(true) }

// Options are the settings of a [Server].
type Options struct {
	Connector *Connector
	// UserAttribute is the attribute that is the identity of a user.
	UserAttribute UserAttribute
	Attributes    *Attributes
	Metrics       *Metrics
	Now           func() time.Time
	Log           logr.Logger
}

// Server is a SCIM service provider for each organization, at /ORGANIZATION/v2.
type Server struct {
	options Options
	kinds   map[string]*resourceKind
	types   []scim.ResourceType
	large   chan struct{}
}

// NewServer returns a server with the options.
func NewServer(options Options) *Server {
	s := &Server{options: options, large: make(chan struct{}, mostLargeBodies)}
	own := []string{attributeUserName, attributeDisplayName, attributeActive, attributeEmails}
	s.kinds = map[string]*resourceKind{
		resourceUsers:  {core: coreUser, own: own, attributes: options.Attributes},
		resourceGroups: {core: coreGroup, own: []string{attributeDisplayName, attributeMembers}, attributes: &Attributes{}},
	}
	var extensions []scim.SchemaExtension
	for _, extension := range options.Attributes.schemas {
		extensions = append(extensions, scim.SchemaExtension{Schema: extension})
	}
	s.types = []scim.ResourceType{
		{
			ID: optional.NewString("User"), Name: "User", Endpoint: "/" + resourceUsers, Schema: coreUser, SchemaExtensions: extensions,
			Handler: &users{&userMapping{options.UserAttribute, options.Attributes}},
		},
		{ID: optional.NewString("Group"), Name: "Group", Endpoint: "/" + resourceGroups, Schema: coreGroup, Handler: &groups{}},
	}
	return s
}

// ServeHTTP answers a request. If a request panics, it responds with an error, and other requests are not affected.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.options.Now()
	recorder := &recorder{ResponseWriter: w}
	resource := resourceOther
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it this way
				panic(p)
			}
			s.options.Log.Error(fmt.Errorf("%v", p), "A request panicked", "stack", string(debug.Stack()))
			if recorder.code != 0 {
				panic(http.ErrAbortHandler) // the response has begun and must not look complete
			}
			(&failure{code: http.StatusInternalServerError, detail: "internal error"}).write(recorder)
		}
		s.options.Metrics.answered(resource, methodOf(r), recorder.code, s.options.Now().Sub(began))
	}()
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	organization, path, err := split(r.URL.EscapedPath())
	if err == nil {
		resource = resourceOf(path)
		err = s.serve(recorder, r.WithContext(ctx), organization, path, resource) //nolint:contextcheck // the request has the context
	}
	if err != nil {
		asFailure(err).write(recorder)
	}
}

// methodOf returns the method of a request as a label with few values.
func methodOf(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return methodOther
}

// split returns the organization and the rest of a path, from /v2 on.
func split(path string) (organization, rest string, err error) {
	organization, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if len(validation.IsDNS1123Label(organization)) > 0 || (rest != "v2" && !strings.HasPrefix(rest, "v2/")) {
		return "", "", &failure{code: http.StatusNotFound, detail: "there is no such endpoint: use /ORGANIZATION/v2/Users"}
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Contains(segment, "%") {
			return "", "", &failure{code: http.StatusNotFound, detail: "the path has an empty, a dot or an encoded segment"}
		}
	}
	return organization, "/" + rest, nil
}

// resourceOf returns the endpoint of a path.
func resourceOf(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/v2/"), "/")
	switch first {
	case resourceUsers, resourceGroups:
		return first
	case "ServiceProviderConfig", "ResourceTypes", "Schemas":
		return resourceDiscovery
	}
	return resourceOther
}

// serve answers a request, or returns an error before it has written anything.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, organization, path, resource string) error {
	token, err := bearerToken(r)
	if err != nil {
		return err
	}
	provider, err := serviceAccountOf(token, organization)
	if err != nil {
		return err
	}
	switch path {
	case "/v2/ServiceProviderConfig":
		if r.Method == http.MethodGet {
			writeJSON(w, http.StatusOK, serviceProviderConfig())
			return nil
		}
	case "/v2/Bulk":
		return &failure{code: http.StatusNotImplemented, detail: "bulk requests are not offered: send one request for each resource"}
	}
	connected, err := s.options.Connector.connect(token, organization)
	if err != nil {
		return err
	}
	parameters := r.URL.Query()
	ex := &exchange{
		organization: organization, provider: provider, store: connected, metrics: s.options.Metrics,
		filter: strings.TrimSpace(parameters.Get("filter")), ifMatch: strings.Join(r.Header.Values("If-Match"), ","),
		returned: newReturned(parameters),
	}
	body, done, err := s.body(w, r, connected)
	if err != nil {
		return err
	}
	defer done()
	inner := r.Clone(withExchange(r, ex).Context())
	inner.Header = http.Header{"Content-Type": {mediaType}}
	inner.URL.Path, inner.URL.RawPath = path, ""
	if kind := s.kinds[resource]; kind != nil {
		// The library refuses filters on attributes that it does not know, without saying which are offered.
		parameters.Del("filter")
		inner.URL.RawQuery = parameters.Encode()
		if err := kind.normalize(inner, &body); err != nil {
			return err
		}
	}
	inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	library, err := scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{MaxResults: mostResults}, ResourceTypes: s.types,
	}, scim.WithBaseURL("https://"+r.Host+"/"+organization+"/v2"))
	if err != nil {
		return err
	}
	library.ServeHTTP(&muted{w, ex}, inner)
	return ex.err
}

// normalize changes a request to what the library accepts.
func (k *resourceKind) normalize(r *http.Request, body *[]byte) error {
	var err error
	switch r.Method {
	case http.MethodPost, http.MethodPut:
		*body, err = k.normalizeResource(*body)
	case http.MethodPatch:
		var operations int
		if *body, operations, err = k.normalizePatch(*body); err == nil && operations == 0 {
			// Nothing that Usher keeps would change, and the library takes no PATCH without operations.
			r.Method = http.MethodGet
		}
	}
	return err
}

// body reads the body of a request. The caller must call done after using it. A large body is read only from a caller whom
// the API server knows, because anybody can send one.
func (s *Server) body(w http.ResponseWriter, r *http.Request, connected *store) (body []byte, done func(), err error) {
	done = func() {}
	if r.ContentLength < 0 || r.ContentLength > smallBodyBytes {
		if err := connected.check(r.Context()); err != nil {
			return nil, nil, err
		}
		select {
		case s.large <- struct{}{}:
			done = func() { <-s.large }
		case <-r.Context().Done():
			return nil, nil, unavailable("too many large requests at the same time")
		}
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, mostBodyBytes))
	if err != nil {
		done()
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, nil, &failure{code: codeTooLarge, detail: fmt.Sprintf("the body has more than %d bytes", mostBodyBytes)}
		}
		return nil, nil, &failure{code: http.StatusBadRequest, detail: "the body could not be read"}
	}
	return body, done, nil
}

// serviceProviderConfig returns what the server offers. The library would deny ETags.
func serviceProviderConfig() map[string]any {
	supported := func(is bool) map[string]any { return map[string]any{"supported": is} }
	return map[string]any{
		"schemas":        []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          supported(true),
		"bulk":           map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":         map[string]any{"supported": true, "maxResults": mostResults},
		"changePassword": supported(false),
		"sort":           supported(false),
		"etag":           supported(true),
		"authenticationSchemes": []any{map[string]any{
			"type": "oauthbearertoken", "name": "Service account token", "primary": true,
			"description": "A token of a service account in the organization's namespace, as bearer token",
		}},
	}
}

// muted is a writer for the library that drops what the library writes about an error of a handler.
type muted struct {
	http.ResponseWriter

	ex *exchange
}

// isMuted reports whether an error is answered instead of what the library writes.
func (m *muted) isMuted() bool { return m.ex.err != nil }

// WriteHeader writes the header.
func (m *muted) WriteHeader(code int) {
	if !m.isMuted() {
		m.ResponseWriter.WriteHeader(code)
	}
}

// Write writes a part of the body.
func (m *muted) Write(text []byte) (int, error) {
	if m.isMuted() {
		return len(text), nil
	}
	return m.ResponseWriter.Write(text)
}

// recorder records the status code of an answer.
type recorder struct {
	http.ResponseWriter

	code int
}

// WriteHeader records the status code and writes the header.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write writes a part of the body.
func (r *recorder) Write(text []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return r.ResponseWriter.Write(text)
}

// Unwrap returns the writer below, for an http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

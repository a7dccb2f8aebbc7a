package fault_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// proxy is a proxy between one replica and the API server. It records the requests of the replica and can simulate
// failures of networks and API servers.
type proxy struct {
	server *httptest.Server
	next   http.RoundTripper

	mu      sync.Mutex
	random  *rand.Rand
	trouble trouble
	// cut ends all open watches.
	cut      context.CancelFunc
	watching context.Context
	// gate, if not nil, blocks writes until it is closed. let is the number of writes that pass before that.
	gate   chan struct{}
	let    int
	held   int
	landed []landing
}

// landing is a write that the API server has answered.
type landing struct {
	verb, resource, namespace, name string
	status                          int
	held                            bool
}

// trouble causes one of the kinds of mishap in the given percentage of requests.
type trouble struct {
	percent int
	kinds   []mishap
}

// mishap is a way in which a request can fail.
type mishap string

// The mishaps. After a lost or cut answer or a gateway timeout, the client does not know that the write has been done.
const (
	conflict       mishap = "409 Conflict"
	internalError  mishap = "500 Internal Server Error"
	unavailable    mishap = "503 Service Unavailable"
	tooMany        mishap = "429 Too Many Requests with Retry-After"
	gatewayTimeout mishap = "504 Gateway Timeout after the request was handled"
	lostRequest    mishap = "connection lost before the request was handled"
	lostAnswer     mishap = "connection lost before the answer"
	cutAnswer      mishap = "connection cut in the middle of the answer"
	expired        mishap = "410 Expired: a watch has to list again"
)

var errMishap = errors.New("mishap")

// newProxy listens with TLS and HTTP/2, as an API server does.
func newProxy(config *rest.Config, random *rand.Rand) (*proxy, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	// The client's credentials pass through unchanged. The proxy only verifies the certificate of the API server.
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(config.CAData)
	p := &proxy{
		random: random,
		next: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		},
	}
	p.watching, p.cut = context.WithCancel(context.Background())
	quiet := log.New(io.Discard, "", 0)
	p.server = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = target.Host
		},
		Transport: p, FlushInterval: -1, ErrorLog: quiet,
		// The client must see a broken connection, not an answer.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	p.server.Config.ErrorLog = quiet
	p.server.EnableHTTP2 = true
	p.server.StartTLS()
	return p, nil
}

// authority returns the certificate that clients of the proxy must trust.
func (p *proxy) authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
}

func (p *proxy) close() {
	p.cut()
	p.open()
	p.server.CloseClientConnections()
	p.server.Close()
}

var requestInfo = apirequest.RequestInfoFactory{
	APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api"),
}

// RoundTrip forwards a request or causes a mishap.
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	info, err := requestInfo.NewRequestInfo(r)
	if err != nil {
		return nil, err
	}
	switch {
	case !isOurs(info):
		return p.next.RoundTrip(r)
	case info.Verb == "watch":
		return p.watch(r)
	case info.Verb == "list" || info.Verb == "get":
		return p.mishaps(r, p.draw(internalError, unavailable, tooMany, lostRequest, lostAnswer, cutAnswer))
	default:
		return p.write(r, info)
	}
}

// isOurs excludes discovery, leases, events and reviews. Requests that are not about access are left alone, so that a
// run tests the manager and not leader election.
func isOurs(info *apirequest.RequestInfo) bool {
	return info.IsResourceRequest && (info.Resource == "configmaps" || info.APIGroup == accessv1alpha1.GroupVersion.Group)
}

func (p *proxy) watch(r *http.Request) (*http.Response, error) {
	if what := p.draw(expired, unavailable, lostRequest); what != "" {
		return p.mishaps(r, what)
	}
	p.mu.Lock()
	watching := p.watching
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(watching, cancel) //nolint:contextcheck // the request's end is in ctx, the cut is another matter
	response, err := p.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	response.Body = &closing{response.Body, func() { stop(); cancel() }}
	return response, nil
}

type closing struct {
	io.ReadCloser
	then func()
}

func (c *closing) Close() error {
	err := c.ReadCloser.Close()
	c.then()
	return err
}

func (p *proxy) write(r *http.Request, info *apirequest.RequestInfo) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	// From here on the request is in flight, even if the client goes away.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	gate := p.admit()
	if gate != nil {
		<-gate
	}
	what := p.draw(conflict, internalError, unavailable, tooMany, gatewayTimeout, lostRequest, lostAnswer, cutAnswer)
	response, err := p.mishaps(r, what)
	status := 0
	if response != nil {
		status = response.StatusCode
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.landed = append(p.landed, landing{info.Verb, info.Resource, info.Namespace, info.Name, status, gate != nil})
	return response, err
}

// admit returns the channel that a write has to wait for, or nil.
func (p *proxy) admit() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate == nil {
		return nil
	}
	if p.let > 0 {
		p.let--
		return nil
	}
	p.held++
	return p.gate
}

// draw returns the mishap of a request among the possible ones; mostly none.
func (p *proxy) draw(possible ...mishap) mishap {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kinds []mishap
	for _, kind := range possible {
		if slices.Contains(p.trouble.kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 || p.random.IntN(100) >= p.trouble.percent {
		return ""
	}
	return kinds[p.random.IntN(len(kinds))]
}

func (p *proxy) mishaps(r *http.Request, what mishap) (*http.Response, error) {
	switch what {
	case "":
		return p.next.RoundTrip(r)
	case lostRequest:
		return nil, errMishap
	case conflict, internalError, unavailable, tooMany, expired:
		return refuse(r, what), nil
	}
	response, err := p.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch what {
	case gatewayTimeout:
		return refuse(r, what), response.Body.Close()
	case lostAnswer:
		return nil, errors.Join(errMishap, response.Body.Close())
	default: // cutAnswer
		response.Body = &half{response.Body, max(response.ContentLength, 64) / 2}
		return response, nil
	}
}

// half is the first half of an answer.
type half struct {
	io.ReadCloser
	left int64
}

func (h *half) Read(into []byte) (int, error) {
	if h.left <= 0 {
		return 0, errMishap
	}
	n, err := h.ReadCloser.Read(into[:min(int64(len(into)), h.left)])
	h.left -= int64(n)
	return n, err
}

// refuse returns the answer of an API server, or of a gateway in front of it, that refuses a request.
func refuse(r *http.Request, what mishap) *http.Response {
	code, err := strconv.Atoi(string(what[:3]))
	if err != nil {
		panic(err) // the names of these mishaps begin with their status code
	}
	reason := map[mishap]metav1.StatusReason{
		conflict: metav1.StatusReasonConflict, internalError: metav1.StatusReasonInternalError,
		unavailable: metav1.StatusReasonServiceUnavailable, tooMany: metav1.StatusReasonTooManyRequests,
		gatewayTimeout: metav1.StatusReasonTimeout, expired: metav1.StatusReasonExpired,
	}[what]
	text, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: fmt.Sprintf("mishap: %s", what),
	})
	if err != nil {
		panic(err) // a Status can always be encoded
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if what == tooMany {
		header.Set("Retry-After", "1")
	}
	return &http.Response{
		StatusCode: code, Status: string(what), Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Header: header, ContentLength: int64(len(text)), Body: io.NopCloser(bytes.NewReader(text)), Request: r,
	}
}

// troubles causes these mishaps in the given percentage of requests from now on.
func (p *proxy) troubles(percent int, kinds ...mishap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = trouble{percent, kinds}
}

// cutWatches ends all open watches.
func (p *proxy) cutWatches() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
	p.watching, p.cut = context.WithCancel(context.Background())
}

// cutAll ends all connections.
func (p *proxy) cutAll() { p.server.CloseClientConnections() }

// hold lets that many writes pass, and then blocks all writes until open is called.
func (p *proxy) hold(let int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate, p.let, p.held = make(chan struct{}), let, 0
}

// open releases the blocked writes.
func (p *proxy) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate != nil {
		close(p.gate)
		p.gate = nil
	}
}

// forget drops the recorded landings.
func (p *proxy) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.landed = nil
}

// holding returns the number of writes that are blocked, or were until open.
func (p *proxy) holding() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// landings returns the writes that were answered since forget, in the order of the answers.
func (p *proxy) landings() []landing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.landed)
}

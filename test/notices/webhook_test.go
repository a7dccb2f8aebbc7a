package notices_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// receiver receives posts over TLS and stores them.
type receiver struct {
	url string

	mu     sync.Mutex
	posts  []post
	answer func(n int) int // the status code of the n-th post
	moved  string          // the target of a redirect
}

type post struct {
	header http.Header
	body   string
}

func newReceiver() *receiver {
	GinkgoHelper()
	r := &receiver{}
	server := httptest.NewUnstartedServer(r)
	server.TLS = ca.config()
	server.StartTLS()
	DeferCleanup(server.Close)
	r.url = server.URL + "/hook?team=access"
	return r
}

// ServeHTTP stores a post.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || request.Method != http.MethodPost {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	code := http.StatusOK
	if r.answer != nil {
		code = r.answer(len(r.posts))
	}
	if r.moved != "" {
		w.Header().Set("Location", r.moved)
	}
	r.posts = append(r.posts, post{request.Header.Clone(), string(body)})
	w.WriteHeader(code)
	_, _ = io.WriteString(w, "ok")
}

func (r *receiver) all() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts)
}

func (r *receiver) count() int { return len(r.all()) }

// The key of the tests, in the format of Standard Webhooks, and its bytes.
var (
	key        = []byte("0123456789abcdef0123456789abcdef")
	writtenKey = "whsec_" + base64.StdEncoding.EncodeToString(key)
)

// verify checks a post according to Standard Webhooks 1.0: the signature covers the identifier, the timestamp and the
// body, separated by full stops.
func (p *post) verify(at time.Time) error {
	id, timestamp := p.header.Get("webhook-id"), p.header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return fmt.Errorf("webhook-timestamp: %w", err)
	}
	if off := at.Sub(time.Unix(seconds, 0)).Abs(); off > 5*time.Minute {
		return fmt.Errorf("webhook-timestamp is off by %s", off)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id))
	mac.Write([]byte("."))
	mac.Write([]byte(timestamp))
	mac.Write([]byte("."))
	mac.Write([]byte(p.body))
	for signature := range strings.FieldsSeq(p.header.Get("webhook-signature")) {
		version, encoded, _ := strings.Cut(signature, ",")
		got, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && version == "v1" && hmac.Equal(got, mac.Sum(nil)) {
			return nil
		}
	}
	return fmt.Errorf("none of the signatures %q is right", p.header.Get("webhook-signature"))
}

var uriReference = regexp.MustCompile(`^[A-Za-z0-9/._~%-]+$`)

// cloudEvent checks a body according to CloudEvents 1.0 and its JSON format, and returns its attributes and data.
func (p *post) cloudEvent() map[string]any {
	GinkgoHelper()
	Expect(p.header.Get("Content-Type")).To(Equal("application/cloudevents+json"))
	var event map[string]any
	Expect(json.Unmarshal([]byte(p.body), &event)).To(Succeed())
	Expect(event).To(HaveKeyWithValue("specversion", "1.0"))
	for _, required := range []string{"id", "source", "type"} {
		Expect(event).To(HaveKeyWithValue(required, Not(BeEmpty())))
	}
	Expect(event["source"]).To(MatchRegexp(uriReference.String()))
	for name := range event {
		Expect(name).To(MatchRegexp(`^[a-z0-9]+$`))
	}
	_, err := time.Parse(time.RFC3339, fmt.Sprint(event["time"]))
	Expect(err).NotTo(HaveOccurred())
	Expect(event).To(HaveKeyWithValue("datacontenttype", "application/json"))
	return event
}

func (o organization) webhookPolicy(ctx SpecContext, r *receiver) {
	GinkgoHelper()
	o.secret(ctx, "hook", accessv1alpha1.SecretTypeChannel, map[string]string{
		accessv1alpha1.ChannelKeyURL: r.url, accessv1alpha1.ChannelKeySigningKey: writtenKey,
		accessv1alpha1.ChannelKeyCertificateAuthority: ca.pem,
	})
	o.apply(ctx, "AccessPolicy", "default", fmt.Sprintf(`
notificationChannels: [{name: hook, type: Webhook, secretRef: {name: hook}, webhook: {url: %q}}]
`, r.url))
}

const hooked = "notification: {mode: OnChange, channels: [hook], message: Ask Ana.}"

var _ = Describe("A webhook", func() {
	It("receives a CloudEvent with a signature that others can verify", func(ctx SpecContext) {
		r := newReceiver()
		acme := newOrganization(ctx)
		acme.webhookPolicy(ctx, r)
		acme.apply(ctx, "AccessGroup", "france", "applicationAccess: [{application: finance, role: Viewer}]\n"+hooked)
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "france",
			"members: [{user: oidc|4711}]\napplicationAccess: [{application: finance, role: Viewer, notAfter: '2099-01-01T00:00:00Z'}]\n"+hooked)
		Eventually(r.count).Should(Equal(1))
		got := r.all()[0]
		Expect(got.verify(time.Now())).To(Succeed())
		got.body += " "
		Expect(got.verify(time.Now())).NotTo(Succeed(), "another body passes")
		got.body = strings.TrimSuffix(got.body, " ")
		event := got.cloudEvent()
		Expect(event["id"]).To(Equal(got.header.Get("webhook-id")))
		delete(event, "id")
		delete(event, "time")
		want := map[string]any{
			"specversion": "1.0", "type": "dev.usher.access.changed", "source": "/organizations/" + acme.name,
			"subject": "oidc|4711", "datacontenttype": "application/json",
			"data": map[string]any{
				"organization": acme.name, "user": "oidc|4711",
				"changes": []any{map[string]any{
					"kind": "Granted", "scope": "Application", "application": "finance", "before": "NoAccess", "after": "Viewer",
					"until": "2099-01-01T00:00:00Z", "source": "AccessGroup/" + acme.name + "/france",
				}},
				"groups": []any{map[string]any{"namespace": acme.name, "name": "france", "message": "Ask Ana."}},
			},
		}
		if diff := cmp.Diff(want, event); diff != "" {
			Fail("unexpected event (-want +got):\n" + diff)
		}
	}, NodeTimeout(patience))

	It("receives retries with the same identifier until it acknowledges the event", func(ctx SpecContext) {
		r := newReceiver()
		r.answer = func(n int) int {
			return []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusOK}[min(n, 2)]
		}
		acme := newOrganization(ctx)
		acme.webhookPolicy(ctx, r)
		acme.apply(ctx, "AccessGroup", "france", "applicationAccess: [{application: finance, role: Viewer}]\n"+hooked)
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "france",
			"members: [{user: ana}]\napplicationAccess: [{application: finance, role: Viewer}]\n"+hooked)
		Eventually(acme.condition(ctx, "france")).Should(HavePrefix("ChannelFailing: Channel hook delivers nothing, and is tried again"))
		acme.waitReady(ctx, "accessgroup", "france") // publication does not wait for it
		Eventually(r.count).Should(Equal(3))
		ids := map[string]bool{}
		for _, p := range r.all() {
			Expect(p.verify(time.Now())).To(Succeed())
			ids[p.header.Get("webhook-id")] = true
		}
		Expect(ids).To(HaveLen(1))
		Eventually(acme.condition(ctx, "france")).Should(BeEmpty())
	}, NodeTimeout(2*patience))
})

var _ = Describe("Slack", func() {
	It("receives a post that names the user and mentions nobody", func(ctx SpecContext) {
		r := newReceiver()
		acme := newOrganization(ctx)
		acme.secret(ctx, "chat", accessv1alpha1.SecretTypeChannel, map[string]string{
			accessv1alpha1.ChannelKeyURL: r.url, accessv1alpha1.ChannelKeyCertificateAuthority: ca.pem,
		})
		acme.apply(ctx, "AccessPolicy", "default", "notificationChannels: [{name: chat, type: Slack, secretRef: {name: chat}}]")
		const notification = "\nnotification: {mode: OnChange, channels: [chat], message: '<!channel> ask & see'}"
		acme.apply(ctx, "AccessGroup", "france", "members: [{user: ana}]\napplicationAccess: [{application: finance, role: Viewer}]"+silent(notification))
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "france", "members: [{user: ana}]\napplicationAccess: [{application: finance, role: Editor}]"+notification)
		Eventually(r.count).Should(Equal(1))
		var got struct{ Text string }
		Expect(json.Unmarshal([]byte(r.all()[0].body), &got)).To(Succeed())
		Expect(got.Text).To(Equal("*ana*, access in *" + acme.name + "*:\n• finance: Viewer → Editor, by group france\n" +
			"&lt;!channel&gt; ask &amp; see"))
	}, NodeTimeout(patience))
})

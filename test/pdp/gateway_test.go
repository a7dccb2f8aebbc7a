package pdp_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// issuer is an OpenID provider.
type issuer struct {
	*httptest.Server

	mu  sync.Mutex
	id  string
	key *rsa.PrivateKey
}

func newIssuer() *issuer {
	GinkgoHelper()
	i := &issuer{}
	i.rotate("first")
	mux := http.NewServeMux()
	serve := func(path string, what func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(what())
		})
	}
	serve("/.well-known/openid-configuration", func() any { return map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"} })
	serve("/keys", func() any {
		i.mu.Lock()
		defer i.mu.Unlock()
		return map[string]any{"keys": []map[string]string{{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": i.id, "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(i.key.N.Bytes()),
		}}}
	})
	i.Server = httptest.NewTLSServer(mux)
	DeferCleanup(i.Close)
	return i
}

// rotate replaces the key.
func (i *issuer) rotate(id string) {
	GinkgoHelper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())
	i.mu.Lock()
	defer i.mu.Unlock()
	i.id, i.key = id, key
}

// configuration is an AuthenticationConfiguration with this issuer.
func (i *issuer) configuration() []byte {
	GinkgoHelper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
		"jwt": []any{map[string]any{
			"issuer": map[string]any{"url": i.URL, "audiences": []string{"shop"}, "certificateAuthority": string(
				pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw}))},
			"claimMappings": map[string]any{"username": map[string]string{"claim": "email", "prefix": ""}},
		}},
	})
	Expect(err).NotTo(HaveOccurred())
	return text
}

// token returns a token of the user.
func (i *issuer) token(user string) string {
	GinkgoHelper()
	i.mu.Lock()
	defer i.mu.Unlock()
	part := func(v any) string {
		text, err := json.Marshal(v)
		Expect(err).NotTo(HaveOccurred())
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]string{"alg": "RS256", "kid": i.id}) + "." +
		part(map[string]any{"iss": i.URL, "aud": "shop", "sub": user, "email": user, "exp": time.Now().Add(time.Hour).Unix()})
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	Expect(err).NotTo(HaveOccurred())
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// authority issues client certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(name string) *authority {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	text, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	made, err := x509.ParseCertificate(text)
	Expect(err).NotTo(HaveOccurred())
	return &authority{made, key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// issue returns a client certificate of the name.
func (a *authority) issue(name string) tls.Certificate {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	text, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	Expect(err).NotTo(HaveOccurred())
	return tls.Certificate{Certificate: [][]byte{text}, PrivateKey: key}
}

var _ = Describe("Checks of gateways", Ordered, func() {
	const path = "/check/v1/checked/finance/"

	// ask asks as a gateway does for a request of a browser.
	ask := func(ctx context.Context, c caller, path string, headers ...string) reply {
		GinkgoHelper()
		answer, err := c.do(ctx, http.MethodGet, path, "", headers...)
		Expect(err).NotTo(HaveOccurred())
		return answer
	}

	BeforeAll(func(ctx SpecContext) {
		finance(ctx, "checked")
		Eventually(func(g Gomega) { // the keys of the issuer are fetched in the background
			g.Expect(ask(ctx, caller{token: provider.token("ana")}, path+"view").code).To(Equal(http.StatusOK))
		}).WithContext(ctx).Should(Succeed())
	})

	It("take the user from a token", func(ctx SpecContext) {
		answer := ask(ctx, caller{token: provider.token("ana")}, path+"view/the/path?of=the+request")
		Expect(answer.code).To(Equal(http.StatusOK), answer.body)
		Expect(answer.header).To(And(
			HaveKeyWithValue("X-Usher-User", []string{"ana"}), HaveKeyWithValue("X-Usher-Role", []string{"Viewer"}),
			HaveKeyWithValue("X-Usher-Rows", []string{"all"}),
		))
		Expect(ask(ctx, caller{token: provider.token("ana")}, path+"edit").code).To(Equal(http.StatusForbidden))
		Expect(ask(ctx, caller{token: provider.token("ben")}, path+"view").code).To(Equal(http.StatusForbidden))
		Expect(ask(ctx, caller{}, path+"view").code).To(Equal(http.StatusUnauthorized))
		Expect(ask(ctx, caller{token: token(ctx, "checked", "pep", audience)}, path+"view").code).To(Equal(http.StatusUnauthorized))
	})

	It("take the user from the header of a known gateway", func(ctx SpecContext) {
		gateway := caller{certificates: []tls.Certificate{gateways.issue("gateway")}}
		Expect(ask(ctx, gateway, path+"view", "X-Forwarded-User", "ana").header).To(HaveKeyWithValue("X-Usher-User", []string{"ana"}))
		Expect(ask(ctx, gateway, path+"view", "X-Forwarded-User", "ben").code).To(Equal(http.StatusForbidden))
		Expect(ask(ctx, gateway, path+"view").code).To(Equal(http.StatusUnauthorized))
		Expect(ask(ctx, gateway, path+"view", "X-Forwarded-User", "ana", "x-forwarded-user", "ana").code).To(Equal(http.StatusUnauthorized))
		for name, forger := range map[string]caller{
			"no certificate":                 {},
			"a certificate of another name":  {certificates: []tls.Certificate{gateways.issue("neighbour")}},
			"a certificate of somebody else": {certificates: []tls.Certificate{newAuthority("gateways").issue("gateway")}},
			"a user's token":                 {token: provider.token("ana")},
		} {
			Expect(ask(ctx, forger, path+"view", "X-Forwarded-User", "ana").code).To(Equal(http.StatusUnauthorized), name)
		}
		gateway.token = provider.token("ben")
		Expect(ask(ctx, gateway, path+"view", "X-Forwarded-User", "ana").code).To(Equal(http.StatusUnauthorized))
		gateway.token = provider.token("ana")
		Expect(ask(ctx, gateway, path+"view", "X-Forwarded-User", "ana").code).To(Equal(http.StatusOK))
	})

	DescribeTable("refuse paths that stand for others", func(ctx SpecContext, path string, want int) {
		Expect(ask(ctx, caller{token: provider.token("ana")}, path).code).To(Equal(want))
	},
		Entry("as it should be", "/check/v1/checked/finance/view", http.StatusOK),
		Entry("a dot segment", "/check/v1/checked/other/../finance/view", http.StatusForbidden),
		Entry("a dot segment behind", "/check/v1/checked/finance/view/../edit", http.StatusForbidden),
		Entry("an encoded slash", "/check/v1/checked%2Ffinance/view", http.StatusForbidden),
		Entry("an encoded letter", "/check/v1/checked/%66inance/view", http.StatusForbidden),
		Entry("a second slash", "/check/v1/checked//finance/view", http.StatusForbidden),
		Entry("a second slash at first", "//check/v1/checked/finance/view", http.StatusNotFound),
	)

	It("refuse a key that was rotated out", func(ctx SpecContext) {
		old := caller{token: provider.token("ana")}
		Expect(ask(ctx, old, path+"view").code).To(Equal(http.StatusOK))
		provider.rotate("second")
		Eventually(func(g Gomega) {
			g.Expect(ask(ctx, caller{token: provider.token("ana")}, path+"view").code).To(Equal(http.StatusOK))
		}).WithContext(ctx).Should(Succeed())
		Expect(ask(ctx, old, path+"view").code).To(Equal(http.StatusUnauthorized))
	})
})

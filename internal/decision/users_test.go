package decision

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
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
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// provider is an OpenID provider.
type provider struct {
	*httptest.Server

	mu   sync.Mutex
	keys map[string]*rsa.PrivateKey
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{keys: map[string]*rsa.PrivateKey{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		keys := []map[string]string{}
		for id, key := range p.keys {
			keys = append(keys, map[string]string{
				"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

// rotate replaces all keys with a new key.
func (p *provider) rotate(t *testing.T, id string) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]*rsa.PrivateKey{id: key}
	return key
}

func (p *provider) configuration() string {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	text, err := json.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
		"jwt": []any{map[string]any{
			"issuer":        map[string]any{"url": p.URL, "audiences": []string{"shop"}, "certificateAuthority": string(authority)},
			"claimMappings": map[string]any{"username": map[string]string{"claim": "email", "prefix": ""}},
		}},
	})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// claims returns the claims of a token of the provider for the user.
func (p *provider) claims(user string) map[string]any {
	return map[string]any{"iss": p.URL, "aud": "shop", "sub": "1", "email": user, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
}

// sign returns a signed token.
func sign(t *testing.T, algorithm, id string, claims map[string]any, signature func(digest []byte, text string) []byte) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]string{"alg": algorithm, "kid": id, "typ": "JWT"}) + "." + part(claims)
	digest := sha256.Sum256([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(signature(digest[:], text))
}

func by(t *testing.T, key *rsa.PrivateKey) func([]byte, string) []byte {
	t.Helper()
	return func(digest []byte, _ string) []byte {
		made, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
}

func request(tokens ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://pdp.example/check/v1/acme/finance/view", http.NoBody)
	for _, each := range tokens {
		r.Header.Add("Authorization", each)
	}
	return r
}

// TestUsersByToken uses tokens of a provider that rotates its key during the test.
func TestUsersByToken(t *testing.T) {
	p := newProvider(t)
	first := p.rotate(t, "first")
	tokens, err := NewTokens(t.Context(), []byte(p.configuration()))
	if err != nil {
		t.Fatal(err)
	}
	users := &Users{Tokens: tokens}
	ana := "Bearer " + sign(t, "RS256", "first", p.claims("ana"), by(t, first))
	waitForUser(t, users, ana, "ana")

	with := func(change func(map[string]any)) map[string]any {
		claims := p.claims("ana")
		change(claims)
		return claims
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&first.PublicKey)})
	none := func([]byte, string) []byte { return nil }
	foreign := newProvider(t)
	for name, token := range map[string]string{
		"alg none": sign(t, "none", "first", p.claims("ana"), none),
		"a MAC by the public key": sign(t, "HS256", "first", p.claims("ana"), func(_ []byte, text string) []byte {
			mac := hmac.New(sha256.New, public)
			mac.Write([]byte(text))
			return mac.Sum(nil)
		}),
		"an unknown issuer": sign(t, "RS256", "first", foreign.claims("ana"), by(t, foreign.rotate(t, "first"))),
		"a foreign key":     sign(t, "RS256", "first", p.claims("ana"), by(t, foreign.rotate(t, "first"))),
		"another audience":  sign(t, "RS256", "first", with(func(c map[string]any) { c["aud"] = "other" }), by(t, first)),
		"expired":           sign(t, "RS256", "first", with(func(c map[string]any) { c["exp"] = 1 }), by(t, first)),
		"no user":           sign(t, "RS256", "first", with(func(c map[string]any) { delete(c, "email") }), by(t, first)),
		"an empty user":     sign(t, "RS256", "first", with(func(c map[string]any) { c["email"] = "" }), by(t, first)),
		"no signature":      strings.TrimPrefix(ana[:strings.LastIndex(ana, ".")+1], "Bearer "),
		"no token":          "x",
		"nothing":           "",
	} {
		if user, err := users.of(request("Bearer " + token)); err == nil {
			t.Errorf("%s: got user %q", name, user)
		}
	}
	if user, err := users.of(request(ana, ana)); err == nil {
		t.Errorf("two tokens: got user %q", user)
	}
	if user, err := users.of(request("Basic YTpi")); err == nil {
		t.Errorf("another scheme: got user %q", user)
	}

	second := p.rotate(t, "second")
	waitForUser(t, users, "Bearer "+sign(t, "RS256", "second", p.claims("ben"), by(t, second)), "ben")
	if user, err := users.of(request(ana)); err == nil {
		t.Errorf("a key that was rotated out: got user %q", user)
	}
}

// waitForUser waits until the token names the user, because the keys of an issuer are fetched in the background.
func waitForUser(t *testing.T, users *Users, token, want string) {
	t.Helper()
	var got string
	var failed error
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		got, failed = users.of(request(token))
		return failed == nil, nil
	})
	if err != nil || got != want {
		t.Fatalf("got user %q, %v", got, failed)
	}
}

func TestAuthenticationConfigurations(t *testing.T) {
	p := newProvider(t)
	for name, tc := range map[string]struct{ text, want string }{
		"no issuer":     {`{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration"}`, "jwt has no entry"},
		"anonymous":     {strings.Replace(p.configuration(), `"jwt"`, `"anonymous":{"enabled":true},"jwt"`, 1), "anonymous"},
		"another kind":  {`{"apiVersion":"apiserver.config.k8s.io/v1","kind":"EncryptionConfiguration"}`, "AuthenticationConfiguration"},
		"unknown field": {strings.Replace(p.configuration(), `"jwt"`, `"other":1,"jwt"`, 1), "other"},
		"no URL":        {strings.Replace(p.configuration(), `"url"`, `"discoveryURL"`, 1), "url"},
		"no YAML":       {"{", ""},
		"nothing":       {"", ""},
	} {
		if _, err := NewTokens(t.Context(), []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// certify returns a client certificate that the authority has signed. Without an authority, it returns a new
// authority.
func certify(t *testing.T, name string, authority *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if authority == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage, template.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		authority, by = template, key
	}
	text, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func TestUsersByHeader(t *testing.T) {
	authority, key := certify(t, "gateways", nil, nil)
	foreign, foreignKey := certify(t, "gateways", nil, nil)
	authorities, err := dynamiccertificates.NewStaticCAContent("test", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}))
	if err != nil {
		t.Fatal(err)
	}
	users := &Users{Header: "X-Forwarded-User", Peers: NewPeers("X-Forwarded-User", authorities, []string{"gateway"}), Tokens: namedUsers}
	gateway, _ := certify(t, "gateway", authority, key)
	neighbour, _ := certify(t, "neighbour", authority, key)
	forged, _ := certify(t, "gateway", foreign, foreignKey)
	for name, tc := range map[string]struct {
		header []string
		token  string
		peer   *x509.Certificate
		want   string // empty: an error
	}{
		"a gateway":                            {header: []string{"ana"}, peer: gateway, want: "ana"},
		"a gateway beside the user's token":    {header: []string{"ana"}, token: "ana", peer: gateway, want: "ana"},
		"the user's token alone":               {token: "ana", peer: gateway, want: "ana"},
		"the user's token without certificate": {token: "ana", want: "ana"},
		"nobody":                               {peer: gateway},
		"no certificate":                       {header: []string{"ana"}},
		"a certificate of another authority":   {header: []string{"ana"}, peer: forged},
		"a certificate of another name":        {header: []string{"ana"}, peer: neighbour},
		"twice":                                {header: []string{"ana", "ana"}, peer: gateway},
		"an empty one first":                   {header: []string{"", "ana"}, peer: gateway},
		"an empty one":                         {header: []string{""}, peer: gateway},
		"an empty one beside a token":          {header: []string{""}, token: "ana", peer: gateway},
		"a token of somebody else":             {header: []string{"ana"}, token: "ben", peer: gateway},
		"a token, and a header of anybody":     {header: []string{"ana"}, token: "ana"},
		"an invalid token":                     {header: []string{"ana"}, token: "invalid", peer: gateway},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			for _, each := range tc.header {
				r.Header.Add("x-forwarded-USER", each)
			}
			if tc.token != "" {
				r.Header.Set("Authorization", "Bearer "+tc.token)
			}
			r.TLS = &tls.ConnectionState{}
			if tc.peer != nil {
				r.TLS.PeerCertificates = []*x509.Certificate{tc.peer}
			}
			got, err := users.of(r)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got user %q, %v, want %q", got, err, tc.want)
			}
		})
	}
	r := request()
	r.Header.Set("X-Forwarded-User", "ana")
	if got, err := (&Users{}).of(r); err == nil {
		t.Errorf("where nobody may set the header: got user %q", got)
	}
}

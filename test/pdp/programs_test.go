package pdp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/usher-dev/usher/test/cluster"
)

// documentedGateway returns the code block of docs/gateways.md in a language that has a text.
func documentedGateway(language, text string) string {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(filepath.Join(root, "docs", "gateways.md"))
	Expect(err).NotTo(HaveOccurred())
	for _, match := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(match[1], text) {
			return match[1]
		}
	}
	Fail(fmt.Sprintf("docs/gateways.md has no block in %s with %q", language, text))
	return ""
}

// replaced returns the text with others in the place of parts, each of which has to be there.
func replaced(text string, pairs ...string) string {
	GinkgoHelper()
	for i := 0; i+1 < len(pairs); i += 2 {
		Expect(text).To(ContainSubstring(pairs[i]))
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// requireProgram returns the path of a program. Without it, the spec is skipped, and fails with CI=true.
func requireProgram(name string) string {
	GinkgoHelper()
	path, err := exec.LookPath(name)
	if err != nil {
		text := fmt.Sprintf("this machine has no %s: install it", name)
		if os.Getenv("CI") == "true" {
			Fail(text)
		}
		Skip(text)
	}
	return path
}

// gateway is a gateway that is about to run, in front of an application that answers with the headers that reach it.
type gateway struct {
	dir         string // of its files
	address     string
	application string // the URL
	authorities string // the file with those of the decision point
}

func newGateway(ctx context.Context) gateway {
	GinkgoHelper()
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header) // a client that is gone needs no answer
	}))
	DeferCleanup(application.Close)
	address, err := cluster.FreeWebhookAddress(ctx)
	Expect(err).NotTo(HaveOccurred())
	g := gateway{dir: GinkgoT().TempDir(), address: address, application: application.URL}
	g.authorities = g.write("ca.crt", string(rootsPEM))
	return g
}

// write writes a file and returns its path.
func (g *gateway) write(name, text string) string {
	GinkgoHelper()
	path := filepath.Join(g.dir, name)
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return path
}

// start starts the gateway, and returns its URL when it answers.
func (g *gateway) start(ctx context.Context, command *exec.Cmd) string {
	GinkgoHelper()
	session, err := gexec.Start(command, GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Terminate().Wait(patience) })
	url := "http://" + g.address
	Eventually(func() error { _, _, err := browse(ctx, url); return err }).WithContext(ctx).Should(Succeed())
	return url
}

// browse asks a program behind a gateway. It returns the status, and the headers that reached the program.
func browse(ctx context.Context, url string, headers ...string) (int, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var reached http.Header
	if response.StatusCode == http.StatusOK {
		err = json.NewDecoder(response.Body).Decode(&reached)
	}
	return response.StatusCode, reached, err
}

// bearer is the header of a user's token.
func bearer(user string) string { return "Bearer " + provider.token(user) }

var _ = Describe("The gateways in the documentation", func() {
	// reached expects that the application sees the user, and returns nothing that a client has set.
	reached := func(ctx context.Context, url string, headers ...string) {
		GinkgoHelper()
		code, seen, err := browse(ctx, url, headers...)
		Expect(err).NotTo(HaveOccurred())
		Expect(code).To(Equal(http.StatusOK))
		Expect(seen).To(And(
			HaveKeyWithValue("X-Usher-User", []string{"ana"}), HaveKeyWithValue("X-Usher-Role", []string{"Viewer"}),
			HaveKeyWithValue("X-Usher-Rows", []string{"all"}),
		))
	}

	DescribeTable("let through the users whom the decision point permits", func(ctx SpecContext, organization string, start func(context.Context, string) string) {
		url := start(ctx, organization)
		finance(ctx, organization)

		By("a user with the permission")
		// The decision point fetches the keys of the issuer in the background.
		Eventually(func() (int, error) {
			code, _, err := browse(ctx, url+"/invoices?year=2026", "Authorization", bearer("ana"))
			return code, err
		}).WithContext(ctx).Should(Equal(http.StatusOK))
		reached(ctx, url, "Authorization", bearer("ana"))

		for what, tc := range map[string]struct {
			headers []string
			want    int
		}{
			"a user without the permission":          {[]string{"Authorization", bearer("ben")}, http.StatusForbidden},
			"nobody":                                 {nil, http.StatusUnauthorized},
			"a broken token":                         {[]string{"Authorization", bearer("ana") + "x"}, http.StatusUnauthorized},
			"the header that a gateway sets":         {[]string{"X-Forwarded-User", "ana"}, http.StatusUnauthorized},
			"the header that a check answers with":   {[]string{"X-Usher-User", "ana"}, http.StatusUnauthorized},
			"the same header in another case":        {[]string{"x-USHER-user", "ana"}, http.StatusUnauthorized},
			"a token of a service account of theirs": {[]string{"Authorization", "Bearer " + token(ctx, organization, "pep", audience)}, http.StatusUnauthorized},
		} {
			By(what)
			code, _, err := browse(ctx, url, tc.headers...)
			Expect(err).NotTo(HaveOccurred())
			Expect(code).To(Equal(tc.want))
		}

		By("a forged header beside a token")
		reached(ctx, url, "Authorization", bearer("ana"), "X-Usher-User", "ben", "x-usher-user", "root", "X-Usher-Role", "Administrator",
			"X-Forwarded-User", "ben")

		By("paths that try to leave the check")
		for _, path := range []string{"/../../../" + organization + "/finance/edit", "/%2e%2e/x", "//x", "/a%2Fb"} {
			code, _, err := browse(ctx, url+path, "Authorization", bearer("ben"))
			Expect(err).NotTo(HaveOccurred())
			Expect(code).To(BeElementOf(http.StatusForbidden, http.StatusBadRequest), path)
		}
	},
		Entry("NGINX", "nginx", startNginx),
		Entry("Caddy", "caddy", startCaddy),
	)

	It("let through the users whom NGINX authenticates", func(ctx SpecContext) {
		url := startNginxWithUsers(ctx, "nginx-users")
		finance(ctx, "nginx-users")
		basic := func(user string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":password of "+user))
		}
		reached(ctx, url, "Authorization", basic("ana"))
		reached(ctx, url, "Authorization", basic("ana"), "X-Forwarded-User", "ben", "X-Usher-User", "ben")
		for what, tc := range map[string]struct {
			headers []string
			want    int
		}{
			"a user without the permission": {[]string{"Authorization", basic("ben")}, http.StatusForbidden},
			"nobody":                        {nil, http.StatusUnauthorized},
			"a forged header":               {[]string{"X-Forwarded-User", "ana"}, http.StatusUnauthorized},
			"a wrong password":              {[]string{"Authorization", basic("ana")[:20]}, http.StatusUnauthorized},
		} {
			By(what)
			code, _, err := browse(ctx, url, tc.headers...)
			Expect(err).NotTo(HaveOccurred())
			Expect(code).To(Equal(tc.want))
		}
	})
})

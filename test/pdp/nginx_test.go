package pdp_test

import (
	"context"
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

// nginxConfiguration has what is around a server.
const nginxConfiguration = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
%s}
`

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

// startNginx starts NGINX with a server in front of a program that answers with the headers that reach it, and returns the
// URL.
func startNginx(ctx context.Context, organization, server string) string {
	GinkgoHelper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		Skip("this machine has no nginx")
	}
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header) // a client that is gone needs no answer
	}))
	DeferCleanup(program.Close)
	address, err := cluster.FreeWebhookAddress(ctx)
	Expect(err).NotTo(HaveOccurred())
	dir := GinkgoT().TempDir()
	authorities := filepath.Join(dir, "ca.crt")
	Expect(os.WriteFile(authorities, rootsPEM, 0o600)).To(Succeed())
	server = replaced(server,
		"listen 80;", "listen "+address+";",
		"https://usher-pdp.usher-system.svc/check/v1/analytics/", "https://"+pdp.Address()+"/check/v1/"+organization+"/",
		"/etc/nginx/usher/ca.crt", authorities,
		"http://finance.analytics.svc:8080", program.URL,
	)
	file := filepath.Join(dir, "nginx.conf")
	Expect(os.WriteFile(file, []byte(fmt.Sprintf(nginxConfiguration, server)), 0o600)).To(Succeed())
	session, err := gexec.Start(exec.Command(path, "-p", dir, "-c", file, "-e", "stderr"), GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Terminate().Wait(patience) })
	url := "http://" + address
	Eventually(func() error { _, _, err := browse(url); return err }).Should(Succeed())
	return url
}

// browse asks a program behind a gateway. It returns the status, and the headers that reached the program.
func browse(url string, headers ...string) (int, http.Header, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
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

var _ = Describe("NGINX", func() {
	It("lets through whom the decision point lets through", func(ctx SpecContext) {
		finance(ctx, "nginx")
		url := startNginx(ctx, "nginx", documentedGateway("nginx", "auth_request /usher;"))
		bearer := func(user string) string { return "Bearer " + provider.token(user) }

		By("a user with the permission")
		// The decision point fetches the keys of the issuer in the background.
		Eventually(func() (int, error) {
			code, _, err := browse(url+"/invoices?year=2026", "Authorization", bearer("ana"))
			return code, err
		}).WithContext(ctx).Should(Equal(http.StatusOK))
		_, reached, err := browse(url, "Authorization", bearer("ana"))
		Expect(err).NotTo(HaveOccurred())
		Expect(reached).To(And(
			HaveKeyWithValue("X-Usher-User", []string{"ana"}), HaveKeyWithValue("X-Usher-Role", []string{"Viewer"}),
			HaveKeyWithValue("X-Usher-Rows", []string{"all"}),
		))

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
			"a token of a service account of theirs": {[]string{"Authorization", "Bearer " + token(ctx, "nginx", "pep", audience)}, http.StatusUnauthorized},
		} {
			By(what)
			code, _, err := browse(url, tc.headers...)
			Expect(err).NotTo(HaveOccurred())
			Expect(code).To(Equal(tc.want))
		}

		By("a forged header beside a token")
		code, reached, err := browse(url, "Authorization", bearer("ana"), "X-Usher-User", "ben", "x-usher-user", "root", "X-Forwarded-User", "ben")
		Expect(err).NotTo(HaveOccurred())
		Expect(code).To(Equal(http.StatusOK))
		Expect(reached).To(HaveKeyWithValue("X-Usher-User", []string{"ana"}))

		By("paths that try to leave the check")
		for _, path := range []string{"/../../../nginx/finance/edit", "/%2e%2e/x", "//x", "/a%2Fb"} {
			code, _, err := browse(url+path, "Authorization", bearer("ben"))
			Expect(err).NotTo(HaveOccurred())
			Expect(code).To(BeElementOf(http.StatusForbidden, http.StatusBadRequest), path)
		}
	})
})

package scim_test

import (
	"io"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/usher-dev/usher/test/cluster"
)

var _ = Describe("The requests of identity providers", func() {
	It("are counted, and so is what they write", func(ctx SpecContext) {
		organization(ctx, "counted")
		p := newProvider(ctx, "counted", "entra")
		user := p.must(ctx, http.StatusCreated, http.MethodPost, "/Users", cluster.SCIMUser("ana@acme.example")).Text("id")
		p.must(ctx, http.StatusOK, http.MethodPut, "/Users/"+user, cluster.SCIMUser("ana@acme.example"))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.Load().MetricsURL(), http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		response, err := http.DefaultClient.Do(request)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(And(
			MatchRegexp(`(?m)^usher_scim_requests_total\{code="201",method="POST",resource="Users"\} [1-9]`),
			MatchRegexp(`(?m)^usher_scim_request_duration_seconds_count\{method="POST",resource="Users"\} [1-9]`),
			MatchRegexp(`(?m)^usher_scim_writes_total\{kind="UserAccess",operation="create"\} [1-9]`),
			MatchRegexp(`(?m)^usher_scim_writes_total\{kind="UserAccess",operation="none"\} [1-9]`),
			// Alerts count refusals from the first one on.
			MatchRegexp(`(?m)^usher_scim_requests_total\{code="403",method="DELETE",resource="Groups"\} \d`),
			MatchRegexp(`(?m)^usher_build_info\{`),
			MatchRegexp(`(?m)^process_resident_memory_bytes `),
		))
	})
})

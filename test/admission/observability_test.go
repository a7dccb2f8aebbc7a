package admission_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

// documentedMetrics returns the metrics of the manager that docs/observability.md lists.
func documentedMetrics() []string {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	text, err := os.ReadFile(filepath.Join(root, "docs", "observability.md"))
	Expect(err).NotTo(HaveOccurred())
	_, table, found := strings.Cut(string(text), "\n## Metrics\n")
	Expect(found).To(BeTrue())
	table, _, _ = strings.Cut(table, "\n## ") // those of other programs follow
	var names []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)`").FindAllStringSubmatch(table, -1) {
		names = append(names, m[1])
	}
	return names
}

// scraped returns the metrics that the manager exposes.
func scraped(ctx context.Context) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, manager.MetricsURL(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	names := map[string]struct{}{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(string(text), -1) {
		names[m[1]] = struct{}{}
	}
	return slices.Sorted(maps.Keys(names)), err
}

// auditLine is an audit line, as documented in docs/observability.md.
type auditLine struct {
	Logger, Msg, Organization, User, Application, Change, Before, After, Rule, Source string
	Causes                                                                            []struct {
		Object, UID        string
		Generation         int64
		RequestersByReview []string
	}
}

// audited returns the audit lines about the organization.
func audited(organization string) ([]auditLine, error) {
	text, err := os.ReadFile(manager.LogFile())
	if err != nil {
		return nil, err
	}
	var lines []auditLine
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		var line auditLine
		// Other lines may not be JSON, and the last may be incomplete.
		if json.Unmarshal(scanner.Bytes(), &line) == nil && line.Logger == "audit" && line.Organization == organization {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func financeGroup(organization string, member accessv1alpha1.UserName) *accessv1alpha1.AccessGroup {
	group := newGroup(organization, "france")
	group.Spec.Members = []accessv1alpha1.Member{{User: member}}
	group.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{Application: "finance", Role: "Viewer"}}
	return group
}

var _ = Describe("What an operator sees", func() {
	It("includes exactly the documented metrics of Usher", func(ctx SpecContext) {
		manager.Replace(ctx, "--leader-elect", "--leader-election-namespace="+managerNamespace)
		organization := newOrganization(ctx)
		group := financeGroup(organization, "amelie@acme.example")
		group.Spec.ApplicationAccess[0].Role = "Edtior" // an object that is not ready
		Expect(kube.Create(ctx, group)).To(Succeed())
		want := documentedMetrics()
		Expect(want).NotTo(BeEmpty())
		Eventually(func() (string, error) {
			got, err := scraped(ctx)
			var differences []string
			for _, name := range want {
				if !slices.Contains(got, name) {
					differences = append(differences, name+" is documented, and not exposed")
				}
			}
			for _, name := range got {
				if strings.HasPrefix(name, "usher_") && !slices.Contains(want, name) {
					differences = append(differences, name+" is exposed, and not documented")
				}
			}
			return strings.Join(differences, "\n"), err
		}).WithContext(ctx).Should(BeEmpty())
	})

	It("includes a log line with the user, the access, the change and the requester", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		group := financeGroup(organization, "amelie@acme.example")
		Expect(kube.Create(ctx, group)).To(Succeed())
		expect := func(number int, change, requester string, generation int64) {
			GinkgoHelper()
			Eventually(func() (int, error) {
				lines, err := audited(organization)
				return len(lines), err
			}).WithContext(ctx).Should(Equal(number))
			lines, err := audited(organization)
			Expect(err).NotTo(HaveOccurred())
			last := lines[number-1]
			Expect(last.Msg + " " + last.User + " " + last.Application + " " + last.Change).To(Equal(
				fmt.Sprintf("Access changed amelie@acme.example finance %s", change)))
			Expect(last.Causes).To(HaveLen(1))
			cause := last.Causes[0]
			Expect(fmt.Sprintf("%s generation %d by %v", cause.Object, cause.Generation, cause.RequestersByReview)).To(Equal(
				fmt.Sprintf("AccessGroup/%s/france generation %d by [%s]", organization, generation, requester)))
		}
		expect(1, "Gained", "usher-admin", 1)
		promoted := group.DeepCopy()
		promoted.Spec.ApplicationAccess[0].Role = "Editor"
		Expect(kube.Patch(ctx, promoted, client.MergeFrom(group))).To(Succeed()) // its status may have been written since
		expect(2, "Raised", "usher-admin", 2)
		Expect(kube.Delete(ctx, group)).To(Succeed())
		expect(3, "Lost", "usher-admin", 0)
	})
})

package plugin_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// applyClientSide applies manifests like "kubectl apply -f".
func applyClientSide(ctx context.Context, manifests string, flags ...string) {
	GinkgoHelper()
	_, err := plane.KubectlInput(ctx, strings.NewReader(manifests), append([]string{"apply", "-f", "-"}, flags...)...)
	Expect(err).NotTo(HaveOccurred())
}

const undone = `was applied client-side: the next "kubectl apply" of its manifests sets spec.members to what they say, and undoes this edit`

var _ = Describe("A client-side apply", func() {
	It("undoes an edit, and the plugin says so before it writes", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		file := manifest(organization, "team", "ana", "Viewer")
		applyClientSide(ctx, file)

		declined := askWith(ctx, "n\n", "members", "add", "cleo", "-g", "team", "-n", organization)
		Expect(declined.code).To(Equal(1))
		Expect(declined.errOut).To(MatchRegexp(`(?s)AccessGroup/%s/team %s.*--server-side.*\[y/N\]`, organization, undone))
		added := ask(ctx, "members add cleo -g team -n %s --yes", organization)
		Expect(added.code).To(BeZero())
		Expect(added.errOut).To(ContainSubstring(undone))
		applyClientSide(ctx, file)
		Expect(membersOf(ctx, organization, "team")).To(ConsistOf("ana"))

		By("not reporting a field that the manifests do not have")
		imported := askWith(ctx, "record,group,displayName\ngroup,team,Team\n", "import", "-", "--apply", "--yes", "-n", organization)
		Expect(imported.code).To(BeZero())
		Expect(imported.errOut).NotTo(ContainSubstring("client-side"))
		applyClientSide(ctx, file)
		Expect(group(ctx, organization, "team").Spec.DisplayName).To(Equal("Team"))
	}, SpecTimeout(patience))

	It("leaves edits alone once the manifests are applied server-side", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		file := manifest(organization, "team", "ana", "Viewer")
		applyClientSide(ctx, file)
		Expect(ask(ctx, "members add cleo -g team -n %s --yes", organization).errOut).To(ContainSubstring(undone))
		applyClientSide(ctx, file, "--server-side")
		Expect(membersOf(ctx, organization, "team")).To(ConsistOf("ana", "cleo"))

		again := ask(ctx, "members add dora -g team -n %s --yes", organization)
		Expect(again.code).To(BeZero())
		Expect(again.errOut).NotTo(ContainSubstring("client-side"))
		applyClientSide(ctx, file, "--server-side")
		Expect(membersOf(ctx, organization, "team")).To(ConsistOf("ana", "cleo", "dora"))
	}, SpecTimeout(patience))
})

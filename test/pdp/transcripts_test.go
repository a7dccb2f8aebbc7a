package pdp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/test/cluster"
)

// shell runs what the documentation shows, with the kubectl of the control plane and the curl of this machine, which
// finds the decision point at the documented name.
type shell struct {
	dir string
	env []string
}

func newShell() *shell {
	GinkgoHelper()
	requireProgram("curl")
	dir := GinkgoT().TempDir()
	curlrc := fmt.Sprintf("silent\nshow-error\nconnect-to = \"%s:443:%s\"\n", serverName, pdp.Address())
	Expect(os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(curlrc), 0o600)).To(Succeed())
	path := filepath.Dir(plane.KubectlPath()) + string(os.PathListSeparator) + os.Getenv("PATH")
	return &shell{dir: dir, env: append(os.Environ(), "PATH="+path, "HOME="+dir, "CURL_HOME="+dir, "KUBECONFIG="+plane.KubeconfigPath())}
}

// run runs a script and returns its output.
func (s *shell) run(ctx context.Context, script string) (string, error) {
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = s.dir, s.env
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%w: %s\n%s", err, stderr.String(), script)
	}
	return stdout.String(), nil
}

// documentedBlocks returns the code blocks below a heading of docs/decisions.md, each with its language in front.
func documentedBlocks(heading string) []string {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(filepath.Join(root, "docs", "decisions.md"))
	Expect(err).NotTo(HaveOccurred())
	_, section, found := strings.Cut(string(page), "\n"+heading+"\n")
	Expect(found).To(BeTrue(), heading)
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, match := range regexp.MustCompile("(?ms)^```(.*?)^```$").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// compact returns JSON without spaces.
func compact(text string) (string, error) {
	var made bytes.Buffer
	err := json.Compact(&made, []byte(text))
	return made.String(), err
}

var _ = Describe("The transcript in the documentation", func() {
	It("is what the decision point answers", func(ctx SpecContext) {
		blocks := documentedBlocks("## Ask a question")
		Expect(len(blocks)).To(BeNumerically(">=", 3))
		var parts []string
		for i, language := range []string{"sh\n", "sh\n", "json\n"} {
			text, found := strings.CutPrefix(blocks[i], language)
			Expect(found).To(BeTrue(), blocks[i])
			parts = append(parts, text)
		}
		want, err := compact(parts[2])
		Expect(err).NotTo(HaveOccurred())

		By("applying the samples, and publishing the authority as the manager does")
		s := newShell()
		_, err = plane.ApplyKustomization(ctx, filepath.Join("..", "..", "config", "samples"))
		Expect(err).NotTo(HaveOccurred())
		authority := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: pdpNamespace, Name: "usher-pdp-ca"}}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(authority), authority)).To(Succeed())
		authority.Data = map[string]string{"ca.crt": string(rootsPEM)}
		Expect(kube.Update(ctx, authority)).To(Succeed())

		By("asking")
		_, err = s.run(ctx, parts[0]+"\necho \"$TOKEN\" >token")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() (string, error) { // the API server takes a moment for the new right, the decision point for the objects
			answer, err := s.run(ctx, "TOKEN=$(cat token)\n"+parts[1])
			if err != nil {
				return "", err
			}
			return compact(answer)
		}).WithContext(ctx).Should(Equal(want))
	})
})

package gitops_test

import (
	"context"
	"fmt"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/usher-dev/usher/test/cluster"
)

// repository is a git repository on an HTTP server, with a working clone.
type repository struct {
	url  string
	work string
}

// newRepository serves an empty repository until the end of the spec or container.
func newRepository(ctx context.Context) *repository {
	GinkgoHelper()
	root := GinkgoT().TempDir()
	git(ctx, root, "init", "--quiet", "--bare", "--initial-branch=main", "access.git")
	git(ctx, filepath.Join(root, "access.git"), "config", "http.receivepack", "true")
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(git(ctx, root, "--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	})
	DeferCleanup(server.Close)
	r := &repository{url: server.URL + "/access.git", work: filepath.Join(root, "work")}
	git(ctx, root, "clone", "--quiet", r.url, r.work)
	return r
}

// commit commits and pushes the content of the working directory.
func (r *repository) commit(ctx context.Context, message string) {
	GinkgoHelper()
	git(ctx, r.work, "add", "--all")
	git(ctx, r.work, "commit", "--quiet", "--message="+message)
	git(ctx, r.work, "push", "--quiet", "origin", "HEAD:main")
}

// revert reverts the last commit.
func (r *repository) revert(ctx context.Context) {
	GinkgoHelper()
	git(ctx, r.work, "revert", "--no-edit", "HEAD")
	git(ctx, r.work, "push", "--quiet", "origin", "HEAD:main")
}

// checkout fetches the latest commit into its own directory, like a tool that follows the repository.
func (r *repository) checkout(ctx context.Context) string {
	GinkgoHelper()
	directory := GinkgoT().TempDir()
	git(ctx, directory, "clone", "--quiet", "--depth=1", "--branch=main", r.url, ".")
	return directory
}

// addSamples adds the samples to the working directory without their workloads, because there are no nodes to run them.
func (r *repository) addSamples() {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	Expect(os.CopyFS(filepath.Join(r.work, "samples"), os.DirFS(filepath.Join(root, "config", "samples")))).To(Succeed())
	r.write("kustomization.yaml", `
resources:
- samples
patches:
- target:
    kind: Deployment
  patch: |
    $patch: delete
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: any
`)
}

// addInstallation adds config/default below the directory, without what this control plane cannot have twice (the
// webhooks that call a Service in the cluster) and without what needs nodes.
func (r *repository) addInstallation(directory string) {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	Expect(os.CopyFS(filepath.Join(r.work, directory, "config"), os.DirFS(filepath.Join(root, "config")))).To(Succeed())
	text := "resources:\n- config/default\npatches:\n"
	for _, each := range [][2]string{
		{"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"},
		{"admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"},
		{"apps/v1", "Deployment"}, {"v1", "Namespace"},
	} {
		text += fmt.Sprintf("- target: {kind: %[2]s}\n  patch: |\n    {$patch: delete, apiVersion: %[1]s, kind: %[2]s, metadata: {name: any}}\n",
			each[0], each[1])
	}
	r.write(filepath.Join(directory, "kustomization.yaml"), text)
}

func (r *repository) write(path, text string) {
	GinkgoHelper()
	Expect(os.MkdirAll(filepath.Dir(filepath.Join(r.work, path)), 0o755)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(r.work, path), []byte(text), 0o600)).To(Succeed())
}

// remove deletes a file or directory.
func (r *repository) remove(path string) {
	GinkgoHelper()
	Expect(os.RemoveAll(filepath.Join(r.work, path))).To(Succeed())
}

// edit replaces the only occurrence of the text in a file.
func (r *repository) edit(path, text, by string) {
	GinkgoHelper()
	content, err := os.ReadFile(filepath.Join(r.work, path))
	Expect(err).NotTo(HaveOccurred())
	Expect(strings.Count(string(content), text)).To(Equal(1), "%q in %s", text, path)
	r.write(path, strings.Replace(string(content), text, by, 1))
}

// git runs git with its default configuration and returns its output.
func git(ctx context.Context, directory string, args ...string) string {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = directory
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=somebody", "GIT_AUTHOR_EMAIL=somebody@acme.example",
		"GIT_COMMITTER_NAME=somebody", "GIT_COMMITTER_EMAIL=somebody@acme.example")
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

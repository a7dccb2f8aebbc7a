package follow_test

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
)

const (
	amelie = "amelie@acme.example"
	bruno  = "bruno@acme.example"
)

// role is the role of a user by a reader, for Eventually.
func role(reader *document.ApplicationFollower, user string) func() string {
	return func() string { return reader.Role(user) }
}

// shardOf is the number of the shard that has a user.
func shardOf(user string, shards uint32) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(user)) // it cannot fail
	return int(hash.Sum32() % shards)
}

var _ = Describe("The sidecar", func() {
	It("keeps the documents of an application current", func(ctx SpecContext) {
		s := newSidecar(ctx)
		s.publish(ctx, shard{0, 1}, amelie)
		reader := s.reader(ctx)
		Expect(reader.Role(amelie)).To(Equal(document.NoAccess), "nothing has written the files yet")
		s.start(ctx)
		s.waitReady(ctx)
		Eventually(role(reader, amelie)).Should(Equal("Editor"))

		By("giving and taking access")
		s.publish(ctx, shard{0, 1}, amelie, bruno)
		Eventually(role(reader, bruno)).Should(Equal("Editor"))
		s.publish(ctx, shard{0, 1}, bruno)
		Eventually(role(reader, amelie)).Should(Equal(document.NoAccess))

		By("splitting the document")
		for _, number := range []int{1, 0} { // in the order in which the manager writes
			var users []string
			for _, user := range []string{amelie, bruno} {
				if shardOf(user, 2) == number {
					users = append(users, user)
				}
			}
			s.publish(ctx, shard{number, 2}, users...)
		}
		Eventually(role(reader, amelie)).Should(Equal("Editor"))
		Expect(reader.Role(bruno)).To(Equal("Editor"))

		By("deleting the document")
		s.remove(ctx, shard{0, 2}.name())
		s.remove(ctx, shard{1, 2}.name())
		Eventually(role(reader, amelie)).Should(Equal(document.NoAccess))
		Eventually(role(reader, bruno)).Should(Equal(document.NoAccess))
		Eventually(func() ([]string, error) { return filepath.Glob(filepath.Join(s.directory, "*", "[^.]*")) }).Should(BeEmpty())
	})

	It("writes nothing where nothing changed", func(ctx SpecContext) {
		s := newSidecar(ctx)
		kept, changed := shard{0, 2}, shard{1, 2}
		s.publish(ctx, kept)
		s.publish(ctx, changed)
		s.start(ctx)
		s.waitReady(ctx)
		before, other := s.link(kept.name()), s.link(changed.name())

		By("annotating a ConfigMap")
		annotated := &corev1.ConfigMap{}
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: kept.name()}, annotated)).To(Succeed())
		annotated.Annotations = map[string]string{"acme.example/note": "x"}
		Expect(kube.Update(ctx, annotated)).To(Succeed())

		By("restarting the sidecar while one ConfigMap changes")
		Expect(s.process.Stop()).To(Succeed())
		s.write(ctx, changed.name(), "{}")
		s.start(ctx)
		s.waitReady(ctx)
		Expect(s.link(kept.name())).To(Equal(before))
		Expect(s.link(changed.name())).NotTo(Equal(other))
		Expect(os.ReadFile(filepath.Join(s.directory, changed.name(), document.AccessKey))).To(BeEquivalentTo("{}"))
	})

	It("keeps the files while the API server is gone", func(ctx SpecContext) {
		s := newSidecar(ctx)
		s.publish(ctx, shard{0, 1}, amelie)
		s.start(ctx)
		s.waitReady(ctx)
		reader := s.reader(ctx)
		Expect(reader.Role(amelie)).To(Equal("Editor"))

		Expect(plane.KillAPIServer(ctx)).To(Succeed())
		down := true
		DeferCleanup(func(ctx SpecContext) {
			if down { // other specs need it, also after a failure
				Expect(plane.StartAPIServer(ctx)).To(Succeed())
			}
		})
		Eventually(s.process.LogTail).Should(ContainSubstring("Following failed and is tried again"))
		Expect(reader.Role(amelie)).To(Equal("Editor"))
		Expect(s.status(ctx)).To(Equal(200))

		Expect(plane.StartAPIServer(ctx)).To(Succeed())
		down = false
		s.publish(ctx, shard{0, 1}, bruno)
		Eventually(role(reader, bruno)).Should(Equal("Editor"))
		Expect(reader.Role(amelie)).To(Equal(document.NoAccess))
	})

	It("gets by with the rights of the sample, and says what is missing beyond them", func(ctx SpecContext) {
		s := newSidecar(ctx)
		s.write(ctx, "secrets-of-others", "{}")
		config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
		Expect(err).NotTo(HaveOccurred())
		account, err := client.New(config, client.Options{Scheme: kube.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		var all corev1.ConfigMapList
		Expect(account.List(ctx, &all, client.InNamespace(s.namespace))).To(Satisfy(apierrors.IsForbidden))
		var one corev1.ConfigMap
		key := client.ObjectKey{Namespace: s.namespace, Name: "secrets-of-others"}
		Expect(account.Get(ctx, key, &one)).To(Satisfy(apierrors.IsForbidden))

		s.args = append(s.args, "--configmap=secrets-of-others")
		s.start(ctx)
		Eventually(s.process.LogTail).Should(ContainSubstring(
			"a Role has to allow list and watch on configmaps with the resource name secrets-of-others"))
		Expect(s.status(ctx)).To(Equal(500))
		Expect(filepath.Join(s.directory, "secrets-of-others")).NotTo(BeADirectory())
	})

	It("needs at most 32 MiB for the largest documents", func(ctx SpecContext) {
		s := newSidecar(ctx)
		s.start(ctx)
		s.waitReady(ctx)
		for round := range 5 {
			for number := range 4 {
				text := fmt.Sprintf("[%d,%q]", round, strings.Repeat("x", 1000<<10))
				name := shard{number, 4}.name()
				s.write(ctx, name, text)
				Eventually(func() (string, error) {
					got, err := os.ReadFile(filepath.Join(s.directory, name, document.AccessKey))
					return string(got[:min(len(got), 2)]), err
				}).Should(Equal(text[:2]))
			}
		}
		Eventually(s.residentMiB).Should(BeNumerically("<=", 32))
	})
})

// residentMiB returns the resident memory of the sidecar, with the pages of the program.
func (s *sidecar) residentMiB() int {
	GinkgoHelper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.PID()))
	if os.IsNotExist(err) {
		Skip("this system has no /proc")
	}
	Expect(err).NotTo(HaveOccurred())
	found := regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`).FindSubmatch(text)
	Expect(found).To(HaveLen(2))
	kib, err := strconv.Atoi(string(found[1]))
	Expect(err).NotTo(HaveOccurred())
	AddReportEntry("resident", fmt.Sprintf("%d KiB: %s", kib, regexp.MustCompile(`(?m)^(VmHWM|Rss).*$`).FindAllString(string(text), -1)))
	return kib >> 10
}

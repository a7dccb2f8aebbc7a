package plugin_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/test/cluster"
)

// difference is the part of the output of "diff -o json" that these tests check.
type difference struct {
	Changes []struct{ Change, User, Scope, Application string }
}

func (d *difference) users() []string {
	var users []string
	for _, c := range d.Changes {
		users = append(users, c.User)
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// documents returns the ConfigMaps that will change according to the difference.
func (d *difference) documents() []string {
	var names []string
	for _, c := range d.Changes {
		names = append(names, "user-access-"+identity.Name(c.User))
		if c.Scope == "Application" {
			names = append(names, "application-access-"+c.Application)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// analytics writes the samples of the organization to a directory, in the namespace, without one of the groups.
func analytics(namespace, without string) string {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	directory := GinkgoT().TempDir()
	for _, name := range []string{"policy.yaml", "applications.yaml", "groups.yaml", "users.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, "config", "samples", "analytics", name))
		Expect(err).NotTo(HaveOccurred())
		documents := strings.Split(strings.ReplaceAll(string(text), "namespace: analytics", "namespace: "+namespace), "---\n")
		documents = slices.DeleteFunc(documents, func(each string) bool {
			return name == "groups.yaml" && strings.Contains(each, "name: "+without+"\n")
		})
		Expect(os.WriteFile(filepath.Join(directory, name), []byte(strings.Join(documents, "---\n")), 0o600)).To(Succeed())
	}
	return directory
}

// published returns the published data in the namespace, by ConfigMap.
func published(ctx context.Context, namespace string) map[string]string {
	GinkgoHelper()
	list := &corev1.ConfigMapList{}
	Expect(kube.List(ctx, list, client.InNamespace(namespace), client.HasLabels{accessv1alpha1.LabelDocument})).To(Succeed())
	found := map[string]string{}
	for i := range list.Items {
		found[list.Items[i].Name] = list.Items[i].Data["access.json"]
	}
	return found
}

func differing(before, after map[string]string) []string {
	var names []string
	for name := range before {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	for name := range after {
		if _, existed := before[name]; !existed {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func waitReady(ctx context.Context, namespace string) {
	GinkgoHelper()
	Eventually(func() error {
		// It fails if a materialized UserAccess goes meanwhile, because a declared one has taken its place.
		_, err := plane.Kubectl(ctx, "wait", "-n", namespace, "--for=condition=Ready", "--timeout=60s", "--all",
			"accessgroups,useraccesses,applicationaccesses,accesspolicies")
		return err
	}).WithContext(ctx).Should(Succeed())
}

var _ = Describe("Diff", func() {
	It("lists exactly the people who lose access by a removed group, and so does the cluster once it is gone", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		whole := analytics(organization, "nothing")
		branch := analytics(organization, "germany")
		_, err := plane.Kubectl(ctx, "apply", "--server-side", "-f", whole)
		Expect(err).NotTo(HaveOccurred())
		waitReady(ctx, organization)

		live := ask(ctx, "diff -o json -f %s --prune -n %s", branch, organization)
		Expect(live.code).To(Equal(1))
		var d difference
		Expect(json.Unmarshal([]byte(live.out), &d)).To(Succeed())
		Expect(d.users()).To(Equal([]string{"amelie@acme.example", "clara@acme.example"}))
		offline := ask(ctx, "diff -o json -f %s --against %s -n %s", branch, whole, organization)
		Expect(offline.out).To(Equal(live.out))
		nothing := ask(ctx, "diff -f %s --prune -n %s", whole, organization)
		Expect(nothing.code).To(BeZero())

		before := published(ctx, organization)
		Expect(len(before)).To(BeNumerically(">=", len(d.documents())))
		_, err = plane.Kubectl(ctx, "delete", "accessgroup", "germany", "-n", organization)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() []string { return differing(before, published(ctx, organization)) }).WithContext(ctx).
			Should(Equal(d.documents()))
		waitReady(ctx, organization)
		Expect(differing(before, published(ctx, organization))).To(Equal(d.documents()))
		again := ask(ctx, "diff -f %s --prune -n %s", branch, organization)
		Expect(again.code).To(BeZero())
	}, SpecTimeout(patience*3))
})

var _ = Describe("The same objects", func() {
	It("give the same answers on a cluster and in files", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		directory := analytics(organization, "nothing")
		_, err := plane.Kubectl(ctx, "apply", "--server-side", "-f", directory)
		Expect(err).NotTo(HaveOccurred())
		waitReady(ctx, organization)
		dump, err := plane.Kubectl(ctx, "get", "accessgroups,useraccesses,applicationaccesses,accesspolicies", "-n", organization, "-o", "yaml")
		Expect(err).NotTo(HaveOccurred())
		file := filepath.Join(GinkgoT().TempDir(), "dump.yaml")
		Expect(os.WriteFile(file, []byte(dump), 0o600)).To(Succeed())

		const at = "2026-06-01"
		for _, line := range []string{
			"matrix -o json", "matrix", "matrix -o csv", "list amelie@acme.example -o json", "who-can finance -o wide",
			"explain clara@acme.example", "can dana@acme.example finance edit", "can ana@acme.example sales edit", "report -o json",
		} {
			live := ask(ctx, "%s -n %s --at %s", line, organization, at)
			for _, from := range []string{directory, file} {
				offline := ask(ctx, "%s -n %s --at %s -f %s", line, organization, at, from)
				Expect(offline.out).To(Equal(live.out), "%s, from %s", line, from)
				Expect(offline.code).To(Equal(live.code), "%s, from %s", line, from)
			}
		}
		exported := ask(ctx, "export -n %s", organization)
		Expect(exported.code).To(BeZero())
		Expect(ask(ctx, "export -n %s -f %s", organization, directory).out).NotTo(BeEmpty())
		Expect(ask(ctx, "export -n %s -f %s", organization, file).out).To(Equal(exported.out))
	}, SpecTimeout(patience*3))

	It("are found by kubectl as one of its own commands", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		_, err := plane.Kubectl(ctx, "apply", "--server-side", "-f", analytics(organization, "nothing"))
		Expect(err).NotTo(HaveOccurred())
		command := pluginCommand(ctx, "access", "can", "ana@acme.example", "finance", "edit", "-n", organization)
		command.Path = plane.KubectlPath()
		command.Args[0] = "kubectl"
		command.Env = append(command.Env, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
		out, err := command.Output()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(out)).To(Equal("yes\n"))
	}, SpecTimeout(patience))
})

package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/test/cluster"
)

// backupSelector returns the label selector with which docs/operations.md excludes derived objects from a backup.
func backupSelector() string {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	text, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	Expect(err).NotTo(HaveOccurred())
	found := regexp.MustCompile(`--selector='(access\.usher\.dev/materialized[^']*)'`).FindSubmatch(text)
	Expect(found).To(HaveLen(2), "docs/operations.md gives no selector")
	return string(found[1])
}

// backup copies, as a backup tool does, everything in the namespace that Usher reads or writes into another namespace.
func backup(ctx context.Context, from, to namespace, options ...client.ListOption) []*unstructured.Unstructured {
	GinkgoHelper()
	var all []*unstructured.Unstructured
	for _, kind := range []string{"AccessPolicy", "ApplicationAccess", "AccessGroup", "UserAccess", "ConfigMap"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(newObject(kind, "", "").GroupVersionKind())
		Expect(kube.List(ctx, list, append(options, client.InNamespace(from.name))...)).To(Succeed())
		for i := range list.Items {
			o := &list.Items[i]
			if o.GetName() == "kube-root-ca.crt" {
				continue // created by Kubernetes itself
			}
			restored := newObject(kind, to.name, o.GetName())
			restored.SetLabels(o.GetLabels())
			for _, field := range []string{"spec", "data"} {
				if value, has := o.Object[field]; has {
					restored.Object[field] = value
				}
			}
			all = append(all, restored)
		}
	}
	return all
}

var _ = Describe("A backup", func() {
	const ana, ben = "ana@acme.example", "ben@acme.example"

	organization := func(ctx context.Context) namespace {
		GinkgoHelper()
		eventually(ctx, guarded)
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team",
			`{members: [{user: ana@acme.example}, {user: ben@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.apply(ctx, "UserAccess", "ben", "{user: ben@acme.example, displayName: Ben}")
		o.waitReady(ctx, "applicationaccess", "red")
		o.waitReady(ctx, "accessgroup", "team")
		eventually(ctx, o.accounts("ben", materialized(ana))) // the materialized UserAccess of ben goes last
		return o
	}

	It("contains only declared objects with the documented selector, which every client accepts", func(ctx SpecContext) {
		o := organization(ctx)
		text := backupSelector()
		selector, err := labels.Parse(text)
		Expect(err).NotTo(HaveOccurred())
		// Velero parses its flag with this function, which rejects "!=".
		_, err = metav1.ParseToLabelSelector(text)
		Expect(err).NotTo(HaveOccurred())
		var names []string
		for _, each := range backup(ctx, o, o, client.MatchingLabelsSelector{Selector: selector}) {
			names = append(names, each.GetKind()+"/"+each.GetName())
		}
		Expect(names).To(ConsistOf("ApplicationAccess/red", "AccessGroup/team", "UserAccess/ben"))
	})

	It("may contain everything: derived objects are refused, and Usher writes its own", func(ctx SpecContext) {
		o := organization(ctx)
		restored := newOrganization(ctx)
		velero := clusterAdmin(ctx)
		var refusals []string
		for _, each := range backup(ctx, o, restored) {
			err := velero.Create(ctx, each)
			if err == nil {
				continue
			}
			policy := documentsPolicy
			if each.GetKind() == "UserAccess" {
				policy = labelPolicy
			}
			Expect(refused(err, policy)).To(Succeed(), each.GetName())
			Expect(err).To(MatchError(ContainSubstring(`Exclude such objects with the label selector "` + backupSelector() + `"`)))
			refusals = append(refusals, each.GetKind()+"/"+each.GetName())
		}
		Expect(refusals).To(ConsistOf("UserAccess/"+userName(ana), "ConfigMap/"+applicationMap("red"),
			"ConfigMap/"+userMap(ana), "ConfigMap/"+userMap(ben)))
		restored.waitReady(ctx, "accessgroup", "team")
		now(ctx, all(restored.publishes("red", ana, "Editor"), restored.publishes("red", ben, "Editor"),
			restored.present("UserAccess", userName(ana))))
	})
})

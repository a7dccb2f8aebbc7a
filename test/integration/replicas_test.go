package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/test/cluster"
)

var _ = Describe("Two replicas", func() {
	const ana = "ana@acme.example"
	const installed = "usher-system"

	It("are both ready, one writes, and the other takes over at once when that one stops", func(ctx SpecContext) {
		eventually(ctx, noTerminatingNamespaces)
		Expect(manager.Stop()).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { manager.Start(ctx) })
		replicas := map[string]*cluster.Manager{}
		start := func(name string) *cluster.Manager {
			options := manager.Options("--leader-elect", "--leader-election-namespace="+installed)
			options.LogFile = filepath.Join(plane.Dir(), name+".log")
			m, err := plane.StartManager(ctx, options)
			Expect(err).NotTo(HaveOccurred())
			replicas[name] = m
			DeferCleanup(func() { _ = m.Kill() })
			return m
		}
		first := start("first")
		eventually(ctx, leads(first))
		second := start("second")
		for _, m := range replicas {
			now(ctx, isReady(m))
		}
		now(ctx, func(ctx context.Context) error {
			if leads(second)(ctx) == nil {
				return errors.New("both lead")
			}
			return nil
		})

		o := newOrganization(ctx)
		group := func(role string) {
			o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: `+role+`}]}`)
		}
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		group("Viewer")
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.holds(ana, "red", "Viewer"))
		eventually(ctx, all(o.says("ApplicationAccess", "red", ready()), o.says("UserAccess", userName(ana), ready())))
		settled := writes(ctx)
		holder := holderOf(ctx, installed)

		By("stopping the leader")
		stopped := time.Now()
		Expect(first.Stop()).To(Succeed())
		group("Editor")
		o.waitReady(ctx, "accessgroup", "team")
		took := time.Since(stopped)
		GinkgoWriter.Println("the other one had published a change after", took)
		// A lease that is not released takes 15 s to expire.
		Expect(took).To(BeNumerically("<", 8*time.Second))
		now(ctx, all(o.holds(ana, "red", "Editor"), leads(second), isReady(second)))
		Expect(holderOf(ctx, installed)).NotTo(Equal(holder))

		By("counting the requests")
		eventually(ctx, o.says("UserAccess", userName(ana), ready()))
		counted := writes(ctx)
		// One change: the two documents that contain it, and the statuses that report it.
		Expect(counted["PUT configmaps/"] - settled["PUT configmaps/"]).To(BeEquivalentTo(2))
		Expect(counted["POST configmaps/"]).To(Equal(settled["POST configmaps/"]))
		Expect(counted["DELETE configmaps/"]).To(Equal(settled["DELETE configmaps/"]))
		Expect(counted["POST useraccesses/"]).To(Equal(settled["POST useraccesses/"]))

		By("stopping the last one")
		Expect(second.Stop()).To(Succeed())
	})
})

// isReady checks that the replica is ready, whether it is the leader or not.
func isReady(m *cluster.Manager) check {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.HealthURL()+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("replica %d is not ready: %s", m.PID(), response.Status)
		}
		return nil
	}
}

// leads checks that the replica is the leader.
func leads(m *cluster.Manager) check {
	return func(ctx context.Context) error {
		samples, err := samplesOf(ctx, m)
		if err != nil {
			return err
		}
		for _, s := range samples {
			if s.name == "leader_election_master_status" && s.value == 1 {
				return nil
			}
		}
		return fmt.Errorf("replica %d does not lead", m.PID())
	}
}

func holderOf(ctx context.Context, in string) string {
	GinkgoHelper()
	var leases coordinationv1.LeaseList
	Expect(kube.List(ctx, &leases, client.InNamespace(in))).To(Succeed())
	Expect(leases.Items).To(HaveLen(1))
	Expect(leases.Items[0].Spec.HolderIdentity).NotTo(BeNil())
	return *leases.Items[0].Spec.HolderIdentity
}

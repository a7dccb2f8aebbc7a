package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	validatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/resourcequota"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/validatingadmissionpolicystatus"
	quotainstall "k8s.io/kubernetes/pkg/quota/v1/install"
	tokens "k8s.io/kubernetes/pkg/serviceaccount"
)

const (
	// The defaults of kube-controller-manager.
	workers              = 5
	garbageWorkers       = 20
	namespaceWorkers     = 10
	discoverySyncPeriod  = 30 * time.Second
	controllerSyncPeriod = 5 * time.Minute
)

// controllers are the controllers in start order. Each acts as the service account of that name in kube-system, as in
// any cluster, because admission distinguishes controllers by it. The calls follow those in kube-controller-manager
// (cmd/kube-controller-manager/app).
var controllers = []struct {
	name  string
	build func(context.Context, *manager) (func(context.Context), error)
}{
	{"service account token", newTokens},
	{"service account", newServiceAccounts},
	{"root CA certificate publisher", newRootCAPublisher},
	{"cluster role aggregation", newClusterRoleAggregation},
	{"namespace", newNamespaces},
	{"garbage", newGarbageCollector},
	{"resource quota", newResourceQuotas},
	{"validating admission policy status", newPolicyStatus},
}

func newTokens(ctx context.Context, m *manager) (func(context.Context), error) {
	key, err := keyutil.PrivateKeyFromFile(m.privateKey)
	if err != nil {
		return nil, fmt.Errorf("read the key that signs tokens: %w", err)
	}
	rootCA, err := os.ReadFile(m.rootCA)
	if err != nil {
		return nil, fmt.Errorf("read the root certificate: %w", err)
	}
	generator, err := tokens.JWTTokenGenerator(tokens.LegacyIssuer, key)
	if err != nil {
		return nil, err
	}
	// This is the only controller with the manager's own identity. It creates the tokens of all others.
	client, err := kubernetes.NewForConfig(m.config)
	if err != nil {
		return nil, err
	}
	c, err := serviceaccount.NewTokensController(klog.FromContext(ctx),
		m.informers.Core().V1().ServiceAccounts(), m.informers.Core().V1().Secrets(), client,
		serviceaccount.TokensControllerOptions{TokenGenerator: generator, RootCA: rootCA})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func newServiceAccounts(ctx context.Context, m *manager) (func(context.Context), error) {
	client, err := m.clients.Client("service-account-controller")
	if err != nil {
		return nil, err
	}
	c, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx),
		m.informers.Core().V1().ServiceAccounts(), m.informers.Core().V1().Namespaces(), client,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 1) }, nil
}

func newRootCAPublisher(_ context.Context, m *manager) (func(context.Context), error) {
	rootCA, err := os.ReadFile(m.rootCA)
	if err != nil {
		return nil, fmt.Errorf("read the root certificate: %w", err)
	}
	client, err := m.clients.Client("root-ca-cert-publisher")
	if err != nil {
		return nil, err
	}
	c, err := rootcacertpublisher.NewPublisher(
		m.informers.Core().V1().ConfigMaps(), m.informers.Core().V1().Namespaces(), client, rootCA)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 1) }, nil
}

func newClusterRoleAggregation(_ context.Context, m *manager) (func(context.Context), error) {
	client, err := m.clients.Client("clusterrole-aggregation-controller")
	if err != nil {
		return nil, err
	}
	c := clusterroleaggregation.NewClusterRoleAggregation(m.informers.Rbac().V1().ClusterRoles(), client.RbacV1())
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func newNamespaces(ctx context.Context, m *manager) (func(context.Context), error) {
	config, err := m.clients.Config("namespace-controller")
	if err != nil {
		return nil, err
	}
	// It lists and deletes objects of every kind.
	config.QPS *= 20
	config.Burst *= 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c := namespace.NewNamespaceController(ctx, client, metadataClient,
		client.Discovery().ServerPreferredNamespacedResources,
		m.informers.Core().V1().Namespaces(), controllerSyncPeriod, corev1.FinalizerKubernetes)
	return func(ctx context.Context) { c.Run(ctx, namespaceWorkers) }, nil
}

func newGarbageCollector(ctx context.Context, m *manager) (func(context.Context), error) {
	const account = "generic-garbage-collector"
	client, err := m.clients.Client(account)
	if err != nil {
		return nil, err
	}
	discovery, err := m.clients.DiscoveryClient(account)
	if err != nil {
		return nil, err
	}
	config, err := m.clients.Config(account)
	if err != nil {
		return nil, err
	}
	// A deletion takes two requests.
	config.QPS *= 2
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	graph := garbagecollector.NewDependencyGraphBuilder(
		ctx, m.metadata, m.mapper, garbagecollector.DefaultIgnoredResources(), m.either, m.started)
	c, err := garbagecollector.NewComposedGarbageCollector(ctx, client, metadataClient, m.mapper, graph)
	if err != nil {
		return nil, err
	}
	return both(
		func(ctx context.Context) { c.Run(ctx, garbageWorkers, discoverySyncPeriod) },
		func(ctx context.Context) { c.Sync(ctx, discovery, discoverySyncPeriod) },
	), nil
}

func newResourceQuotas(ctx context.Context, m *manager) (func(context.Context), error) {
	const account = "resourcequota-controller"
	client, err := m.clients.Client(account)
	if err != nil {
		return nil, err
	}
	discovery, err := m.clients.DiscoveryClient(account)
	if err != nil {
		return nil, err
	}
	quota, err := quotainstall.NewQuotaConfigurationForControllers(
		generic.ListerFuncForResourceFunc(m.informers.ForResource), m.informers)
	if err != nil {
		return nil, err
	}
	c, err := resourcequota.NewController(ctx, &resourcequota.ControllerOptions{
		QuotaClient:               client.CoreV1(),
		ResourceQuotaInformer:     m.informers.Core().V1().ResourceQuotas(),
		ResyncPeriod:              controller.StaticResyncPeriodFunc(controllerSyncPeriod),
		InformerFactory:           m.either,
		ReplenishmentResyncPeriod: controller.StaticResyncPeriodFunc(resync),
		DiscoveryFunc:             discovery.ServerPreferredNamespacedResources,
		IgnoredResourcesFunc:      quota.IgnoredResources,
		InformersStarted:          m.started,
		Registry:                  generic.NewRegistry(quota.Evaluators()),
		UpdateFilter:              quotainstall.DefaultUpdateFilter(),
	})
	if err != nil {
		return nil, err
	}
	return both(
		func(ctx context.Context) { c.Run(ctx, workers) },
		func(ctx context.Context) {
			c.Sync(ctx, discovery.ServerPreferredNamespacedResources, discoverySyncPeriod)
		},
	), nil
}

func newPolicyStatus(_ context.Context, m *manager) (func(context.Context), error) {
	const account = "validatingadmissionpolicy-status-controller"
	discovery, err := m.clients.DiscoveryClient(account)
	if err != nil {
		return nil, err
	}
	client, err := m.clients.Client(account)
	if err != nil {
		return nil, err
	}
	c, err := validatingadmissionpolicystatus.NewController(
		m.informers.Admissionregistration().V1().ValidatingAdmissionPolicies(),
		client.AdmissionregistrationV1().ValidatingAdmissionPolicies(),
		&validatingpolicy.TypeChecker{
			SchemaResolver: &resolver.ClientDiscoveryResolver{Discovery: discovery},
			RestMapper:     m.mapper,
		})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

// both runs two loops concurrently and returns when both have ended.
func both(first, second func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		var running sync.WaitGroup
		running.Go(func() { first(ctx) })
		running.Go(func() { second(ctx) })
		running.Wait()
	}
}

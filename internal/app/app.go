// Package app is the composition root of the subcommands of usher: it parses flags, creates the components and connects
// them.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/controller"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
	webhookv1alpha1 "github.com/usher-dev/usher/internal/webhook/v1alpha1"
)

// Version is the version of this build.
var Version = "dev"

// gcPercent is how far the heap may grow, in percent of the live heap, before the garbage collector runs. Nearly all
// memory is the roster and the cache, which are long-lived, so 50% is enough at the cost of some CPU time. GOGC in the
// environment overrides it.
const gcPercent = 50

// lazily returns a core that encodes the values of [zapcore.Core.With] only when it writes the first line. Most
// reconciles write no line.
func lazily(core zapcore.Core) zapcore.Core { return lazyCore{core} }

type lazyCore struct{ zapcore.Core }

// With returns a core that adds the fields to its lines.
func (c lazyCore) With(fields []zapcore.Field) zapcore.Core {
	return lazyCore{zapcore.NewLazyWith(c.Core, fields)}
}

// unsampled returns a logger that keeps every line. The default logger drops repeated lines beyond a hundred in a
// second.
func unsampled(options zap.Options) logr.Logger {
	options.Level = zapcore.Level(-2) // at this level and below, nothing is sampled; the audit has no lines this verbose
	return zap.New(zap.UseFlagOptions(&options))
}

// leaseName is the name of the leader election lease.
const leaseName = "usher.access.usher.dev"

// Run runs the manager until the context ends.
func Run(ctx context.Context, config *rest.Config, options Options) error {
	start, err := begin(ctx, config, options.OrganizationSelector)
	if err != nil {
		return err
	}
	admission, err := newAdmissionServer(options.Webhook)
	if err != nil {
		return err
	}
	managerOptions := manager.Options{
		Scheme:                        start.scheme,
		Cache:                         cacheOptions(),
		LeaderElection:                options.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       options.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        options.HealthProbeBindAddress,
		Metrics:                       metricsOptions(options.MetricsBindAddress, options.MetricsSecure),
	}
	writer := start.config
	f := &fence{now: time.Now}
	if options.LeaderElect {
		managerOptions.RenewDeadline, managerOptions.LeaderElectionConfig = new(renewDeadline), f.elector(start.config)
		writer = f.writer(start.config)
	}
	if admission != nil {
		managerOptions.WebhookServer = admission.server
		admission.caches(managerOptions.Cache.ByObject)
	}
	mgr, err := ctrl.NewManager(start.config, managerOptions)
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	writes, err := newWriter(mgr, writer)
	if err != nil {
		return err
	}
	return run(ctx, mgr, writes, f, options, roster.Options{
		SystemNamespace: options.SystemNamespace, Organizations: start.organizations, HasNamespaces: true,
	}, admission)
}

// beginning is what every process with a roster needs first.
type beginning struct {
	organizations labels.Selector
	scheme        *runtime.Scheme
	config        *rest.Config
}

// begin returns an error if the API server has a later version of the kinds.
func begin(ctx context.Context, config *rest.Config, organizationSelector string) (beginning, error) {
	selector, err := labels.Parse(organizationSelector)
	if err != nil {
		return beginning{}, fmt.Errorf("--organization-selector: %w", err)
	}
	scheme, err := newScheme()
	if err != nil {
		return beginning{}, err
	}
	config = clientConfig(config)
	if err := checkKinds(ctx, config); err != nil {
		return beginning{}, err
	}
	return beginning{selector, scheme, config}, nil
}

// clientConfig returns the configuration of a client that watches.
func clientConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	// The API server's priority and fairness is the limit. A client-side limit would only delay revocations.
	config.QPS = -1
	// With compression, the API server would compress every watch event for this client alone. The cluster network has
	// more capacity to spare than the processors on either side.
	config.DisableCompression = true
	config.UserAgent = "usher/" + Version
	return config
}

func newWriter(mgr ctrl.Manager, config *rest.Config) (*publish.Writer, error) {
	connections, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("creating the client that writes: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: connections})
	if err != nil {
		return nil, fmt.Errorf("creating the client that writes: %w", err)
	}
	return publish.NewWriter(c, config, connections), nil
}

// mostEvaluations is the budget of one settlement for computing the ends of entries. It is less than a second of work.
// Typical organizations need much less.
const mostEvaluations = 1_000_000

func run(
	ctx context.Context, mgr ctrl.Manager, writes *publish.Writer, f *fence, options Options, rosterOptions roster.Options,
	admission *admissionServer,
) error {
	measured := controller.NewMetrics(metrics.Registry)
	rosterOptions.Evaluations = mostEvaluations
	fed := feed.New(roster.New(rosterOptions), mgr.GetCache(), options.Now)
	reconciler := controller.New(fed, &publish.Publisher{
		Client:   client.WithFieldOwner(writes, publish.FieldManager),
		Live:     mgr.GetAPIReader(),
		Observed: publish.NewObserved(),
		Grace:    options.DocumentGrace,
		Now:      options.Now,
		Wrote:    measured.Wrote,
	}, measured)
	reconciler.Recorder = mgr.GetEventRecorder("usher")
	metrics.Registry.MustRegister(reconciler.Collector(), buildInfo())
	auditing := logr.New(options.Audit)
	requesters := webhookv1alpha1.NewRequesters(auditing)
	audit := controller.NewAudit(auditing, requesters.Of, measured)
	reconciler.Audit, reconciler.LastLed = audit, f.leader
	if err := errors.Join(mgr.Add(fed), mgr.Add(audit)); err != nil {
		return fmt.Errorf("adding the feed: %w", err)
	}
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return err
	}
	if admission != nil {
		if err := admission.setup(mgr, fed, rosterOptions, requesters, options.Now); err != nil {
			return err
		}
	}
	if err := setupNotices(mgr, writes, fed, reconciler, options); err != nil {
		return err
	}
	if err := setupPDPCertificate(mgr, options.PDP, writes, time.Now); err != nil {
		return err
	}
	alive := func(*http.Request) error { return fed.Alive() }
	if err := mgr.AddHealthzCheck("roster", alive); err != nil {
		return fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("roster", rosterCheck(fed)); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	return mgr.Start(ctx)
}

// buildInfo returns a metric with the running version as a label.
func buildInfo() prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "usher_build_info", Help: "Always 1, with the running version as a label.",
	}, []string{"version"})
	info.WithLabelValues(Version).Set(1)
	return info
}

// rosterCheck returns a health check that passes when this replica knows all objects.
func rosterCheck(fed *feed.Feed) healthz.Checker {
	return func(*http.Request) error {
		if !fed.IsReady() {
			return errors.New("the initial lists of all kinds have not been handled yet")
		}
		return nil
	}
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	if err := accessv1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	return scheme, nil
}

// cacheOptions reduce objects to the parts that are used: only published ConfigMaps with a digest instead of the data,
// objects of the four kinds without managed fields and with only the conditions of their status, and the labels of
// namespaces.
func cacheOptions() cache.Options {
	ours := labels.SelectorFromSet(labels.Set{accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy})
	made := rosterCacheOptions()
	made.ByObject[&corev1.ConfigMap{}] = cache.ByObject{Label: ours, Transform: func(object any) (any, error) {
		if cm, ok := object.(*corev1.ConfigMap); ok {
			publish.Observe(cm)
		}
		return object, nil
	}}
	return made
}

// rosterCacheOptions are those of what the roster is made of.
func rosterCacheOptions() cache.Options {
	kind := cache.ByObject{Transform: func(object any) (any, error) {
		if o, ok := object.(client.Object); ok {
			controller.ObserveStatus(o)
		}
		return object, nil
	}}
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&accessv1alpha1.AccessGroup{}:       kind,
			&accessv1alpha1.UserAccess{}:        kind,
			&accessv1alpha1.ApplicationAccess{}: kind,
			&accessv1alpha1.AccessPolicy{}:      kind,
			&corev1.Namespace{}: {Transform: func(object any) (any, error) {
				if n, ok := object.(*corev1.Namespace); ok {
					n.ManagedFields, n.Annotations, n.Spec, n.Status = nil, nil, corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
				}
				return object, nil
			}},
		},
	}
}

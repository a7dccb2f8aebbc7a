// Package app is the composition root of the subcommands of usher: it turns flags into parts and connects them.
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

// Version is what the build says it is.
var Version = "dev"

// gcPercent is how far the heap may grow, in percent of what is kept, before the garbage collector runs. Nearly all
// memory is the roster and the cache, which stay: half as much again is room enough, at some processor time. GOGC in the
// environment says otherwise.
const gcPercent = 50

// lazily has a log encode the values that all its lines carry when it writes the first one: for most objects that are
// reconciled it writes none.
func lazily(core zapcore.Core) zapcore.Core { return lazyCore{core} }

type lazyCore struct{ zapcore.Core }

// With returns a log whose lines carry the fields too.
func (c lazyCore) With(fields []zapcore.Field) zapcore.Core {
	return lazyCore{zapcore.NewLazyWith(c.Core, fields)}
}

// unsampled is a log that keeps every line: the usual one drops all but a hundred alike in a second.
func unsampled(options zap.Options) logr.Logger {
	options.Level = zapcore.Level(-2) // from which on nothing is sampled; no line of the audit is that verbose
	return zap.New(zap.UseFlagOptions(&options))
}

// leaseName is the name of the leader's lease.
const leaseName = "usher.access.usher.dev"

// Run runs the manager until the context ends.
func Run(ctx context.Context, config *rest.Config, options Options) error {
	selector, err := labels.Parse(options.OrganizationSelector)
	if err != nil {
		return fmt.Errorf("--organization-selector: %w", err)
	}
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	config = clientConfig(config)
	if err := checkKinds(ctx, config); err != nil {
		return err
	}
	admission, err := newAdmissionServer(options.Webhook)
	if err != nil {
		return err
	}
	made := manager.Options{
		Scheme:                        scheme,
		Cache:                         cacheOptions(),
		LeaderElection:                options.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       options.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        options.HealthProbeBindAddress,
		Metrics:                       metricsOptions(options.MetricsBindAddress, options.MetricsSecure),
	}
	writer := config
	if options.LeaderElect {
		f := &fence{now: time.Now}
		made.RenewDeadline, made.LeaderElectionConfig, writer = new(renewDeadline), f.elector(config), f.writer(config)
	}
	if admission != nil {
		made.WebhookServer = admission.server
		admission.caches(made.Cache.ByObject)
	}
	mgr, err := ctrl.NewManager(config, made)
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	writes, err := newWriter(mgr, writer)
	if err != nil {
		return err
	}
	return run(ctx, mgr, writes, options, roster.Options{
		SystemNamespace: options.SystemNamespace, Organizations: selector, HasNamespaces: true,
	}, admission)
}

// clientConfig returns the configuration of a client that watches.
func clientConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	// The API server's own priority and fairness is the limit; one of ours would only delay a revocation.
	config.QPS = -1
	// The API server would compress the watches for this client alone, every event by itself. Between the two there is a
	// network of the cluster's, which has more to spare than either has processors.
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

// mostEvaluations is the budget of one settling for the ends of entries: less than a second of work. Ordinary organizations
// do not come near it.
const mostEvaluations = 1_000_000

func run(
	ctx context.Context, mgr ctrl.Manager, writes *publish.Writer, options Options, rosterOptions roster.Options, admission *admissionServer,
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
	reconciler.Audit = audit
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

// buildInfo says in a metric which version runs.
func buildInfo() prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "usher_build_info", Help: "1, by the version that runs.",
	}, []string{"version"})
	info.WithLabelValues(Version).Set(1)
	return info
}

// rosterCheck returns a check of whether this replica knows all objects.
func rosterCheck(fed *feed.Feed) healthz.Checker {
	return func(*http.Request) error {
		if !fed.IsReady() {
			return errors.New("the first lists of all kinds have not been handled yet")
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

// cacheOptions keep what is used: of ConfigMaps only ours and of them a digest, of the four kinds no managed fields and
// of their status only the conditions, of namespaces their labels.
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

package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/usher-dev/usher/internal/follow"
)

const (
	// followMemoryLimit is what the garbage collector of a sidecar aims at. GOMEMLIMIT in the environment wins.
	followMemoryLimit = 10 << 20
	// dropInterval is how often the pages of the program that are no longer used leave the memory.
	dropInterval = 5 * time.Second
)

// FollowOptions are the flags of the sidecar.
type FollowOptions struct {
	Namespace  string
	ConfigMaps []string
	Directory  string

	HealthProbeBindAddress string
}

// AddFlags adds the flags with their defaults.
func (o *FollowOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Namespace, "namespace", "", "The namespace of the ConfigMaps. Required.")
	flags.StringSliceVar(&o.ConfigMaps, "configmap", nil, "A ConfigMap to follow, by its name. It need not exist. May be repeated; at least one is required.")
	flags.StringVar(&o.Directory, "directory", "",
		"Where the files are kept, as DIRECTORY/CONFIGMAP/KEY. Nothing else may write there. Required.")
	flags.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", ":8081",
		`The address of /healthz and /readyz. "0" turns them off.`)
}

// Validate returns every flag's error.
func (o *FollowOptions) Validate() error {
	var failures []error
	for _, problem := range validation.IsDNS1123Label(o.Namespace) {
		failures = append(failures, fmt.Errorf("--namespace %q: %s", o.Namespace, problem))
	}
	if len(o.ConfigMaps) == 0 {
		failures = append(failures, errors.New("--configmap: give at least one"))
	}
	seen := map[string]bool{}
	for _, name := range o.ConfigMaps {
		for _, problem := range validation.IsDNS1123Subdomain(name) {
			failures = append(failures, fmt.Errorf("--configmap %q: %s", name, problem))
		}
		if seen[name] {
			failures = append(failures, fmt.Errorf("--configmap %q: it is given twice", name))
		}
		seen[name] = true
	}
	if o.Directory == "" {
		failures = append(failures, errors.New("--directory: give the directory for the files"))
	}
	return errors.Join(failures...)
}

// newFollowCommand returns a command that runs the sidecar.
func newFollowCommand() *cobra.Command {
	options := FollowOptions{}
	command := newSubcommand("follow", "Keep ConfigMaps as files, current within a second")
	common := addCommonFlags(command)
	options.AddFlags(command.Flags())
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := options.Validate(); err != nil {
			return err
		}
		config, err := common.setUp()
		if err != nil {
			return err
		}
		if debug.SetMemoryLimit(-1) == math.MaxInt64 {
			debug.SetMemoryLimit(followMemoryLimit)
		}
		return RunFollow(command.Context(), config, options)
	}
	return command
}

// RunFollow runs the sidecar until the context ends.
func RunFollow(ctx context.Context, config *rest.Config, options FollowOptions) error {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.QPS = -1
	config.UserAgent = "usher-follow/" + Version
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("creating the client: %w", err)
	}
	follower := &follow.Follower{
		Client: client.ConfigMaps(options.Namespace), Directory: options.Directory, ConfigMaps: options.ConfigMaps,
		Log: ctrl.Log.WithName("follow").WithValues("namespace", options.Namespace),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		wait.UntilWithContext(ctx, func(context.Context) {
			if err := dropProgramPages(); err != nil {
				follower.Log.V(1).Info("The pages of the program stay in memory", "reason", err.Error())
			}
		}, dropInterval)
		return nil
	})
	if options.HealthProbeBindAddress != "0" {
		probes, err := newProbeServer(ctx, options.HealthProbeBindAddress, follower.Ready)
		if err != nil {
			return err
		}
		group.Go(func() error { return probes.Start(ctx) })
	}
	group.Go(func() error { return follower.Run(ctx) })
	return group.Wait()
}

// newProbeServer returns a server that answers /healthz always, and /readyz by the check.
func newProbeServer(ctx context.Context, address string, ready func() error) (*manager.Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--health-probe-bind-address: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/healthz", healthz.CheckHandler{Checker: healthz.Ping})
	mux.Handle("/readyz", healthz.CheckHandler{Checker: func(*http.Request) error { return ready() }})
	return &manager.Server{
		Name:            "probes",
		Server:          &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second, MaxHeaderBytes: 16 << 10},
		Listener:        listener,
		ShutdownTimeout: new(time.Second),
	}, nil
}

package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/usher-dev/usher/internal/scim"
	"github.com/usher-dev/usher/internal/server"
)

const (
	// scimConnections bounds the connections to the SCIM server; a gateway shares few of them between many requests.
	scimConnections = 2048
	// scimHeaderBytes is room for the path, a filter and the token of a request.
	scimHeaderBytes = 64 << 10
)

// newSCIMCommand returns a command that runs the SCIM server.
func newSCIMCommand() *cobra.Command {
	options := SCIMOptions{Now: time.Now}
	command := newSubcommand("scim", "Let identity providers keep users and groups up to date by SCIM 2.0")
	// There is no --kubeconfig, because the server acts with the tokens of its callers only.
	common := addLogFlags(command)
	options.AddFlags(command.Flags())
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := options.Validate(); err != nil {
			return err
		}
		common.setUpProcess()
		return RunSCIM(command.Context(), options)
	}
	return command
}

// RunSCIM runs the SCIM server until the context ends.
func RunSCIM(ctx context.Context, options SCIMOptions) error {
	host, err := options.apiServer()
	if err != nil {
		return err
	}
	// The configuration has no credentials.
	config := clientConfig(&rest.Config{Host: host, TLSClientConfig: rest.TLSClientConfig{CAFile: options.APIServerCA}})
	attributes, err := scim.NewAttributes(options.Attributes)
	if err != nil {
		return fmt.Errorf("--attribute %w", err)
	}
	connector, err := scim.NewConnector(config, "usher-scim/"+Version)
	if err != nil {
		return err
	}
	measured := metricsOptions(options.MetricsBindAddress, options.MetricsSecure)
	if options.MetricsSecure {
		measured.FilterProvider = selfAuthorizedMetrics
	}
	mgr, err := ctrl.NewManager(config, manager.Options{
		HealthProbeBindAddress: options.HealthProbeBindAddress, Metrics: measured,
	})
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	log := ctrl.Log.WithName("scim")
	served := server.New(server.Options{
		Name: "the SCIM server", Address: options.BindAddress, CertificateDir: options.CertificateDir,
		Handler: scim.NewServer(scim.Options{
			Connector: connector, UserAttribute: scim.UserAttribute(options.UserAttribute), Attributes: attributes,
			Metrics: scim.NewMetrics(metrics.Registry), Now: options.Now, Log: log,
		}),
		Connections: scimConnections, ConnectionsPerAddress: scimConnections / 4,
		RequestTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, ShutdownTimeout: 20 * time.Second,
		HeaderBytes: scimHeaderBytes, Log: log,
	})
	metrics.Registry.MustRegister(buildInfo())
	err = errors.Join(
		mgr.Add(served),
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("server", served.Check),
	)
	if err != nil {
		return fmt.Errorf("adding the server: %w", err)
	}
	return mgr.Start(ctx)
}

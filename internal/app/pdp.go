package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/usher-dev/usher/internal/decision"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/server"
)

const (
	// pdpConnections bounds the connections to the decision point. A gateway uses one for each request in progress.
	pdpConnections = 8192
	// pdpHeaderBytes is room for the path and the tokens of a request to a gateway.
	pdpHeaderBytes = 64 << 10
)

// newPDPCommand returns a command that runs the decision point.
func newPDPCommand() *cobra.Command {
	options := PDPOptions{Now: time.Now}
	command := newSubcommand("pdp", "Answer over HTTP who may do what in which application")
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
		return RunPDP(command.Context(), config, options)
	}
	return command
}

// RunPDP runs the decision point until the context ends. Each replica has its own roster, and there is no leader.
func RunPDP(ctx context.Context, config *rest.Config, options PDPOptions) error {
	start, err := begin(ctx, config, options.OrganizationSelector)
	if err != nil {
		return err
	}
	contact := decision.NewContact(options.Now, "namespaces", "accesspolicies", "applicationaccesses", "accessgroups", "useraccesses")
	watching := rest.CopyConfig(start.config)
	watching.Wrap(contact.Wrap)
	mgr, err := ctrl.NewManager(watching, manager.Options{
		Scheme: start.scheme, Cache: rosterCacheOptions(),
		HealthProbeBindAddress: options.HealthProbeBindAddress,
		Metrics:                metricsOptions(options.MetricsBindAddress, options.MetricsSecure),
	})
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	fed := feed.New(roster.New(roster.Options{
		SystemNamespace: options.SystemNamespace, Organizations: start.organizations, HasNamespaces: true, Evaluations: mostEvaluations,
	}), mgr.GetCache(), options.Now)
	if err := mgr.Add(fed); err != nil {
		return fmt.Errorf("adding the feed: %w", err)
	}
	served, answering, err := newPDPServer(ctx, start.config, options, fed, contact)
	if err != nil {
		return err
	}
	metrics.Registry.MustRegister(buildInfo())
	err = errors.Join(
		mgr.Add(served),
		mgr.AddHealthzCheck("roster", reported(mgr.GetLogger(), "alive", func(*http.Request) error { return fed.Alive() })),
		mgr.AddReadyzCheck("answers", reported(mgr.GetLogger(), "answers", func(*http.Request) error { return answering.Current() })),
		mgr.AddReadyzCheck("server", reported(mgr.GetLogger(), "server", served.Check)),
	)
	if err != nil {
		return fmt.Errorf("adding the server: %w", err)
	}
	return mgr.Start(ctx)
}

// newPDPServer returns the server, and what answers questions in it.
func newPDPServer(
	ctx context.Context, config *rest.Config, options PDPOptions, fed *feed.Feed, contact *decision.Contact,
) (*server.Server, *decision.Server, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the client that reviews callers: %w", err)
	}
	users, err := newUsers(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	// The roster settles every few seconds, whether something has changed or not.
	age := func() time.Duration {
		current := contact.Last()
		if settled := time.Unix(fed.SettledAt(), 0); settled.Before(current) {
			current = settled
		}
		return max(0, options.Now().Sub(current))
	}
	measured := decision.NewMetrics(metrics.Registry, age)
	answering := decision.NewServer(decision.Options{
		View: fed.Roster.View, Ready: fed.Ready(), Age: age, MaxStaleness: options.MaxStaleness,
		ApplicationTypes: options.ApplicationTypes,
		Callers: decision.NewCallers(clients.AuthenticationV1().TokenReviews(), clients.AuthorizationV1().SubjectAccessReviews(),
			measured, options.Now),
		Users: users, Metrics: measured, Now: options.Now, Log: ctrl.Log.WithName("pdp"),
	})
	return server.New(server.Options{
		Name: "the decision point", Address: options.BindAddress, Handler: answering, CertificateDir: options.CertificateDir,
		RequestsClientCertificate: users.Header != "",
		Connections:               pdpConnections, ConnectionsPerAddress: pdpConnections / 4,
		RequestTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, ShutdownTimeout: 20 * time.Second,
		HeaderBytes: pdpHeaderBytes, Log: ctrl.Log.WithName("pdp"),
	}), answering, nil
}

// newUsers returns what finds the user of a check.
func newUsers(ctx context.Context, options PDPOptions) (*decision.Users, error) {
	users := &decision.Users{}
	if options.AuthenticationConfig != "" {
		text, err := os.ReadFile(options.AuthenticationConfig)
		if err != nil {
			return nil, fmt.Errorf("--authentication-config: %w", err)
		}
		if users.Tokens, err = decision.NewTokens(ctx, text); err != nil {
			return nil, fmt.Errorf("--authentication-config %s: %w", options.AuthenticationConfig, err)
		}
	}
	if options.UserHeader != "" {
		authorities, err := dynamiccertificates.NewDynamicCAContentFromFile("user-header-client-ca", options.UserHeaderClientCA)
		if err != nil {
			return nil, fmt.Errorf("--user-header-client-ca: %w", err)
		}
		go authorities.Run(ctx, 1)
		users.Header = options.UserHeader
		users.Peers = decision.NewPeers(options.UserHeader, authorities, options.UserHeaderClientNames)
	}
	return users, nil
}

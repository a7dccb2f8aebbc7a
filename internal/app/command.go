package app

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	uberzap "go.uber.org/zap"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// NewCommand returns the command of the program. Each subcommand is a separate program with its own flags. Without a
// subcommand, the manager runs.
func NewCommand() *cobra.Command {
	root := newManagerCommand("usher")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newManagerCommand("manager"), newPDPCommand(), newFollowCommand(), newSCIMCommand())
	return root
}

// newManagerCommand returns a command that runs the manager.
func newManagerCommand(use string) *cobra.Command {
	options := Options{Now: time.Now}
	command := newSubcommand(use, "Resolve users' access to applications and publish it")
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
		if options.AuditLog {
			options.Audit = unsampled(common.logging).WithName("audit").GetSink()
		}
		return Run(command.Context(), config, options)
	}
	return command
}

// newSubcommand returns a command without flags and arguments.
func newSubcommand(use, short string) *cobra.Command {
	return &cobra.Command{
		Use:           use,
		Short:         short,
		Args:          cobra.NoArgs,
		Version:       Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
}

// commonFlags are the flags that every subcommand has: those of the log, and --kubeconfig.
type commonFlags struct{ logging zap.Options }

// addCommonFlags adds these flags to the command.
func addCommonFlags(command *cobra.Command) *commonFlags {
	common := addLogFlags(command)
	goFlags := flag.NewFlagSet("", flag.ContinueOnError)
	config.RegisterFlags(goFlags)
	command.Flags().AddGoFlagSet(goFlags)
	return common
}

// libraryVerbosity is the verbosity of lines of the standard library's logger. net/http logs every failed TLS handshake, so
// any peer could otherwise fill the log.
const libraryVerbosity = 1

// setLogger makes all lines those of one logger: also the lines of client-go and of the standard library.
func setLogger(log logr.Logger) {
	ctrl.SetLogger(log)
	klog.SetLogger(log.WithName("client-go"))
	slog.SetDefault(slog.New(logr.ToSlogHandler(log.WithName("go"))))
	slog.SetLogLoggerLevel(slog.Level(-libraryVerbosity))
}

// addLogFlags adds only the flags of the log to the command.
func addLogFlags(command *cobra.Command) *commonFlags {
	common := &commonFlags{}
	goFlags := flag.NewFlagSet("", flag.ContinueOnError)
	common.logging.BindFlags(goFlags)
	command.Flags().AddGoFlagSet(goFlags)
	return common
}

// setUpProcess sets up the log and the garbage collector.
func (c *commonFlags) setUpProcess() {
	setLogger(zap.New(zap.UseFlagOptions(&c.logging), zap.RawZapOpts(uberzap.WrapCore(withoutProbes), uberzap.WrapCore(lazily))))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// setUp is setUpProcess, and returns the configuration of the API server's client.
func (c *commonFlags) setUp() (*rest.Config, error) {
	c.setUpProcess()
	found, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	return found, nil
}

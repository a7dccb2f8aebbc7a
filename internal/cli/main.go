package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

// Version is the version of the plugin, which the linker sets.
var Version = "dev"

// exit is an error with an exit code. An error without a message was already reported.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// Main runs the plugin and returns its exit code. It uses the clock if --at is not set.
func Main(ctx context.Context, args []string, streams terminal.Streams, clock func() time.Time) int {
	o := newOptions(streams, clock)
	root := newRoot(o) //nolint:contextcheck // below, the command receives the context
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	called, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	code := 1
	if called != nil && called.Annotations[errorCode] != "" {
		code = 2
	}
	var e *exit
	if errors.As(err, &e) {
		code = e.code
		if e.err == nil {
			return code
		}
	}
	// A failure to write the error is harmless.
	_, _ = fmt.Fprintln(streams.ErrOut, "error: "+terminal.EscapeLines(strings.TrimSpace(err.Error())))
	return code
}

// errorCode is the annotation of commands that use exit code 1 as an answer. Their errors have exit code 2.
const errorCode = "access.usher.dev/error-code-2"

func newRoot(o *options) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-access",
		Short: "Who may do what, and why",
		Long: `Answers who may do what in which application, and why.

Answers come from the objects of the cluster that kubectl uses, or from files with -f or -k and without a cluster. The
plugin applies the same rules as the manager.`,
		Example: `  # Who may do what, in the files of a directory
  kubectl access matrix -f config/samples -R

  # Explain the access of amelie in finance
  kubectl access explain amelie@acme.example -a finance -n analytics`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl access"},
		Version:       Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w\nSee '%s --help'", err, c.CommandPath())
	})
	o.addFlags(root)
	root.AddCommand(
		newCan(o), newList(o), newWhoCan(o), newExplain(o), newMatrix(o), newDiff(o), newReport(o), newLint(o),
		newMembers(o), newSetRole(o), newRemoveRole(o), newExport(o), newImport(o), newNotify(o), newReview(o), newUI(o),
	)
	for _, c := range root.Commands() {
		c.DisableFlagsInUseLine = true
	}
	return root
}

package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/report"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// lint reports what admission would report.
type lint struct {
	options *options
	output  *output
	strict  bool
	rights  bool
}

func newLint(o *options) *cobra.Command {
	l := &lint{options: o}
	command := &cobra.Command{
		Use:   "lint (-f FILE|DIR|- | -k DIR)",
		Short: "Check files as admission would",
		Long: `Reports what admission would say about the objects in files, with file and line and without a cluster: violations of the
schemas and rules of the kinds, errors that involve two objects, and warnings. It also warns of a selector that selects
nothing, and of an attribute that no member of the group has.

It assumes that all objects are new, and that no others exist. It cannot check who may grant a role, because only the
cluster knows that. --rights lists the rights that creating each object requires if the others exist.

Exit code: 0 no refusals, 1 refusals (with --strict also warnings), 2 error.`,
		Example: `  # In the checks of a pull request
  kubectl access lint -f access -R --strict

  # For a program
  kubectl access lint -k deploy/access -o json`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{errorCode: "true"},
		RunE:        func(command *cobra.Command, _ []string) error { return l.run(command.Context()) },
	}
	l.output = newOutput(command, asText, asJSON)
	command.Flags().BoolVar(&l.strict, "strict", false, "Exit with 1 for warnings, too")
	command.Flags().BoolVar(&l.rights, "rights", false, "Also list the rights that creating each object requires if the others exist")
	return command
}

func (l *lint) run(ctx context.Context) error {
	o := l.options
	if !o.offline() {
		return errors.New("nothing to look at: give files with -f or -k")
	}
	if err := o.validate(); err != nil {
		return err
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	from := o.source(progress.Say)
	set, err := from.ReadFiles(ctx, o.filenames, o.kustomize)
	if err != nil {
		return err
	}
	problems := set.Problems
	set.Problems = nil // they are findings here
	w, err := o.settle(set, o.namespace())
	if err != nil {
		return err
	}
	findings, err := report.Lint(ctx, from, w, problems, progress.Say)
	if err != nil {
		return err
	}
	if !l.rights {
		findings = slices.DeleteFunc(findings, func(f report.Finding) bool { return f.Severity == report.SeverityRight })
	}
	progress.Done()
	return l.write(findings)
}

func (l *lint) write(findings []report.Finding) error {
	s := &l.options.streams
	refused := slices.ContainsFunc(findings, func(f report.Finding) bool {
		return f.Severity == report.SeverityError || f.Severity == report.SeverityWarning && l.strict
	})
	if l.output.format == asJSON {
		if err := print.JSON(s.Out, findings); err != nil {
			return err
		}
	} else if err := print.Findings(s, findings); err != nil {
		return err
	}
	if refused {
		return &exit{code: 1}
	}
	return nil
}

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/report"
	"github.com/usher-dev/usher/internal/cli/source"
)

// reporting shows an audit report.
type reporting struct {
	options *options
	output  *output
	days    int
}

func newReport(o *options) *cobra.Command {
	r := &reporting{options: o}
	command := &cobra.Command{
		Use:   "report",
		Short: "Write a report for an audit",
		Long: `Writes a report for an audit, as of now or of --at. It contains:

- all access, with the reasons; protected grants and grants of the system level; users who are barred
- conflicts, and roles that a rule of exclusive access removes
- access that begins or ends, and reviews that are due, within --days
- accounts without a grant, and suspensions of users who have no access anyway
- references to objects that do not exist, and values that are probably mistakes, with suggestions
- objects that carry the marks of a Flux Kustomization or an Argo CD Application but are not in its inventory, as far as
  the caller may read these`,
		Example: `  # As a page for the browser
  kubectl access report -A -o html > report.html

  # As of the end of the year, with what ends in the quarter after it
  kubectl access report -n analytics --at 2026-12-31 --days 90`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	r.output = newOutput(command, asMarkdown, asJSON, asCSV, asHTML)
	command.Flags().IntVar(&r.days, "days", 30, "Report what begins, ends or is due within this many days")
	return command
}

func (r *reporting) run(ctx context.Context) error {
	if r.days < 0 {
		return fmt.Errorf("--days %d: must not be negative", r.days)
	}
	return r.options.answer(ctx, func(w *source.World) error {
		a := report.NewAudit(w, r.options.asked(w), r.days)
		if err := r.addOutside(ctx, a, w); err != nil {
			return err
		}
		return r.write(a)
	})
}

// addOutside adds the objects of the cluster that are missing in the inventory of the tool that marked them.
func (r *reporting) addOutside(ctx context.Context, a *report.Audit, w *source.World) error {
	if w.Offline {
		return nil
	}
	config, err := r.options.cluster().RESTConfig()
	if err != nil {
		return err
	}
	return a.AddOutside(ctx, config, w)
}

func (r *reporting) write(a *report.Audit) error {
	out := r.options.streams.Out
	switch r.output.format {
	case asJSON:
		return print.AuditJSON(out, a)
	case asCSV:
		return print.AuditCSV(out, a)
	case asHTML:
		return print.AuditPage(out, a)
	default:
		return print.AuditMarkdown(out, a)
	}
}

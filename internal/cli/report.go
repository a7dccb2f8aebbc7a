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
		Long: `Writes a report for an audit, as of now or of --at: everything that is held, with the reason; protected grants, and those
of the system level; conflicts; roles that exclusive access takes; who is barred; what ends and what begins within days;
reviews that are due within days; accounts without a grant; references to what does not exist; suspensions that bar nobody, since nothing gives their users
anything; values that are probably mistakes, with what may be meant; and objects that carry the marks of a Kustomization of
Flux or an Application of Argo CD without being in an inventory of it, as far as the caller may read these.`,
		Example: `  # As a page for the browser
  kubectl access report -A -o html > report.html

  # As of the end of the year, with what ends within a quarter after it
  kubectl access report -n analytics --at 2026-12-31 --days 90`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	r.output = newOutput(command, asMarkdown, asJSON, asCSV, asHTML)
	command.Flags().IntVar(&r.days, "days", 30, "Tell what ends and what begins within so many days")
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

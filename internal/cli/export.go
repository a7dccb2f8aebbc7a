package cli

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/words"
)

// export writes the declared objects as CSV.
type export struct{ options *options }

func newExport(o *options) *cobra.Command {
	e := &export{o}
	return &cobra.Command{
		Use:   "export",
		Short: "Write users, groups and roles as CSV",
		Long: `Writes the declared objects as the CSV that import reads: a line for each group, member, user and role.

It includes selectors of applications and organizations, attributes of users, and reviews. It does not include selectors
of members, rows, notification, applications and policies; it prints a note if there are any.

Cells that a spreadsheet would treat as a formula begin with an apostrophe, which import removes.`,
		Example: `  kubectl access export -n analytics > analytics.csv`,
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return o.answer(command.Context(), e.answer) },
	}
}

func (e *export) answer(w *source.World) error {
	exported := edit.Export(w)
	if err := print.CSV(e.options.streams.Out, exported.Header, exported.Rows); err != nil {
		return err
	}
	for _, what := range slices.Sorted(maps.Keys(exported.Left)) {
		e.options.say("note: not in the CSV: %s (%s)", what, words.Counted(exported.Left[what], "object", "objects"))
	}
	return nil
}

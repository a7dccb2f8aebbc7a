package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// importing creates objects from a CSV.
type importing struct {
	*writing
	apply     bool
	prune     bool
	directory string
}

func newImport(o *options) *cobra.Command {
	m := &importing{}
	command := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Convert CSV to manifests, or apply it",
		Long: `Reads the CSV that export writes, and changes the objects so that they match it. It creates the UserAccess of a user if
there is none. A new group needs a line with the record group.

Nothing that the CSV does not contain is removed, except with --prune. --prune removes members, roles, groups and users
that an earlier import wrote to the cluster and that the CSV no longer contains. Declarations of other managers always
stay.

It also reads a plain CSV without the column record. A line with group and user is a member. A line with application and
role is a role of the group or user. A line with memberGroup is a nested group. Missing groups are created.

Without --apply it prints the changed manifests, or writes them to --output-dir, one file each, for git. They are based
on the objects of the cluster or of the files of -f or -k. With --standalone they contain only what the CSV says.

For an invalid line it prints the line and column, and then changes nothing. A repeated line counts once; two lines that
contradict each other are an error.`,
		Example: `  # Manifests for git
  kubectl access import analytics.csv -n analytics --output-dir access/

  # Write to the cluster, after showing the changes and asking
  kubectl access import analytics.csv -n analytics --apply`,
		Args: arguments(1, 1, "one FILE, or - for standard input"),
		RunE: func(command *cobra.Command, args []string) error { return m.run(command.Context(), args[0]) },
	}
	m.writing = newWriting(o, command)
	flags := command.Flags()
	flags.BoolVar(&m.apply, "apply", false, "Write to the cluster")
	flags.BoolVar(&m.prune, "prune", false, "With --apply: remove what earlier imports wrote and the CSV no longer contains")
	flags.BoolVar(&m.standalone, "standalone", false, "Print manifests that contain only what the CSV says")
	flags.StringVar(&m.directory, "output-dir", "", "The directory to write the manifests to, one file each")
	command.MarkFlagsMutuallyExclusive("apply", "standalone", "output-dir", "output")
	_ = command.MarkFlagDirname("output-dir") // the flag exists
	return command
}

func (m *importing) run(ctx context.Context, name string) error {
	o := m.options
	if m.apply && o.offline() {
		return errors.New("--apply: with -f and -k there is no cluster to write to")
	}
	if m.standalone && o.offline() {
		return errors.New("--standalone: it reads no objects; leave out -f and -k")
	}
	if m.apply && name == "-" && !m.yes && m.dryRun == dryRunNone {
		return errors.New("import -: standard input cannot both be the CSV and answer the question; add --yes or --dry-run")
	}
	if m.prune && !m.apply {
		return errors.New("--prune: requires --apply, because only the cluster records what an import wrote")
	}
	if !m.apply {
		if m.dryRun == dryRunServer {
			return errors.New("--dry-run=server: requires --apply")
		}
		if m.directory == "" && m.output == "" {
			m.output = asYAML
		}
	}
	table, err := m.read(ctx, name)
	if err != nil {
		return err
	}
	if m.directory != "" {
		m.toFiles = func(changed []objects.Change) error { return m.toDirectory(ctx, changed) }
	}
	m.manager = objects.ImportManager
	if m.prune {
		return m.writing.run(ctx, table.ImportAndPrune)
	}
	return m.writing.run(ctx, table.Import)
}

func (m *importing) read(ctx context.Context, name string) (*edit.Table, error) {
	in := m.options.reader()
	read := func() ([]byte, error) { return in.File(ctx, name) }
	file := name
	if name == "-" {
		file, read = "standard input", func() ([]byte, error) { return in.Standard(ctx) }
	}
	text, err := read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return edit.ReadTable(file, text, in)
}

// toDirectory writes the changed manifests as new files, one per object.
func (m *importing) toDirectory(ctx context.Context, changed []objects.Change) error {
	files, err := edit.NewFiles(ctx, m.directory, changed)
	if err != nil {
		return err
	}
	if m.dryRun == dryRunNone {
		if err := os.MkdirAll(m.directory, 0o755); err != nil {
			return err
		}
	}
	return m.writeFiles(files, edit.CreateFile)
}

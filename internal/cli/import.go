package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// importing creates objects from a CSV.
type importing struct {
	*writing
	apply     bool
	directory string
}

func newImport(o *options) *cobra.Command {
	m := &importing{}
	command := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Make manifests of CSV, or apply it",
		Long: `Reads the CSV that export writes, and makes the objects that it speaks of what it says. What it does not speak of stays:
nothing is removed. Groups that there are not take a line of their own (record group); users get a UserAccess.

It also reads a plain CSV, without the column record: a line with group and user is a member, one with application and
role a role of the group or user, one with memberGroup a nested group. Groups that there are not are made.

Without --apply the manifests of what changes are printed, or written to --output-dir, a file each: for git. They begin
from the objects of the cluster, from the files of -f or -k, or with --standalone from nothing.

A line that is wrong is named with its line and column, and then nothing is done. A line that is there twice counts once;
two lines that contradict each other are an error.`,
		Example: `  # Manifests for git
  kubectl access import analytics.csv -n analytics --output-dir access/

  # To the cluster, after a look at what changes
  kubectl access import analytics.csv -n analytics --apply`,
		Args: arguments(1, 1, "one FILE, or - for standard input"),
		RunE: func(command *cobra.Command, args []string) error { return m.run(command.Context(), args[0]) },
	}
	m.writing = newWriting(o, command)
	flags := command.Flags()
	flags.BoolVar(&m.apply, "apply", false, "Write to the cluster")
	flags.BoolVar(&m.standalone, "standalone", false, "Begin from nothing: the manifests are what the CSV says and no more")
	flags.StringVar(&m.directory, "output-dir", "", "A directory to write the manifests to, a file each")
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
		return errors.New("--standalone: it begins from nothing; leave out -f and -k")
	}
	if m.apply && name == "-" && !m.yes && m.dryRun == dryRunNone {
		return errors.New("import -: standard input cannot both be the CSV and answer the question; add --yes or --dry-run")
	}
	if !m.apply {
		if m.dryRun == dryRunServer {
			return errors.New("--dry-run=server: it takes --apply")
		}
		if m.directory == "" && m.output == "" {
			m.output = asYAML
		}
	}
	file, rows, err := m.read(ctx, name)
	if err != nil {
		return err
	}
	makePlan := func(b *basis) (*plan, error) { return newImporter(file, b).plan(rows) }
	switch {
	case m.directory != "":
		return m.toDirectory(ctx, makePlan)
	default:
		return m.writing.run(ctx, makePlan)
	}
}

func (m *importing) read(ctx context.Context, name string) (file string, rows []row, err error) {
	var text []byte
	if name == "-" {
		file = "standard input"
		text, err = m.options.reader().Standard(ctx)
	} else {
		file = name
		text, err = m.options.reader().File(ctx, name)
	}
	if err != nil {
		return file, nil, fmt.Errorf("%s: %w", file, err)
	}
	rows, err = readRows(file, text, m.options.reader())
	return file, rows, err
}

// toDirectory writes the changed manifests, one per file.
func (m *importing) toDirectory(ctx context.Context, makePlan func(*basis) (*plan, error)) error {
	m.toFiles = func(changed []objects.Change) error {
		files := map[string][]byte{}
		for i := range changed {
			text, err := objects.RenderManifest(changed[i].After)
			if err != nil {
				return err
			}
			name := strings.ToLower(strings.ReplaceAll(changed[i].Name(), "/", "-")) + ".yaml"
			files[filepath.Join(m.directory, name)] = text
		}
		return m.writeNewFiles(ctx, files)
	}
	return m.writing.run(ctx, makePlan)
}

// writeNewFiles writes new files. It does not overwrite existing files, which may contain manual changes.
func (m *importing) writeNewFiles(ctx context.Context, files map[string][]byte) error {
	names := sortedKeys(files)
	names = slices.DeleteFunc(names, func(name string) bool {
		content, err := input.NewReader(nil, int64(len(files[name]))).File(ctx, name)
		return err == nil && slices.Equal(content, files[name])
	})
	for _, name := range names {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%s is there already, and says something else; give another --output-dir, or remove it", name)
		}
	}
	if m.dryRun == dryRunNone {
		if err := os.MkdirAll(m.directory, 0o755); err != nil {
			return err
		}
	}
	for i, name := range names {
		text := "would be written"
		if m.dryRun == dryRunNone {
			text = "written"
			if err := writeNewFile(name, files[name]); err != nil {
				return &exit{1, fmt.Errorf("%s is not written (%s): %w", name, counted(i, "file was", "files were"), err)}
			}
		}
		if _, err := fmt.Fprintf(m.options.streams.Out, "%s: %s\n", terminal.Escape(name), text); err != nil {
			return err
		}
	}
	return nil
}

func writeNewFile(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

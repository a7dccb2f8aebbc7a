package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/words"
)

// The values of --dry-run.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

// asYAML is the output format for manifests.
const asYAML = "yaml"

// writing is the common part of all commands that change objects. They show what the change means for users, ask
// for confirmation, write, and report the result.
type writing struct {
	options  *options
	output   string
	yes      bool
	dryRun   string
	overrule bool
	inPlace  bool
	// manager is the field manager to write as.
	manager string
	// standalone starts from an empty set of objects.
	standalone bool
	// toFiles writes the changes to files. If it is nil, the flags determine where they go.
	toFiles func([]objects.Change) error
}

// writingCodes is the end of the help text of every command that writes.
const writingCodes = `

It shows whose access would change, as "kubectl access diff" does, and asks before it writes. Before that it sends all
objects to the API server in a dry run; if the API server refuses one of them, nothing is written. With -f, -k or -o
yaml it prints the changed manifests and writes nothing.

Exit code: 0 done (or nothing to change), 1 not done or only in part: refused, declined, or changed by others meanwhile;
2 error, and nothing was written.`

func newWriting(o *options, command *cobra.Command) *writing {
	w := newWritingWithoutOutput(o, command)
	w.addOutput(command, "yaml: print the changed manifests instead of writing them to the cluster", asYAML)
	return w
}

// addOutput adds the flag -o with its values.
func (w *writing) addOutput(command *cobra.Command, usage string, formats ...string) {
	command.Flags().StringVarP(&w.output, "output", "o", "", usage)
	completeValues(command, "output", formats...)
}

// newWritingWithoutOutput is like newWriting, for commands whose flag -o takes other values, too.
func newWritingWithoutOutput(o *options, command *cobra.Command) *writing {
	w := &writing{options: o, manager: objects.FieldManager}
	command.Annotations = map[string]string{errorCode: "true"}
	command.Long += writingCodes
	flags := command.Flags()
	flags.BoolVarP(&w.yes, "yes", "y", false, "Write without asking")
	flags.StringVar(&w.dryRun, "dry-run", dryRunNone,
		"none, client (show what would be sent) or server (ask the API server and admission, and write nothing)")
	flags.BoolVar(&w.overrule, "overrule-gitops", false, "Also write objects that a GitOps tool keeps as declared in git")
	completeValues(command, "dry-run", dryRunNone, dryRunClient, dryRunServer)
	return w
}

func (w *writing) addInPlace(command *cobra.Command) {
	command.Flags().BoolVar(&w.inPlace, "in-place", false, "Write the changed manifests to the files of -f, with their comments")
}

func (w *writing) validate() error {
	o := w.options
	failures := []error{checkFlag("--dry-run", w.dryRun, dryRunNone, dryRunClient, dryRunServer)}
	if w.output != "" {
		failures = append(failures, checkFlag("-o", w.output, asYAML))
	}
	if o.offline() && w.dryRun == dryRunServer {
		failures = append(failures, errors.New("--dry-run=server: with files there is no server to ask"))
	}
	if w.inPlace && (len(o.filenames) == 0 || slices.Contains(o.filenames, "-")) {
		failures = append(failures, errors.New("--in-place: it takes files or directories, given with -f"))
	}
	if w.inPlace && w.output != "" {
		failures = append(failures, errors.New("--in-place: with -o the manifests are printed; give one of the two"))
	}
	if o.at != "" {
		failures = append(failures, errors.New("--at: changes take effect now"))
	}
	return errors.Join(append(failures, o.validate())...)
}

// load reads the objects.
func (w *writing) load(ctx context.Context) (*source.World, error) {
	o := w.options
	if err := w.validate(); err != nil {
		return nil, err
	}
	if w.standalone {
		return o.settle(&objects.Set{}, o.namespace())
	}
	made, err := o.loadToChange(ctx)
	if err != nil {
		return nil, err
	}
	if n := len(made.Set.Problems); n > 0 && o.offline() {
		return nil, fmt.Errorf("%s could not be read, so the effects of a change are not known; nothing is changed",
			words.Counted(n, "object or file", "objects or files"))
	} else if n > 0 {
		o.say("note: the difference does not include objects that could not be read; the API server judges with all objects")
	}
	return made, nil
}

// run shows the effects of the plan and then carries it out.
func (w *writing) run(ctx context.Context, makePlan func(*source.World) (*edit.Plan, error)) error {
	before, err := w.load(ctx)
	if err != nil {
		return err
	}
	p, err := makePlan(before)
	if err != nil {
		return err
	}
	for _, text := range p.Notes {
		w.options.note(text)
	}
	changed := p.Changed()
	if len(changed) == 0 {
		streams := w.streams()
		return tell(&streams, p.Unchanged())
	}
	if err := w.show(ctx, before, changed); err != nil {
		return err
	}
	switch {
	case w.toFiles != nil:
		return w.toFiles(changed)
	case w.inPlace:
		return w.editFiles(ctx, changed)
	case w.options.offline() || w.output == asYAML:
		return w.printManifests(changed)
	default:
		return w.toCluster(ctx, p, changed)
	}
}

// streams returns the streams for messages to people. It uses stderr if stdout is for manifests.
func (w *writing) streams() terminal.Streams {
	s := w.options.streams
	if (w.options.offline() || w.standalone || w.output == asYAML) && !w.inPlace && w.toFiles == nil {
		s.Out, s.Width, s.Colour = s.ErrOut, 0, false
	}
	return s
}

// show writes the differences for users.
func (w *writing) show(ctx context.Context, before *source.World, changed []objects.Change) error {
	streams := w.streams()
	progress := terminal.NewProgress(&w.options.streams)
	defer progress.Done()
	progress.Say("deciding what %s would change", words.Counted(len(changed), "object", "objects"))
	found, err := edit.Effects(ctx, before, changed, progress.Say)
	if err != nil {
		return err
	}
	progress.Done()
	w.options.note(found.Notes...)
	if found.IsEmpty() && len(found.Warnings) == 0 {
		_, err := fmt.Fprintln(streams.Out, "Nobody's access changes.")
		return err
	}
	return print.Differences(&streams, found)
}

// longestAnswer is the maximum number of bytes that are read as the answer to a question.
const longestAnswer = 1 << 10

// confirm asks the question. No answer counts as no.
func (w *writing) confirm(ctx context.Context, question string) error {
	if w.yes {
		return nil
	}
	s := &w.options.streams
	// If the question cannot be written, the answer is no.
	_, _ = fmt.Fprint(s.ErrOut, terminal.Escape(question)+" [y/N] ")
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(s.In, longestAnswer)).ReadString('\n') // end of input counts as no
		answers <- line
	}()
	line := ""
	select {
	case <-ctx.Done():
	case line = <-answers:
	}
	if line == "" {
		_, _ = fmt.Fprintln(s.ErrOut)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	return &exit{1, errors.New("nothing was written: it was not confirmed (--yes writes without asking)")}
}

// printManifests prints the manifests to commit.
func (w *writing) printManifests(changed []objects.Change) error {
	documents, err := edit.Manifests(changed, len(w.options.filenames) > 0)
	if err != nil {
		return err
	}
	for i, text := range documents {
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.options.streams.Out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// editFiles writes the changed manifests to the files that they were read from.
func (w *writing) editFiles(ctx context.Context, changed []objects.Change) error {
	files, err := edit.Files(ctx, changed, w.options.reader().Renewed())
	if err != nil {
		return err
	}
	if w.dryRun == dryRunNone {
		names := slices.Sorted(maps.Keys(files))
		if err := w.confirm(ctx, fmt.Sprintf("Write %s?", words.Some(names))); err != nil {
			return err
		}
	}
	return w.writeFiles(files, edit.ReplaceFile)
}

// writeFiles writes the files, or says that it would in a dry run.
func (w *writing) writeFiles(files map[string][]byte, write func(name string, content []byte) error) error {
	for i, name := range slices.Sorted(maps.Keys(files)) {
		text := "would be written"
		if w.dryRun == dryRunNone {
			text = "written"
			if err := write(name, files[name]); err != nil {
				return &exit{1, fmt.Errorf("%s is not written (%s): %w", name, words.Counted(i, "file was", "files were"), err)}
			}
		}
		if _, err := fmt.Fprintf(w.options.streams.Out, "%s: %s\n", terminal.Escape(name), text); err != nil {
			return err
		}
	}
	return nil
}

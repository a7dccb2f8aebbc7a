package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
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
	// standalone starts from an empty set of objects.
	standalone bool
	// toFiles writes the changes to files. If it is nil, the flags determine where they go.
	toFiles func([]objects.Change) error
}

// basis is the state before a change.
type basis struct {
	*world
	// target is the namespace of the objects to change; empty means all.
	target string
}

// plan is the list of changes that a command is about to make.
type plan struct {
	// changes include the objects that need no change.
	changes []objects.Change
	notes   []string
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// writingCodes is the end of the help text of every command that writes.
const writingCodes = `

It shows who would gain or lose what, as "kubectl access diff" does, and asks before it writes. First the API server is
asked about all objects in a dry run; where it refuses one, nothing is written. With -f or -k it prints the changed
manifests and writes nothing; so it does with -o yaml.

Exit code: 0 done (also where all was so already), 1 not done, or not all of it: refused, declined, changed meanwhile;
2 error, and nothing was written.`

func newWriting(o *options, command *cobra.Command) *writing {
	w := newWritingWithoutOutput(o, command)
	w.addOutput(command, "yaml: print the changed manifests in place of writing them to the cluster", asYAML)
	return w
}

// addOutput adds the flag -o with its values.
func (w *writing) addOutput(command *cobra.Command, usage string, formats ...string) {
	command.Flags().StringVarP(&w.output, "output", "o", "", usage)
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// newWritingWithoutOutput is like newWriting, for commands whose flag -o takes other values, too.
func newWritingWithoutOutput(o *options, command *cobra.Command) *writing {
	w := &writing{options: o}
	command.Annotations = map[string]string{errorCode: "true"}
	command.Long += writingCodes
	flags := command.Flags()
	flags.BoolVarP(&w.yes, "yes", "y", false, "Write without asking")
	flags.StringVar(&w.dryRun, "dry-run", dryRunNone,
		"none, client (show what would be sent) or server (have the API server and admission answer, and write nothing)")
	flags.BoolVar(&w.overrule, "overrule-gitops", false, "Write also what a GitOps tool keeps as git has it")
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("dry-run",
		cobra.FixedCompletions([]string{dryRunNone, dryRunClient, dryRunServer}, cobra.ShellCompDirectiveNoFileComp))
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
		failures = append(failures, errors.New("--at: what is written holds from now on"))
	}
	return errors.Join(append(failures, o.validate())...)
}

// load reads the objects. Objects in the system namespace affect all organizations, so a change to them needs the
// objects of all organizations.
func (w *writing) load(ctx context.Context) (*basis, error) {
	o := w.options
	if err := w.validate(); err != nil {
		return nil, err
	}
	target, err := w.namespace()
	if err != nil {
		return nil, err
	}
	scope := target
	if scope == o.systemNamespace {
		scope = ""
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	set := &objects.Set{}
	if !w.standalone {
		if set, err = o.read(ctx, scope, progress.Say); err != nil {
			return nil, err
		}
	}
	progress.Say("deciding for the users of %d objects", len(set.Objects))
	made, err := o.settle(set, scope)
	if err != nil {
		return nil, err
	}
	if o.offline() && len(set.Problems) > 0 {
		return nil, fmt.Errorf("%s could not be read; nothing is changed on the ground of the rest",
			counted(len(set.Problems), "object or file", "objects or files"))
	}
	if len(set.Problems) > 0 {
		o.say("note: what is not read is missing in the difference, too; the API server judges by all there is")
	}
	return &basis{made, target}, nil
}

// namespace returns the namespace of the objects to change; empty means all. A standalone command does not read a
// kubeconfig context.
func (w *writing) namespace() (string, error) {
	if w.standalone {
		return w.options.namespace(), nil
	}
	return w.options.scope()
}

// run shows the effects of the plan and then carries it out.
func (w *writing) run(ctx context.Context, makePlan func(*basis) (*plan, error)) error {
	b, err := w.load(ctx)
	if err != nil {
		return err
	}
	p, err := makePlan(b)
	if err != nil {
		return err
	}
	for _, text := range p.notes {
		w.options.say("note: %s", text)
	}
	changed := slices.DeleteFunc(slices.Clone(p.changes), func(c objects.Change) bool { return !c.IsChange() })
	if len(changed) == 0 {
		streams := w.streams()
		return tell(&streams, unchanged(p))
	}
	if err := w.show(ctx, b, changed); err != nil {
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
func (w *writing) show(ctx context.Context, b *basis, changed []objects.Change) error {
	o := w.options
	streams := w.streams()
	made := &objects.Set{}
	for _, c := range changed {
		each := objects.Object{Object: c.After}
		if c.Before != nil {
			each = *c.Before
			each.Object = c.After
		}
		made.Objects = append(made.Objects, each)
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	progress.Say("deciding what %s would change", counted(len(changed), "object", "objects"))
	laid := overlay(b.set, made, false)
	after, err := o.settle(laid, b.scope)
	if err != nil {
		return err
	}
	found := newDifferences(b.world, after)
	// judge modifies the roster of the world before the change, which is not used after this.
	found.judge(ctx, b.world, changesBetween(b.set, laid), progress.Say)
	progress.Done()
	if found.isEmpty() && len(found.Warnings) == 0 {
		_, err := fmt.Fprintln(streams.Out, "Nobody's access changes.")
		return err
	}
	return found.writeTable(&streams)
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

// printManifests prints the manifests to commit. Manifests from files are edited; objects from a cluster are
// rendered anew.
func (w *writing) printManifests(changed []objects.Change) error {
	rewriter := &objects.Rewriter{}
	var documents [][]byte
	for i := range changed {
		c := &changed[i]
		if c.Before != nil && len(w.options.filenames) > 0 {
			if err := rewriter.Edit(c); err != nil {
				return err
			}
			continue
		}
		text, err := objects.RenderManifest(c.After)
		if err != nil {
			return err
		}
		documents = append(documents, text)
	}
	edited, err := rewriter.Documents()
	if err != nil {
		return err
	}
	for i, text := range slices.Concat(edited, documents) {
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
	rewriter := &objects.Rewriter{}
	for i := range changed {
		if err := rewriter.Edit(&changed[i]); err != nil {
			return err
		}
	}
	again := input.NewReader(nil, w.options.maxBytes.Value())
	files, err := rewriter.Files(func(name string) ([]byte, error) { return again.File(ctx, name) })
	if err != nil {
		return err
	}
	names := sortedKeys(files)
	if w.dryRun == dryRunNone {
		if err := w.confirm(ctx, fmt.Sprintf("Write %s?", some(names))); err != nil {
			return err
		}
	}
	for i, name := range names {
		if w.dryRun == dryRunNone {
			if err := replaceFile(name, files[name]); err != nil {
				return &exit{1, fmt.Errorf("%s is not written (%s): %w", name, counted(i, "file was", "files were"), err)}
			}
		}
		text := "written"
		if w.dryRun != dryRunNone {
			text = "would be written"
		}
		if _, err := fmt.Fprintf(w.options.streams.Out, "%s: %s\n", terminal.Escape(name), text); err != nil {
			return err
		}
	}
	return nil
}

// replaceFile replaces the content of the file atomically, and keeps its mode. A symbolic link stays a link.
func replaceFile(name string, content []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".kubectl-access-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// edited returns a copy of the object for editing.
func edited[T client.Object](o *objects.Object) T {
	return o.Object.DeepCopyObject().(T)
}

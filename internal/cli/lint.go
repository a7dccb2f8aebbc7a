package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/schema"
	"github.com/usher-dev/usher/internal/validation"
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
		Short: "Say what admission would say of files",
		Long: `Says what admission would say of the objects of files, with file and line and without a cluster: what the schemas of the
kinds and their rules refuse, what takes two objects to be wrong, and what admission would warn of. It also warns of a
selector that selects nothing, and of an attribute that no member of the group has.

The objects are taken for all that there is, and for new. Who may grant what is for the cluster to say; --rights lists
which rights it takes to create each object, the others being there.

Exit code: 0 nothing to refuse, 1 something to refuse (with --strict also something to warn of), 2 error.`,
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
	command.Flags().BoolVar(&l.rights, "rights", false, "Also list the rights that it takes to create each object, the others being there")
	return command
}

// The severities of findings.
const (
	severityError   = "error"
	severityWarning = "warning"
	severityRight   = "right" // not a fault: a right that an apply of the object needs
)

// finding is one result of lint. Its JSON is a contract.
type finding struct {
	Severity string `json:"severity"`
	query.Remark
	// AnyOf are alternative rights, with the narrowest first. One of them is enough.
	AnyOf []attributes `json:"anyOf,omitempty"`
}

func (l *lint) run(ctx context.Context) error {
	if err := l.output.validate(); err != nil {
		return err
	}
	o := l.options
	if !o.offline() {
		return errors.New("nothing to look at: give files with -f or -k")
	}
	if err := o.validate(); err != nil {
		return err
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	set, err := o.source(progress.Say).ReadFiles(ctx, o.filenames, o.kustomize)
	if err != nil {
		return err
	}
	problems := set.Problems
	set.Problems = nil // they are findings here
	w, err := o.settle(set, o.namespace())
	if err != nil {
		return err
	}
	findings := []finding{}
	for _, p := range problems {
		findings = append(findings, finding{Severity: severityError, Remark: query.Remark{
			File: p.Origin.File, Line: p.Origin.Line, Message: p.Err.Error(),
		}})
	}
	found, err := o.lint(ctx, w, progress.Say)
	if err != nil {
		return err
	}
	if !l.rights {
		found = slices.DeleteFunc(found, func(f finding) bool { return f.Severity == severityRight })
	}
	progress.Done()
	return l.write(sorted(append(findings, found...)))
}

func (l *lint) write(findings []finding) error {
	s := &l.options.streams
	refused := slices.ContainsFunc(findings, func(f finding) bool {
		return f.Severity == severityError || f.Severity == severityWarning && l.strict
	})
	if l.output.format == asJSON {
		if err := writeJSON(s, findings); err != nil {
			return err
		}
	} else if err := writeFindings(s, findings); err != nil {
		return err
	}
	if refused {
		return &exit{code: 1}
	}
	return nil
}

func writeFindings(s *terminal.Streams, findings []finding) error {
	for i := range findings {
		f := &findings[i]
		style := terminal.Yellow
		switch f.Severity {
		case severityError:
			style = terminal.Red
		case severityRight:
			style = terminal.Bold
		}
		at := ""
		if f.File != "" {
			at = terminal.Escape(objects.Origin{File: f.File, Line: f.Line}.String()) + ": "
		}
		plain := f.Remark
		plain.File = ""
		text := terminal.Escape(strings.TrimPrefix(plain.Text(), ": "))
		if _, err := fmt.Fprintf(s.Out, "%s%s: %s\n", at, s.Paint(f.Severity, style), text); err != nil {
			return err
		}
	}
	return nil
}

// sorted sorts the findings by position. It drops duplicates, such as the same conflict reported for both sides.
func sorted(findings []finding) []finding {
	slices.SortStableFunc(findings, func(a, b finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, strings.Compare(a.Message, b.Message))
	})
	said := map[string]bool{}
	return slices.DeleteFunc(findings, func(f finding) bool {
		key := f.Severity + f.Message
		again := said[key] && f.Field == ""
		said[key] = true
		return again
	})
}

// lint validates every object against the schema of its kind. If the object is valid, lint runs the validation of
// admission as if the object were the last to be applied.
func (o *options) lint(ctx context.Context, w *source.World, say func(string, ...any)) ([]finding, error) {
	// Policies are added before any user holds a role on their ladders, so that validation does not treat them as
	// changes for users.
	policies, err := o.onlyPolicies(w.Set)
	if err != nil {
		return nil, err
	}
	var findings []finding
	validators := map[*source.World]*validation.Validator{w: query.Validator(w), policies: query.Validator(policies)}
	for i := range w.Set.Objects {
		each := &w.Set.Objects[i]
		if source.IsNamespace(each.Object) || !query.IsAsked(w, each.Object) {
			continue
		}
		say("looking at %d of %d objects", i, len(w.Set.Objects))
		among := w
		if isPolicy(each.Object) {
			among = policies
		}
		found, err := lintObject(ctx, among, validators[among], each)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", objects.Name(each.Object), err)
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func lintObject(ctx context.Context, w *source.World, v *validation.Validator, o *objects.Object) ([]finding, error) {
	refused, err := validateSchema(ctx, o)
	if err != nil {
		return nil, err
	}
	var warnings []string
	var rights []validation.Right
	if len(refused) == 0 {
		judgement, err := v.Judge(ctx, &validation.Request{New: o.Object, Now: w.Now()})
		if err != nil {
			return nil, err
		}
		refused = slices.Concat(judgement.Errors, judgement.Braked, judgement.Refusals)
		warnings, rights = judgement.AllWarnings(), judgement.Rights
	}
	var findings []finding
	for _, e := range refused {
		findings = append(findings, newFinding(o, severityError, e.Field, e.ErrorBody()))
	}
	for _, text := range warnings {
		// The warning is about members that other objects add. The author of the files has written those objects, too.
		if validation.IsOfUnlisted(text) {
			continue
		}
		at, message := query.FieldOf(text)
		findings = append(findings, newFinding(o, severityWarning, at, message))
	}
	if len(refused) == 0 {
		for _, r := range idle(w, o.Object) {
			findings = append(findings, newFinding(o, severityWarning, r.Field, r.Message))
		}
	}
	for i := range rights {
		findings = append(findings, newRight(o, &rights[i]))
	}
	return findings, nil
}

// onlyPolicies returns a world that contains only the policies.
func (o *options) onlyPolicies(set *objects.Set) (*source.World, error) {
	policies := &objects.Set{}
	for _, each := range set.Objects {
		if source.IsNamespace(each.Object) || isPolicy(each.Object) {
			policies.Objects = append(policies.Objects, each)
		}
	}
	return o.settle(policies, "")
}

func isPolicy(o client.Object) bool {
	_, is := o.(*accessv1alpha1.AccessPolicy)
	return is
}

func newFinding(o *objects.Object, severity, at, message string) finding {
	return finding{Severity: severity, Remark: query.NewRemark(o, at, message)}
}

// validateSchema returns the errors that the API server itself would report.
func validateSchema(ctx context.Context, o *objects.Object) (field.ErrorList, error) {
	content, err := o.Content()
	if err != nil || content == nil {
		return nil, err
	}
	return schema.Validate(ctx, content)
}

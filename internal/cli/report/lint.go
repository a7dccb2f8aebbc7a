package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/schema"
	"github.com/usher-dev/usher/internal/validation"
)

// The severities of findings.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityRight   = "right" // not a fault: a right that an apply of the object needs
)

// Finding is one result of lint. Its JSON is a contract.
type Finding struct {
	Severity string `json:"severity"`
	query.Remark
	// AnyOf are alternative rights, with the narrowest first. One of them is enough.
	AnyOf []validation.Attributes `json:"anyOf,omitempty"`
}

// sorted sorts the findings by position. It drops duplicates, such as the same conflict reported for both sides.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, strings.Compare(a.Message, b.Message))
	})
	said := map[string]bool{}
	return slices.DeleteFunc(findings, func(f Finding) bool {
		key := f.Severity + f.Message
		again := said[key] && f.Field == ""
		said[key] = true
		return again
	})
}

// Lint validates every object against the schema of its kind. If the object is valid, Lint runs the validation of
// admission as if the object were the last to be applied. The problems are those of reading the objects. The source
// decides again about the policies alone.
func Lint(
	ctx context.Context, from *source.Source, w *source.World, problems []objects.Problem, say func(string, ...any),
) ([]Finding, error) {
	// Policies are added before any user holds a role on their ladders, so that validation does not treat them as
	// changes for users.
	policies, err := from.Settle(onlyPolicies(w.Set), "", w.Now())
	if err != nil {
		return nil, err
	}
	findings := []Finding{}
	for _, p := range problems {
		findings = append(findings, Finding{Severity: SeverityError, Remark: query.Remark{
			File: p.Origin.File, Line: p.Origin.Line, Message: p.Err.Error(),
		}})
	}
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
	return sorted(findings), nil
}

func lintObject(ctx context.Context, w *source.World, v *validation.Validator, o *objects.Object) ([]Finding, error) {
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
	var findings []Finding
	for _, e := range refused {
		findings = append(findings, newFinding(o, SeverityError, e.Field, e.ErrorBody()))
	}
	for _, text := range warnings {
		// The warning is about members that other objects add. The author of the files has written those objects, too.
		if validation.IsOfUnlisted(text) {
			continue
		}
		at, message := query.FieldOf(text)
		findings = append(findings, newFinding(o, SeverityWarning, at, message))
	}
	if len(refused) == 0 {
		for _, r := range idle(w, o.Object) {
			findings = append(findings, newFinding(o, SeverityWarning, r.Field, r.Message))
		}
	}
	for i := range rights {
		findings = append(findings, newRight(o, &rights[i]))
	}
	return findings, nil
}

func onlyPolicies(set *objects.Set) *objects.Set {
	policies := &objects.Set{}
	for _, each := range set.Objects {
		if source.IsNamespace(each.Object) || isPolicy(each.Object) {
			policies.Objects = append(policies.Objects, each)
		}
	}
	return policies
}

func isPolicy(o client.Object) bool {
	_, is := o.(*accessv1alpha1.AccessPolicy)
	return is
}

func newFinding(o *objects.Object, severity, at, message string) Finding {
	return Finding{Severity: severity, Remark: query.NewRemark(o, at, message)}
}

// validateSchema returns the errors that the API server itself would report.
func validateSchema(ctx context.Context, o *objects.Object) (field.ErrorList, error) {
	content, err := o.Content()
	if err != nil || content == nil {
		return nil, err
	}
	return schema.Validate(ctx, content)
}

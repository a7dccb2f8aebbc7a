package validation

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// ownReview refuses a review in the future: it would postpone the next one.
func (j *judge) ownReview() {
	made, ok := j.request.New.(*accessv1alpha1.AccessGroup)
	if !ok || made.Spec.ReviewedAt == nil || !made.Spec.ReviewedAt.After(j.request.Now.Add(roster.ReviewTolerance)) {
		return
	}
	if old, ok := j.request.Old.(*accessv1alpha1.AccessGroup); ok && old != nil && made.Spec.ReviewedAt.Equal(old.Spec.ReviewedAt) {
		return
	}
	j.Errors = append(j.Errors, field.Invalid(field.NewPath("spec", "reviewedAt"), instantText(made.Spec.ReviewedAt.Time),
		fmt.Sprintf("a review cannot be more than five minutes ahead; it is %s now", instantText(j.request.Now))))
}

func instantText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ownSelectors refuses selectors that no labels can match because of their form, which neither the schema nor CEL
// checks completely. It accepts selectors that the old object also has.
func (j *judge) ownSelectors() {
	old := selectorsOf(j.request.Old)
	for _, s := range selectorsOf(j.request.New) {
		if !containsSelector(old, s.selector) {
			j.Errors = append(j.Errors, validateSelector(s.selector, s.at)...)
		}
	}
}

func containsSelector(among []placedSelector, selector *metav1.LabelSelector) bool {
	for _, other := range among {
		if equality.Semantic.DeepEqual(other.selector, selector) {
			return true
		}
	}
	return false
}

// placedSelector is a selector of an object, with its field.
type placedSelector struct {
	at       *field.Path
	selector *metav1.LabelSelector
}

// selectorsOf lists the selectors of an AccessGroup or a UserAccess. Other objects, and nil, have none.
func selectorsOf(o client.Object) []placedSelector {
	spec := field.NewPath("spec")
	switch o := o.(type) {
	case *accessv1alpha1.AccessGroup:
		if o == nil {
			return nil
		}
		var all []placedSelector
		if o.Spec.MemberSelector != nil {
			all = append(all, placedSelector{spec.Child("memberSelector"), o.Spec.MemberSelector})
		}
		all = appendApplicationSelectors(all, spec, o.Spec.ApplicationSelectors)
		return appendSystemSelectors(all, spec, o.Spec.SystemAccess, o.Spec.SystemAccessSelectors)
	case *accessv1alpha1.UserAccess:
		if o == nil {
			return nil
		}
		all := appendApplicationSelectors(nil, spec, o.Spec.ApplicationSelectors)
		return appendSystemSelectors(all, spec, o.Spec.SystemAccess, o.Spec.SystemAccessSelectors)
	default:
		return nil
	}
}

func appendApplicationSelectors(
	to []placedSelector, at *field.Path, entries []accessv1alpha1.ApplicationSelectorGrant,
) []placedSelector {
	for i := range entries {
		to = append(to, placedSelector{
			at.Child("applicationSelectors").Index(i).Child("selector"), roster.StandardSelector(&entries[i].Selector),
		})
	}
	return to
}

func appendSystemSelectors(
	to []placedSelector, at *field.Path, named []accessv1alpha1.SystemGrant, selected []accessv1alpha1.SystemSelectorGrant,
) []placedSelector {
	for i := range named {
		to = appendApplicationSelectors(to, at.Child("systemAccess").Key(string(named[i].Organization)), named[i].ApplicationSelectors)
	}
	for i := range selected {
		entry := at.Child("systemAccessSelectors").Index(i)
		to = append(to, placedSelector{entry.Child("selector"), roster.StandardSelector(&selected[i].Selector)})
		to = appendApplicationSelectors(to, entry, selected[i].ApplicationSelectors)
	}
	return to
}

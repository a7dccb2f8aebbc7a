package validation

import (
	"fmt"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// applicationSelectors checks the new entries of a list of roles in selected applications.
func (h *hinter) applicationSelectors(path string, was, is []accessv1alpha1.ApplicationSelectorGrant) {
	for i := range is {
		if hasMore(is[i:i+1], was) {
			h.ended(fmt.Sprintf("%s.applicationSelectors[%d]", path, i), is[i].NotAfter, "the entry gives nothing")
		}
	}
}

// systemAccessSelectors checks the new entries for selected organizations.
func (h *hinter) systemAccessSelectors(namespace string, was, is []accessv1alpha1.SystemSelectorGrant) {
	if namespace != h.view.SystemNamespace() {
		return // has no effect there, and another warning says so
	}
	for i := range is {
		e := &is[i]
		if !hasMore(is[i:i+1], was) {
			continue
		}
		at := fmt.Sprintf("spec.systemAccessSelectors[%d]", i)
		// Application names are looked up in one organization. They cannot be checked for the organizations that a
		// selector selects.
		h.applicationAccess(at, namespace, nil, e.ApplicationAccess)
		h.applicationSelectors(at, nil, e.ApplicationSelectors)
	}
}

// review adds a hint if the review was already due.
func (h *hinter) review(was, made *accessv1alpha1.AccessGroup) {
	if was.Spec.Review == made.Spec.Review && made.Spec.ReviewedAt.Equal(was.Spec.ReviewedAt) {
		return
	}
	if due, missed := missedReview(made, h.now); missed {
		h.say(HintEnded, "spec.review", "the review was due at %s, so the group gives only NoAccess until it is reviewed again",
			instantText(due))
	}
}

// missedReview returns when the review of the group was due, and whether the access of the group has ended because
// the review was missed.
func missedReview(g *accessv1alpha1.AccessGroup, now time.Time) (due time.Time, missed bool) {
	if g.Spec.Review.IfMissed != accessv1alpha1.MissedReviewEnd {
		return time.Time{}, false
	}
	due, reviewed := roster.ReviewDue(g, now)
	return due, reviewed && !due.After(now)
}

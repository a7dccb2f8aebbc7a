package validation

import (
	"fmt"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// applicationSelectors looks at the entries of a list of roles in selected applications that are new.
func (h *hinter) applicationSelectors(path string, was, is []accessv1alpha1.ApplicationSelectorGrant) {
	for i := range is {
		if hasMore(is[i:i+1], was) {
			h.ended(fmt.Sprintf("%s.applicationSelectors[%d]", path, i), is[i].NotAfter, "the entry gives nothing")
		}
	}
}

// systemAccessSelectors looks at the entries for selected organizations that are new.
func (h *hinter) systemAccessSelectors(namespace string, was, is []accessv1alpha1.SystemSelectorGrant) {
	if namespace != h.view.SystemNamespace() {
		return // counts for nothing there, and is warned of
	}
	for i := range is {
		e := &is[i]
		if !hasMore(is[i:i+1], was) {
			continue
		}
		at := fmt.Sprintf("spec.systemAccessSelectors[%d]", i)
		// Applications are looked for by name in one organization; of those that a selector selects nothing can be said.
		h.applicationAccess(at, namespace, nil, e.ApplicationAccess)
		h.applicationSelectors(at, nil, e.ApplicationSelectors)
	}
}

// review looks at a review that was due already.
func (h *hinter) review(was, made *accessv1alpha1.AccessGroup) {
	if was.Spec.Review == made.Spec.Review && made.Spec.ReviewedAt.Equal(was.Spec.ReviewedAt) {
		return
	}
	if due, missed := missedReview(made, h.now); missed {
		h.say(HintEnded, "spec.review", "the review was due at %s, so the group gives only NoAccess until it is reviewed again",
			instantText(due))
	}
}

// missedReview returns when the review of the group was due, and whether its access has ended by that.
func missedReview(g *accessv1alpha1.AccessGroup, now time.Time) (due time.Time, missed bool) {
	if g.Spec.Review.IfMissed != accessv1alpha1.MissedReviewEnd {
		return time.Time{}, false
	}
	due, reviewed := roster.ReviewDue(g, now)
	return due, reviewed && !due.After(now)
}

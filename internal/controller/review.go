package controller

import (
	"fmt"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// review sets ReviewDue from the instant on at which a review of the group is due (docs/rules.md R1). A zero instant stands
// for a group that takes none.
func (c *conditions) review(g *accessv1alpha1.AccessGroup, due time.Time) {
	if due.IsZero() || due.After(c.now) || g.DeletionTimestamp != nil {
		return
	}
	since, days := "its creation", time.Duration(g.Spec.Review.EveryDays)*24*time.Hour
	switch {
	case g.Spec.ReviewedAt == nil:
	case due.Equal(g.Spec.ReviewedAt.Add(days)):
		since = "spec.reviewedAt"
	default:
		since = "its creation (spec.reviewedAt is in the future and counts as absent)"
	}
	reason, outcome, rights := accessv1alpha1.ReasonReviewMissed, "The group keeps what it gives (spec.review.ifMissed: Keep).", ""
	if g.Spec.Review.IfMissed == accessv1alpha1.MissedReviewEnd {
		reason = accessv1alpha1.ReasonAccessEnded
		outcome = "Since then the group gives only NoAccess (spec.review.ifMissed: End)."
		rights = " and the right to grant what it gives"
	}
	c.set(accessv1alpha1.ConditionReviewDue, true, reason, fmt.Sprintf(
		"A review of the group was due at %s, %s after %s. %s Look at its members and at what it gives, then confirm both with: "+
			"kubectl access review %s --namespace=%s --confirm. This requires the right to update the group%s.",
		due.UTC().Format(time.RFC3339), words.Counted(int(g.Spec.Review.EveryDays), "day", "days"), since, outcome, g.Name, g.Namespace, rights))
}

// The states in which reviews are counted.
const (
	reviewComing  = "Coming"  // due within roster.ReviewNotice
	reviewPending = "Pending" // due, and the access stays
	reviewEnded   = "Ended"   // due, and the group gives only NoAccess
)

// reviews counts the reviews by state. The cost grows with the groups.
func reviews(v *roster.View, now time.Time) map[string]int {
	counts := map[string]int{reviewComing: 0, reviewPending: 0, reviewEnded: 0}
	for namespace, objects := range v.Index().Namespaces() {
		if namespace != v.SystemNamespace() && !v.Index().IsOrganization(objects) {
			continue
		}
		for _, group := range objects.Groups() {
			g := group.Object
			due, has := roster.ReviewDue(g, now)
			switch {
			case !has || group.Inert || g.DeletionTimestamp != nil:
			case due.After(now.Add(roster.ReviewNotice)):
			case due.After(now):
				counts[reviewComing]++
			case g.Spec.Review.IfMissed == accessv1alpha1.MissedReviewEnd:
				counts[reviewEnded]++
			default:
				counts[reviewPending]++
			}
		}
	}
	return counts
}

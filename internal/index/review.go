package index

import (
	"cmp"
	"iter"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// ReviewTolerance is how far in the future a reviewedAt may be, because clocks differ. A reviewedAt further in
// the future is ignored.
const ReviewTolerance = 5 * time.Minute

// ReviewDue returns the instant at which the review of the group is due, as of now. It also reports whether the
// group requires reviews at all.
func ReviewDue(g *accessv1alpha1.AccessGroup, now time.Time) (due time.Time, reviewed bool) {
	days := g.Spec.Review.EveryDays
	if days <= 0 {
		return time.Time{}, false
	}
	last := g.CreationTimestamp.Time
	if at := g.Spec.ReviewedAt; at != nil && !at.After(now.Add(ReviewTolerance)) {
		last = at.Time
	}
	return last.UTC().Add(reviewPeriod(days)), true
}

func reviewPeriod(days int32) time.Duration { return time.Duration(days) * 24 * time.Hour }

// reviewInstants returns the instants at which the review of the group may become due or stop being due.
func reviewInstants(g *accessv1alpha1.AccessGroup) []time.Time {
	days := g.Spec.Review.EveryDays
	if days <= 0 {
		return nil
	}
	instants := []time.Time{g.CreationTimestamp.UTC().Add(reviewPeriod(days))}
	if at := g.Spec.ReviewedAt; at != nil {
		instants = append(instants, at.UTC().Add(-ReviewTolerance), at.UTC().Add(reviewPeriod(days)))
	}
	return instants
}

// live returns the windows in which the group's grants apply: until a review is missed. Nil means always.
func live(g *accessv1alpha1.AccessGroup) []resolve.Window {
	if g.Spec.Review.EveryDays <= 0 || g.Spec.Review.IfMissed != accessv1alpha1.MissedReviewEnd {
		return nil
	}
	instants := reviewInstants(g)
	unreviewed := resolve.Window{NotAfter: instants[0]}
	if len(instants) == 1 {
		return []resolve.Window{unreviewed}
	}
	reviewed := resolve.Window{NotBefore: instants[1], NotAfter: instants[2]}
	if !reviewed.NotBefore.After(unreviewed.NotAfter) {
		reviewed.NotBefore = time.Time{}
		return []resolve.Window{reviewed}
	}
	return []resolve.Window{unreviewed, reviewed}
}

// review is an instant at which the review of a group may become due or stop being due.
type review struct {
	at    time.Time
	group Object
}

func (r review) compare(s review) int { return cmp.Or(r.at.Compare(s.at), r.group.Compare(s.group)) }

// indexReview adds the review instants of the group to the index, or removes them.
func (l *Layer) indexReview(g *Group, in bool) {
	if g.Inert {
		return
	}
	for _, at := range reviewInstants(g.Object) {
		if r := (review{at, ObjectOf(g.Object)}); in {
			l.reviews.Set(r)
		} else {
			l.reviews.Delete(r)
		}
	}
}

// Reviews iterates over the groups whose review becomes due or stops being due after the given instant, in order
// of time.
func (x *Index) Reviews(after time.Time) iter.Seq2[time.Time, Object] {
	return func(yield func(time.Time, Object) bool) {
		for r := range x.reviews.From(review{at: after}) {
			if r.at.After(after) && !yield(r.at, r.group) {
				return
			}
		}
	}
}

// TouchReviewed marks the objects whose status reports the review of the group. These are the group itself and,
// for a group of the system namespace, all policies, because their status lists unmapped system roles.
func (t *Touched) TouchReviewed(x *Index, group Object) {
	t.Objects.Add(group)
	if group.Namespace == x.SystemNamespace() {
		t.TouchPolicies(x)
	}
}

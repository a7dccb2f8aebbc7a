package notify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
	"github.com/usher-dev/usher/internal/mailtext"
	"github.com/usher-dev/usher/internal/roster"
)

// review is a review that administrators are told about, or were told about: before it is due, or once it is.
type review struct {
	Due    time.Time `json:"due"`
	Passed bool      `json:"passed,omitempty"`
}

// reviewOf returns the review of the group that has to be announced as of now, and when it has to be announced next. Both
// are zero if there is none. A review that repeats within [roster.ReviewNotice] is announced only when it is due.
func reviewOf(g *accessv1alpha1.AccessGroup, now time.Time) (r review, next time.Time) {
	due, reviewed := roster.ReviewDue(g, now)
	announced := due
	if time.Duration(g.Spec.Review.EveryDays)*day > roster.ReviewNotice {
		announced = due.Add(-roster.ReviewNotice)
	}
	switch {
	case !reviewed || g.DeletionTimestamp != nil:
		return review{}, time.Time{}
	case !due.After(now):
		return review{Due: due, Passed: true}, time.Time{}
	case announced.After(now):
		return review{}, announced
	default:
		return review{Due: due}, due
	}
}

// reachedReviews returns the reviews that have to be announced as of now, by name of the group, and when the next one has to
// be announced. Groups of the system namespace have no organization whose administrators could be told.
func reachedReviews(
	groups []*accessv1alpha1.AccessGroup, organization string, now time.Time,
) (reached map[string]review, next time.Time) {
	reached = map[string]review{}
	for _, g := range groups {
		if g.Namespace != organization {
			continue
		}
		r, at := reviewOf(g, now)
		if !r.Due.IsZero() {
			reached[g.Name] = r
		}
		if next.IsZero() || (!at.IsZero() && at.Before(next)) {
			next = at
		}
	}
	return reached, next
}

// tellReviews tells the organization's administrators about reviews that are due or soon will be, about each of them once,
// through the channels of the group. The reviews of one window become one notice for each channel. The cost grows with the
// groups of the organization.
func (n *Notifier) tellReviews(t *tracked, now time.Time) {
	reached, next := reachedReviews(t.groups, t.organization, now)
	t.nextReview = next
	n.forgetReviews(t, now)
	maps.DeleteFunc(reached, func(name string, r review) bool {
		told := t.index.Reviews[name]
		return told.Due.Equal(r.Due) && (told.Passed || !r.Passed)
	})
	switch {
	case len(reached) == 0:
		t.reviewsDue = time.Time{}
		return
	case t.reviewsDue.IsZero():
		t.reviewsDue = now.Add(n.Options.Window)
		return
	case t.reviewsDue.After(now):
		return
	}
	t.reviewsDue = time.Time{}
	channels := map[string][]string{}
	for _, g := range t.groups {
		if _, found := reached[g.Name]; found && g.Namespace == t.organization {
			channels[g.Namespace+"/"+g.Name] = channelNames(g)
		}
	}
	byChannel := n.channelsFor(channels)
	for _, key := range slices.SortedFunc(maps.Keys(byChannel), ChannelKey.compare) {
		groups := byChannel[key]
		slices.SortStableFunc(groups, func(a, b string) int {
			_, first := splitName(a)
			_, second := splitName(b)
			return reached[first].Due.Compare(reached[second].Due)
		})
		d := &duty{Channel: key, Reviews: len(groups), Groups: groups[:min(len(groups), mailtext.MostReviews)]}
		n.tellAdministrators(t, d, now)
	}
	maps.Copy(t.index.Reviews, reached)
	t.touchPart(indexPart, now)
	t.writeAt = now
}

// forgetReviews forgets what was told about reviews that are no longer due at the same instant.
func (n *Notifier) forgetReviews(t *tracked, now time.Time) {
	objects := n.Roster.View().Index().Namespace(t.organization)
	before := len(t.index.Reviews)
	maps.DeleteFunc(t.index.Reviews, func(name string, told review) bool {
		g := objects.AccessGroup(name)
		if g == nil {
			return true
		}
		due, reviewed := roster.ReviewDue(g, now)
		return !reviewed || !due.Equal(told.Due)
	})
	if len(t.index.Reviews) < before {
		t.touchPart(indexPart, now)
	}
}

// reviewsIn returns the reviews of the groups (namespace/name) that still have to be announced, sorted by due instant, then
// by name.
func reviewsIn(groups []string, v *roster.View) []delivery.Review {
	var found []delivery.Review
	for _, group := range groups {
		namespace, name := splitName(group)
		g := v.Index().Namespace(namespace).AccessGroup(name)
		if g == nil {
			continue
		}
		r, _ := reviewOf(g, v.Now())
		if r.Due.IsZero() {
			continue
		}
		ifMissed := cmp.Or(g.Spec.Review.IfMissed, accessv1alpha1.MissedReviewKeep)
		state := delivery.ReviewComing
		switch {
		case r.Passed && ifMissed == accessv1alpha1.MissedReviewEnd:
			state = delivery.ReviewEnded
		case r.Passed:
			state = delivery.ReviewDue
		}
		found = append(found, delivery.Review{
			Namespace: namespace, Group: name, Title: g.Spec.DisplayName, Due: r.Due, State: state, IfMissed: string(ifMissed),
		})
	}
	slices.SortFunc(found, func(a, b delivery.Review) int {
		return cmp.Or(a.Due.Compare(b.Due), strings.Compare(a.Group, b.Group))
	})
	return found
}

// isForAdministrators reports whether the notice is for the organization's administrators.
func (d *duty) isForAdministrators() bool { return d.Digest != nil || d.Reviews > 0 }

// repeats reports whether the other notice is about the same reviews, through the same channel.
func (d *duty) repeats(other *duty) bool {
	return d.Reviews > 0 && d.Reviews == other.Reviews && d.Channel == other.Channel && slices.Equal(d.Groups, other.Groups)
}

// isOutdated reports whether a notice for administrators must not be sent any more, because its recipient is no longer an
// administrator or because all of its reviews were confirmed.
func (j *job) isOutdated(v *roster.View) bool {
	if !j.duty.isForAdministrators() {
		return false
	}
	return (j.user != "" && !v.Administers(j.organization, j.user)) ||
		(j.duty.Reviews > 0 && len(reviewsIn(j.duty.Groups, v)) == 0)
}

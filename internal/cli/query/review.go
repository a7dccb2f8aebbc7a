package query

import (
	"cmp"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
)

// Reviews returns the reviews of the groups that are due by the deadline, sorted by due date. A review without a known
// due date is always included. A zero deadline includes all reviews.
func Reviews(w *source.World, groups []*objects.Object, deadline time.Time) []Review {
	reviews := []Review{}
	for _, o := range groups {
		g := o.Object.(*accessv1alpha1.AccessGroup)
		if due, has := reviewDue(w, g); has && (deadline.IsZero() || !due.After(deadline)) {
			reviews = append(reviews, newReview(w, g, due))
		}
	}
	slices.SortFunc(reviews, func(a, b Review) int {
		return cmp.Or(compareDue(a.Due, b.Due), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Group, b.Group))
	})
	return reviews
}

// firstYear is the first year that the schema accepts in an instant.
const firstYear = 1000

// reviewDue returns when a review of the group is due, and reports whether the group has one. The instant is zero
// for a group from files without a valid confirmation, because files do not contain the creation time.
func reviewDue(w *source.World, g *accessv1alpha1.AccessGroup) (due time.Time, has bool) {
	if g.DeletionTimestamp != nil {
		return time.Time{}, false
	}
	if due, has = roster.ReviewDue(g, w.Now()); due.Year() < firstYear {
		due = time.Time{}
	}
	return due, has
}

// compareDue compares two due dates. An absent date comes first.
func compareDue(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	default:
		return a.Compare(*b)
	}
}

// The states of reviews.
const (
	ReviewComing = "Coming" // it becomes due later
	ReviewDue    = "Due"    // it is due, and the group keeps its access
	ReviewEnded  = "Ended"  // it is due, and the group gives only NoAccess
)

// Review is one review. Its JSON is a contract.
type Review struct {
	Namespace   string `json:"namespace"`
	Group       string `json:"group"`
	DisplayName string `json:"displayName,omitempty"`
	EveryDays   int32  `json:"everyDays"`
	IfMissed    string `json:"ifMissed"`
	// ReviewedAt is the time of the last confirmation; absent if the group was never confirmed.
	ReviewedAt *time.Time `json:"reviewedAt,omitempty"`
	// Due is absent for an unconfirmed group from files, because files do not contain the creation time.
	Due     *time.Time `json:"due,omitempty"`
	State   string     `json:"state"`
	Members []string   `json:"members"`
	Gives   []string   `json:"gives"`
	// ChangedBy is absent for a group from files.
	ChangedBy *LastChange `json:"changedBy,omitempty"`
}

// LastChange is the newest entry of managedFields for the main resource, without subresources.
type LastChange struct {
	Manager string    `json:"manager"`
	At      time.Time `json:"at"`
}

func newReview(w *source.World, g *accessv1alpha1.AccessGroup, due time.Time) Review {
	spec := &g.Spec.Review
	made := Review{
		Namespace: g.Namespace, Group: g.Name, DisplayName: g.Spec.DisplayName, EveryDays: spec.EveryDays,
		IfMissed: string(cmp.Or(spec.IfMissed, accessv1alpha1.MissedReviewKeep)), State: ReviewComing,
		Members: w.ActiveMembers(roster.ObjectOf(g)), Gives: GivenBy(g), ChangedBy: lastChangeOf(g),
	}
	if made.Members == nil {
		made.Members = []string{}
	}
	if g.Spec.ReviewedAt != nil {
		made.ReviewedAt = newInstant(g.Spec.ReviewedAt.UTC())
	}
	made.Due = newInstant(due)
	if !due.After(w.Now()) {
		made.State = ReviewDue
		if spec.IfMissed == accessv1alpha1.MissedReviewEnd {
			made.State = ReviewEnded
		}
	}
	return made
}

// lastChangeOf returns the last write to the spec or the metadata. It returns nil if the object has no such entry.
func lastChangeOf(g *accessv1alpha1.AccessGroup) *LastChange {
	var last *LastChange
	for i := range g.ManagedFields {
		entry := &g.ManagedFields[i]
		if entry.Subresource != "" || entry.Time == nil {
			continue
		}
		if last == nil || entry.Time.After(last.At) {
			last = &LastChange{entry.Manager, entry.Time.UTC()}
		}
	}
	return last
}

// DueText returns the due date as text, with the state if the review is due.
func (r *Review) DueText() string {
	due := cmp.Or(Until(r.Due), "unknown")
	if r.State != ReviewComing {
		due += " (" + strings.ToLower(r.State) + ")"
	}
	return due
}

// GivesText describes in words what the group gives.
func (r *Review) GivesText() string { return cmp.Or(strings.Join(r.Gives, "; "), "nothing") }

// Text returns the field manager and the time; empty for nil.
func (c *LastChange) Text() string {
	if c == nil {
		return ""
	}
	return c.Manager + " " + InstantText(c.At)
}

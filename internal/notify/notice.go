package notify

import (
	"slices"

	"github.com/usher-dev/usher/internal/delivery"
	"github.com/usher-dev/usher/internal/roster"
)

// job is a duty with everything that is needed to deliver it without the record. It is immutable.
type job struct {
	organization, user, name, address string
	duty                              duty
	before, after                     *Access
}

// notice returns the notice. It takes only the display names and messages of groups and applications from the roster.
func (j *job) notice(r *roster.Roster) *delivery.Notice {
	d, objects := &j.duty, r.View().Index()
	n := &delivery.Notice{
		ID: d.ID, Organization: j.organization, User: j.user, Name: j.name, Address: j.address, At: d.At,
		Digest: d.Digest, Reason: delivery.ReasonChanged,
	}
	switch {
	case d.Digest != nil:
		n.Reason = delivery.ReasonDigest
	case d.Reviews > 0:
		n.Reason, n.Reviews, n.MoreReviews = delivery.ReasonReview, reviewsIn(d.Groups, r.View()), d.Reviews-len(d.Groups)
		return n // the messages of groups are for their members
	case d.Asked:
		n.Reason, n.Changes = delivery.ReasonAsked, roles(j.after)
	default:
		n.Changes = changes(j.before, j.after)
	}
	if !d.EndsUntil.IsZero() {
		for _, c := range expiring(j.after, d.EndsAfter, d.EndsUntil) {
			if !tellsEnd(n, &c) {
				n.Changes = append(n.Changes, c)
			}
		}
	}
	for i := range n.Changes {
		c := &n.Changes[i]
		if aa := objects.Namespace(j.organization).Application(c.Application); aa != nil {
			c.Title = aa.Spec.DisplayName
		}
	}
	for _, group := range d.Groups {
		namespace, name := splitName(group)
		g := delivery.Group{Namespace: namespace, Name: name}
		if o := objects.Namespace(namespace).AccessGroup(name); o != nil {
			g.DisplayName, g.Message = o.Spec.DisplayName, o.Spec.Notification.Message
		}
		n.Groups = append(n.Groups, g)
	}
	return n
}

// tellsEnd reports whether the notice already tells the end of an expiring role.
func tellsEnd(n *delivery.Notice, expiring *delivery.Change) bool {
	return slices.ContainsFunc(n.Changes, func(c delivery.Change) bool {
		return c.Scope == expiring.Scope && c.Application == expiring.Application && c.Until.Equal(expiring.Until)
	})
}

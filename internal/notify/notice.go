package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/roster"
)

// Reason says why a notice is sent.
type Reason string

// The reasons of notices.
const (
	// ReasonChanged is for access that changed or is about to end.
	ReasonChanged Reason = "Changed"
	// ReasonAsked is for access that somebody asked Usher to tell of.
	ReasonAsked Reason = "Asked"
	// ReasonDigest is for administrators, who are told of a change to many.
	ReasonDigest Reason = "Digest"
)

// Notice is what one user is told through one channel.
type Notice struct {
	// ID is the same when a notice is sent again.
	ID           string
	Reason       Reason
	Organization string
	User         string
	// Name is what to call the user, Address where mail goes; empty: not known.
	Name, Address string
	// At is when the notice came to be.
	At time.Time
	// Changes are sorted: the organization, applications by name, all others. Of a digest there are none.
	Changes []Change
	Groups  []Group
	// Digest is set on a digest.
	Digest *Counts
}

// Group is a group on whose account a user is told.
type Group struct {
	Namespace, Name string
	// DisplayName and Message are the group's own; empty where it has none, or is gone.
	DisplayName, Message string
}

// title is what to call the group.
func (g *Group) title() string { return cmp.Or(g.DisplayName, g.Name) }

// job is a duty made ready to be delivered, out of the record: it does not change.
type job struct {
	organization, user, name, address string
	duty                              duty
	before, after                     *Access
}

// notice makes the notice; of the roster it reads only what groups and applications are called.
func (j *job) notice(objects *roster.Roster) *Notice {
	d := &j.duty
	n := &Notice{
		ID: d.ID, Organization: j.organization, User: j.user, Name: j.name, Address: j.address, At: d.At,
		Digest: d.Digest, Reason: ReasonChanged,
	}
	switch {
	case d.Digest != nil:
		n.Reason = ReasonDigest
	case d.Asked:
		n.Reason, n.Changes = ReasonAsked, standing(j.after)
	default:
		n.Changes = changes(j.before, j.after)
	}
	if !d.EndsUntil.IsZero() {
		n.addExpiring(expiring(j.after, d.EndsAfter, d.EndsUntil))
	}
	for i := range n.Changes {
		c := &n.Changes[i]
		if aa := objects.View().Index().Namespace(j.organization).Application(c.Application); aa != nil {
			c.Title = aa.Spec.DisplayName
		}
	}
	for _, name := range d.Groups {
		namespace, group := splitGroup(name)
		g := Group{Namespace: namespace, Name: group}
		if o := objects.View().Index().Namespace(namespace).AccessGroup(group); o != nil {
			g.DisplayName, g.Message = o.Spec.DisplayName, o.Spec.Notification.Message
		}
		n.Groups = append(n.Groups, g)
	}
	return n
}

// addExpiring adds what is about to end, where it is not told already that it was given until then.
func (n *Notice) addExpiring(ends []Change) {
	for _, c := range ends {
		if !slices.ContainsFunc(n.Changes, func(d Change) bool {
			return d.Scope == c.Scope && d.Application == c.Application && d.Until.Equal(c.Until)
		}) {
			n.Changes = append(n.Changes, c)
		}
	}
}

// sourceName is what to call what gives a role: the group's name, or that it is the user's own.
func sourceName(source string) string {
	o, ok := roster.ParseObject(source)
	switch {
	case !ok:
		return ""
	case o.Kind == roster.KindAccessGroup:
		return fmt.Sprintf("group %s", o.Name)
	case o.Kind == roster.KindUserAccess:
		return "an individual grant"
	default:
		return strings.TrimSpace(string(o.Kind) + " " + o.Name)
	}
}

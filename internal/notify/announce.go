package notify

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
)

// announce creates one notice for each channel about the differences of a comparison.
func (n *Notifier) announce(t *tracked, c *comparison, now time.Time) {
	e := c.entry
	channels := n.channelsFor(c.groups)
	keys := slices.SortedFunc(maps.Keys(channels), ChannelKey.compare)
	for _, key := range keys {
		d := &duty{
			Channel: key, At: now.UTC(), Before: e.told.digest(), After: c.current.digest(), Groups: channels[key],
		}
		if !c.horizon.IsZero() {
			d.EndsAfter, d.EndsUntil = e.ends, c.horizon
		}
		n.assign(t, c.user, e, d, now)
	}
	e.told = c.current
	if c.horizon.After(e.ends) {
		e.ends = c.horizon
	}
	delete(t.due, c.user)
	t.touch(c.user, now)
	t.writeAt = now
	n.count(t, c.changes, keys, now)
}

// assign adds a notice to the user's duties. It merges notices for the same channel that nobody has begun to send.
func (n *Notifier) assign(t *tracked, user string, e *entry, d *duty, now time.Time) {
	m := member{t.organization, user}
	if n.channels.needsAddress(d.Channel) && e.address(user) == "" {
		n.Metrics.unaddressed.Inc()
		n.setUserProblem(d.Groups, accessv1alpha1.ReasonNoAddress, m, "no address")
		return
	}
	n.setUserProblem(d.Groups, accessv1alpha1.ReasonNoAddress, m, "")
	e.duties = slices.DeleteFunc(e.duties, func(old *duty) bool {
		if old.Channel != d.Channel || old.isForAdministrators() || old.Asked != d.Asked || !n.withdraw(t, old) {
			return false
		}
		if !d.Asked {
			d.Before = old.Before
			if !old.EndsAfter.IsZero() {
				d.EndsAfter = old.EndsAfter
			}
		}
		return true
	})
	if !d.Asked && len(changes(t.interned[d.Before], t.interned[d.After])) == 0 &&
		len(expiring(t.interned[d.After], d.EndsAfter, d.EndsUntil)) == 0 {
		return // the change was undone before the user was told
	}
	d.ID = newID()
	e.duties = append(e.duties, d)
	t.send(user, e, d, now)
}

// send gives a notice to its outbox once the record is written.
func (t *tracked) send(user string, e *entry, d *duty, now time.Time) {
	t.ready = append(t.ready, &job{
		organization: t.organization, user: user, name: e.name, address: e.address(user), duty: *d,
		before: t.interned[d.Before], after: t.interned[d.After],
	})
	t.writeAt = now
}

// withdraw takes back a notice and reports whether nobody had begun to send it.
func (n *Notifier) withdraw(t *tracked, d *duty) bool {
	ready := len(t.ready)
	t.ready = slices.DeleteFunc(t.ready, func(j *job) bool { return j.duty.ID == d.ID })
	if len(t.ready) < ready {
		return true
	}
	o := n.outboxes[d.Channel]
	return o != nil && o.withdraw(d.ID)
}

// newID returns a new identifier of a notice.
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails
	return hex.EncodeToString(random[:])
}

// compareShards orders users by shard, then by name.
func (r *record) compareShards(a, b string) int {
	return cmp.Or(shardOf(a, r.index.Shards)-shardOf(b, r.index.Shards), strings.Compare(a, b))
}

// count adds a user with changes to the mass change of the current window.
func (n *Notifier) count(t *tracked, found []delivery.Change, channels []ChannelKey, now time.Time) {
	if n.Options.Mass == 0 || len(found) == 0 {
		return
	}
	m := t.index.Mass
	if m == nil {
		m = &mass{Due: now.Add(n.Options.Window).UTC()}
		t.index.Mass = m
	}
	m.Users++
	for kind, counter := range map[delivery.ChangeKind]*int{
		delivery.Granted: &m.Granted, delivery.Changed: &m.Changed, delivery.Revoked: &m.Revoked,
	} {
		if slices.ContainsFunc(found, func(c delivery.Change) bool { return c.Kind == kind }) {
			*counter++
		}
	}
	m.Channels = append(m.Channels, channels...)
	slices.SortFunc(m.Channels, ChannelKey.compare)
	m.Channels = slices.Compact(m.Channels)
	t.touchPart(indexPart, now)
}

// digest tells the organization's administrators about a mass change whose window has closed.
func (n *Notifier) digest(t *tracked, now time.Time) {
	m := t.index.Mass
	if m == nil || m.Due.After(now) {
		return
	}
	t.index.Mass = nil
	t.touchPart(indexPart, now)
	if m.Users < n.Options.Mass {
		return
	}
	for _, key := range m.Channels {
		n.tellAdministrators(t, &duty{Channel: key, Digest: &m.Counts}, now)
	}
}

// tellAdministrators creates copies of a notice for the organization's administrators: one for each of them by mail, or one
// for any other channel as a whole. It creates no copy that already waits for delivery, which may be so after a crash.
func (n *Notifier) tellAdministrators(t *tracked, d *duty, now time.Time) {
	users := []string{""} // the channel as a whole
	if n.channels.needsAddress(d.Channel) {
		users = n.Roster.View().Administrators(t.organization)
	}
	for _, user := range users {
		e, m := t.at(user), n.Roster.View().Member(t.organization, user)
		e.know(m.Account, m.Decision == nil)
		problem := ""
		if user != "" && e.address(user) == "" {
			n.Metrics.unaddressed.Inc()
			problem = "no address"
		}
		n.setUserProblem(d.Groups, accessv1alpha1.ReasonNoAddress, member{t.organization, user}, problem)
		if problem != "" || slices.ContainsFunc(e.duties, d.repeats) {
			continue
		}
		copied := *d
		copied.ID, copied.At = newID(), now.UTC()
		e.duties = append(e.duties, &copied)
		t.send(user, e, &copied, now)
		t.touch(user, now)
	}
}

// apply records the outcome of an attempt to deliver a notice. The organization may have no record any more.
func (n *Notifier) apply(t *tracked, r *result, now time.Time) {
	d, user := &r.job.duty, r.job.user
	switch {
	case t == nil && r.outcome == delivered:
		<-n.outboxes[d.Channel].slots
		return
	case t == nil:
		return
	case r.outcome == delivered:
		t.delivered = append(t.delivered, d.Channel)
		t.writeAt = now
	}
	e := t.get(user)
	if e == nil {
		return
	}
	i := slices.IndexFunc(e.duties, func(other *duty) bool { return other.ID == d.ID })
	if i < 0 {
		return
	}
	t.touch(user, now)
	if r.outcome == retried {
		e.duties[i].Tries++
		return
	}
	e.duties = slices.Delete(e.duties, i, i+1)
	t.writeAt = now
	t.forgetIdle(user)
}

// channelsFor returns the channels of the groups, and for each of them the groups that use it.
func (n *Notifier) channelsFor(groups map[string][]string) map[ChannelKey][]string {
	found := map[ChannelKey][]string{}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		namespace, _ := splitName(group)
		for _, key := range channelsOf(n.Roster, namespace, groups[group]) {
			found[key] = append(found[key], group)
		}
	}
	return found
}

package notify

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// announce makes notices of what has waited for its window to close, and looks again at whom an end comes near.
func (n *Notifier) announce(now time.Time) {
	for _, organization := range slices.Sorted(maps.Keys(n.records)) {
		t := n.records[organization]
		if !t.next.IsZero() && !t.next.After(now) {
			n.lookAt(t, now)
		}
		var due []string
		for user := range t.pending {
			if e := t.get(user); e != nil && !e.due.After(now) {
				due = append(due, user)
			}
		}
		// In the order of shards: few deliveries are recorded with one write.
		slices.SortFunc(due, func(a, b string) int { return t.compare(a, b) })
		for _, user := range due {
			n.announceTo(t, user, now)
		}
		if m := t.index.Mass; m != nil && !m.Due.After(now) {
			n.digest(t, m, now)
		}
	}
}

// announceTo makes the notices for one user, one for each channel, of what differs now.
func (n *Notifier) announceTo(t *tracked, user string, now time.Time) {
	e := t.get(user)
	m := n.Roster.View().Member(t.organization, user)
	is := t.intern(accessOf(&m))
	horizon := n.horizon(t, user, e, &m, is, now)
	differs := changes(e.told, is)
	groups := n.telling(e.told, is)
	if len(groups) == 0 || (len(differs) == 0 && !announces(e, is, horizon)) {
		n.settle(t, user, e, is, now)
		return
	}
	channels := n.channelsFor(groups)
	for _, key := range slices.SortedFunc(maps.Keys(channels), ChannelKey.compare) {
		d := &duty{
			Channel: key, At: now.UTC(), Before: e.told.digest(), After: is.digest(),
			EndsAfter: e.ends, EndsUntil: horizon, Groups: channels[key],
		}
		if horizon.IsZero() {
			d.EndsAfter = time.Time{}
		}
		n.assign(t, user, e, d)
	}
	e.told, e.due = is, time.Time{}
	if horizon.After(e.ends) {
		e.ends = horizon
	}
	delete(t.pending, user)
	t.touch(user, now)
	t.urgent = true
	n.count(t, differs, slices.Collect(maps.Keys(channels)), now)
	if e.idle() {
		t.forget(user)
	}
}

// assign gives the user a notice to be told. One that waits for the same channel becomes part of it.
func (n *Notifier) assign(t *tracked, user string, e *entry, d *duty) {
	if n.isMail(d.Channel) && e.address(user) == "" {
		n.Metrics.unaddressed.Inc()
		n.health.unaddressed(d.Groups, t.organization, user, n.concerned)
		return
	}
	n.health.addressed(d.Groups, t.organization, user, n.concerned)
	e.duties = slices.DeleteFunc(e.duties, func(old *duty) bool {
		if old.Channel != d.Channel || old.Digest != nil || old.Asked != d.Asked || !n.takeBack(t, old) {
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
	if !d.Asked && d.Digest == nil && len(changes(t.interned[d.Before], t.interned[d.After])) == 0 &&
		len(expiring(t.interned[d.After], d.EndsAfter, d.EndsUntil)) == 0 {
		return // what waited has been taken back before anybody was told
	}
	d.ID = newID()
	e.duties = append(e.duties, d)
	n.queue(t, user, e, d)
}

// takeBack withdraws a notice that nobody has begun to deliver.
func (n *Notifier) takeBack(t *tracked, d *duty) bool {
	before := len(t.jobs)
	t.jobs = slices.DeleteFunc(t.jobs, func(w waitingFor) bool { return w.job.duty.ID == d.ID })
	if len(t.jobs) < before {
		return true
	}
	w := n.workers[d.Channel]
	return w != nil && w.withdraw(d.ID)
}

// newID is the identifier of a notice.
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails
	return hex.EncodeToString(random[:])
}

// compare orders users by shard.
func (t *tracked) compare(a, b string) int {
	if by := shardOf(a, t.index.Shards) - shardOf(b, t.index.Shards); by != 0 {
		return by
	}
	if a < b {
		return -1
	}
	return 1
}

// count notes that a user is told of changes: many users within a window are a mass change.
func (n *Notifier) count(t *tracked, differs []Change, channels []ChannelKey, now time.Time) {
	if n.Options.Mass == 0 || len(differs) == 0 {
		return
	}
	m := t.index.Mass
	if m == nil {
		m = &mass{Due: now.Add(n.Options.Window).UTC()}
		t.index.Mass = m
	}
	m.Users++
	for kind, counter := range map[ChangeKind]*int{Granted: &m.Granted, Changed: &m.Changed, Revoked: &m.Revoked} {
		if slices.ContainsFunc(differs, func(c Change) bool { return c.Kind == kind }) {
			*counter++
		}
	}
	for _, key := range channels {
		if name := key.String(); !slices.Contains(m.Channels, name) {
			m.Channels = append(m.Channels, name)
			slices.Sort(m.Channels)
		}
	}
	t.touchIndex(now)
}

// digest tells the organization's administrators of a mass change, by mail each of them, through other channels once.
func (n *Notifier) digest(t *tracked, m *mass, now time.Time) {
	t.index.Mass = nil
	t.touchIndex(now)
	if m.Users < n.Options.Mass {
		return
	}
	for _, name := range m.Channels {
		key, _ := parseChannelKey(name)
		users := []string{""} // others have no addressee
		if n.isMail(key) {
			users = n.Roster.View().Administrators(t.organization)
		}
		for _, user := range users {
			e := t.at(user)
			member := n.Roster.View().Member(t.organization, user)
			e.know(member.Account, member.Decision == nil)
			if user != "" && e.address(user) == "" {
				n.Metrics.unaddressed.Inc()
				continue
			}
			d := &duty{ID: newID(), Channel: key, At: now.UTC(), Digest: &m.Counts}
			e.duties = append(e.duties, d)
			n.queue(t, user, e, d)
			t.touch(user, now)
		}
	}
}

// handleAll handles what workers have said, as much as there is.
func (n *Notifier) handleAll() {
	for {
		select {
		case r := <-n.results:
			n.handle(r)
		default:
			return
		}
	}
}

// handle notes what became of an attempt.
func (n *Notifier) handle(r result) {
	if r.job == nil {
		n.health.channel(r.channel, r.kind == channelFailed, r.err, n.users(r.channel), n.concerned)
		return
	}
	t := n.records[r.job.organization]
	if r.kind == delivered {
		n.Metrics.sent.WithLabelValues(string(r.typ)).Inc()
		if t == nil {
			n.workers[r.channel].recorded(1)
			return
		}
		t.slots[r.channel]++
		t.urgent = true
	}
	if t == nil {
		return
	}
	now := n.Now()
	e := t.get(r.job.user)
	if e == nil {
		return
	}
	i := slices.IndexFunc(e.duties, func(d *duty) bool { return d.ID == r.job.duty.ID })
	if i < 0 {
		return
	}
	t.touch(r.job.user, now)
	switch r.kind {
	case triedInVain:
		e.duties[i].Tries++
		n.Metrics.retried.WithLabelValues(string(r.typ)).Inc()
		return
	case delivered:
		n.health.delivered(r.job, n.concerned)
	default:
		n.Metrics.failed.WithLabelValues(string(r.typ)).Inc()
		n.health.undelivered(r.job, r.channel, r.err, n.concerned)
		t.urgent = true
	}
	e.duties = slices.Delete(e.duties, i, i+1)
	if e.idle() {
		t.forget(r.job.user)
	}
}

// users lists the groups that use the channel.
func (n *Notifier) users(key ChannelKey) []roster.Object {
	return slices.DeleteFunc(n.Roster.View().NotifyingGroups(), func(o roster.Object) bool {
		g := n.Roster.View().Index().Namespace(o.Namespace).AccessGroup(o.Name)
		return g == nil || !slices.Contains(channelsOf(n.Roster, o.Namespace, channelNames(g)), key)
	})
}

func (n *Notifier) concerned(groups ...roster.Object) {
	if n.Concerned != nil && len(groups) > 0 {
		n.Concerned(groups)
	}
}

// keyOf lists the channels of a group.
func (n *Notifier) keysOf(g *accessv1alpha1.AccessGroup) []ChannelKey {
	return sortedKeys(channelsOf(n.Roster, g.Namespace, channelNames(g)))
}

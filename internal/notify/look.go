package notify

import (
	"context"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// look looks at everybody whom the batch regards.
func (n *Notifier) look(ctx context.Context, b batch) {
	now := n.Now()
	groups := false
	for o := range b.objects {
		switch o.Kind {
		case roster.KindAccessGroup:
			groups = true
		case roster.KindAccessPolicy:
			n.policyChanged(o.Namespace)
		}
	}
	if groups || n.unopened {
		n.unopened = false
		n.openNew(ctx, b.users)
		n.noteGroups(b.objects)
	}
	for m := range b.users {
		if t := n.records[m.organization]; t != nil {
			n.lookAtUser(t, m.user, now)
		}
	}
	for _, t := range n.records {
		if t.stale {
			t.stale = false
			n.lookAt(t, now)
		}
	}
	n.lookForQuestions(b.objects, now)
	if groups {
		n.closeOld(ctx)
	}
}

// openNew begins to tell in organizations that have come to have a group that tells.
func (n *Notifier) openNew(ctx context.Context, users map[member]before) {
	for _, organization := range n.Roster.View().Notified() {
		if n.records[organization] != nil || n.Roster.View().Index().Namespace(organization).Terminating() {
			continue
		}
		found, err := n.store.list(ctx, organization)
		if err != nil {
			n.health.recorded(organization, err, n.concerned)
			n.unopened = true
			continue
		}
		n.open(ctx, read(organization, found[organization], n.Now()), users)
	}
}

// closeOld ceases to tell where no group does any more and nobody is left to be told.
func (n *Notifier) closeOld(ctx context.Context) {
	notified := n.Roster.View().Notified()
	for organization, t := range n.records {
		if _, still := slices.BinarySearch(notified, organization); still || len(t.pending) > 0 || len(t.jobs) > 0 {
			continue
		}
		left := false
		t.each(func(_ string, e *entry) { left = left || len(e.duties) > 0 })
		if left {
			continue
		}
		n.drop(t)
		if n.Roster.View().Index().Namespace(organization).Terminating() {
			continue
		}
		if err := n.store.remove(ctx, t.record); err != nil {
			t.urgent = true
			n.records[organization] = t // to be tried again
		}
	}
}

// noteGroups marks the organizations in which a group has come to tell otherwise than before.
func (n *Notifier) noteGroups(objects map[roster.Object]struct{}) {
	for o := range objects {
		if o.Kind != roster.KindAccessGroup || !n.health.groupChanged(o, n.Roster.View().Index().Namespace(o.Namespace).AccessGroup(o.Name)) {
			continue
		}
		for organization, t := range n.records {
			t.stale = t.stale || organization == o.Namespace || o.Namespace == n.Roster.View().SystemNamespace()
		}
	}
}

// policyChanged has channels try again that the policy may have mended.
func (n *Notifier) policyChanged(namespace string) {
	for key, w := range n.workers {
		if key.Namespace == namespace {
			w.kick()
		}
	}
}

// lookAtAll looks at everybody, and forgets of whom groups no longer speak.
func (n *Notifier) lookAtAll() {
	n.health.forget(n.Roster.View().IsMember, n.concerned)
	for _, t := range n.records {
		t.stale = true
	}
	n.inbox.poke()
}

// lookAt looks at everybody in an organization.
func (n *Notifier) lookAt(t *tracked, now time.Time) {
	t.next = time.Time{}
	users := n.Roster.View().Users(t.organization)
	t.each(func(user string, _ *entry) { users = append(users, user) })
	slices.Sort(users)
	for _, user := range slices.Compact(users) {
		n.lookAtUser(t, user, now)
	}
}

// lookAtUser compares what the user has with what the user was told. What there is to tell waits for the window to close;
// what nobody is to be told of is taken as told.
func (n *Notifier) lookAtUser(t *tracked, user string, now time.Time) {
	m := n.Roster.View().Member(t.organization, user)
	if m.Decision != nil && m.Decision.Unfinished {
		return // its ends are still being looked for; a further change follows
	}
	is := accessOf(&m)
	e := t.get(user)
	if e == nil {
		if is.isNone() {
			return
		}
		e = t.at(user)
	}
	if e.know(m.Account, m.Decision == nil) && !is.isNone() {
		t.touch(user, now)
	}
	horizon := n.horizon(t, user, e, &m, is, now)
	groups := n.telling(e.told, is)
	toTell := len(groups) > 0 && (len(changes(e.told, is)) > 0 || announces(e, is, horizon))
	switch {
	case toTell && e.due.IsZero():
		e.due = now.Add(n.Options.Window)
		t.pending[user] = struct{}{}
	case !toTell:
		n.settle(t, user, e, is, now)
	}
}

// settle takes what the user has as told.
func (n *Notifier) settle(t *tracked, user string, e *entry, is *Access, now time.Time) {
	e.due = time.Time{}
	delete(t.pending, user)
	if is.digest() != e.told.digest() {
		e.told = t.intern(is)
		t.touch(user, now)
	}
	if e.idle() {
		t.forget(user)
	}
}

// horizon is up to when ends are announced now; zero: none are. It notes when the next one is to be.
func (n *Notifier) horizon(t *tracked, user string, e *entry, m *roster.Member, is *Access, now time.Time) time.Time {
	notice := expiryNotice(m.Groups)
	if notice == 0 || m.Decision == nil {
		if !e.ends.IsZero() {
			e.ends = time.Time{}
			t.touch(user, now)
		}
		return time.Time{}
	}
	horizon := now.Add(notice).UTC().Truncate(time.Second)
	if e.ends.IsZero() {
		// What ends soon when the user comes to be told is told with what begins, or was known before.
		e.ends = horizon
		t.touch(user, now)
	}
	for _, end := range is.ends() {
		if end.After(horizon) {
			if at := end.Add(-notice); t.next.IsZero() || at.Before(t.next) {
				t.next = at
			}
			break
		}
	}
	return horizon
}

// announces says whether an end has come near that was not announced.
func announces(e *entry, is *Access, horizon time.Time) bool {
	return slices.ContainsFunc(is.ends(), func(end time.Time) bool { return end.After(e.ends) && !end.After(horizon) })
}

// telling returns the groups that tell the user of a change, with their channels: those that the user is in, and those
// that the user was in, unless they have ceased to tell.
func (n *Notifier) telling(told, is *Access) map[string][]string {
	groups := map[string][]string{}
	for name, channels := range is.Groups {
		groups[name] = channels
	}
	for name, channels := range told.Groups {
		if _, in := groups[name]; in {
			continue
		}
		namespace, group := splitGroup(name)
		g := n.Roster.View().Index().Namespace(namespace).AccessGroup(group)
		switch {
		case g == nil:
			groups[name] = channels
		case tells(g):
			groups[name] = channelNames(g)
		}
	}
	return groups
}

// channelsFor returns the channels of the groups, each with the groups on whose account it is used.
func (n *Notifier) channelsFor(groups map[string][]string) map[ChannelKey][]string {
	found := map[ChannelKey][]string{}
	for group, names := range groups {
		namespace, _ := splitGroup(group)
		for _, key := range channelsOf(n.Roster, namespace, names) {
			found[key] = append(found[key], group)
		}
	}
	for _, list := range found {
		slices.Sort(list)
	}
	return found
}

// isMail says whether the channel takes an address.
func (n *Notifier) isMail(key ChannelKey) bool {
	spec := n.channels.find(key)
	return spec != nil && spec.Type == accessv1alpha1.ChannelTypeSMTP
}

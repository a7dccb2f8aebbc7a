package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/log"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
	"github.com/usher-dev/usher/internal/roster"
)

// compareAgain is how often all users of an organization are compared even if nothing seems to have changed.
const compareAgain = 10 * time.Minute

// tracked is the record of an organization, with the state that is derived from it.
type tracked struct {
	*record
	// groups are the groups that notify members, and comparedAt is when all users were last compared.
	groups     []*accessv1alpha1.AccessGroup
	comparedAt time.Time
	// nextEnd is when the next end of a role has to be announced; zero: none has.
	nextEnd time.Time
	// nextReview is when the next review of a group has to be announced, and reviewsDue when the reviews that wait become a
	// notice; zero: there are none.
	nextReview, reviewsDue time.Time
	// due is when the changes of a user become a notice, by user.
	due map[string]time.Time
	// ready are notices for the outboxes to send once the record is written.
	ready []*job
	// delivered are the channels of notices that were delivered since the record was last written.
	delivered []ChannelKey
}

// open reads the record of an organization and begins to track it. It returns nil if the organization needs no record. If
// no record says what a user was told, the user counts as told about the present access, or about the access before the
// batch if the batch changed it. If the record is lost, administrators count as told about reviews.
func (n *Notifier) open(ctx context.Context, organization string, users map[string]before) (*tracked, error) {
	view, now := n.Roster.View(), n.Now()
	found, loaded := n.loaded[organization]
	if !loaded {
		if len(view.Notifying(organization)) == 0 || view.Index().Namespace(organization).Terminating() {
			return nil, nil
		}
		all, err := n.store.list(ctx, organization)
		if err != nil {
			return nil, err
		}
		found = all[organization]
	}
	delete(n.loaded, organization)
	s := read(organization, found, now)
	t := &tracked{record: s.record, due: map[string]time.Time{}}
	n.records[organization] = t
	if s.lost != nil {
		n.reportLoss(ctx, organization, s.lost)
		if !t.index.Begun {
			t.index.Reviews, _ = reachedReviews(view.Notifying(organization), organization, now)
		}
	}
	for _, user := range view.Users(organization) {
		if t.index.Begun && !s.gaps[shardOf(user, t.index.Shards)] {
			continue
		}
		m := view.Member(organization, user)
		if earlier := users[user]; earlier.changed {
			m.Decision = earlier.decision
		}
		t.at(user).told = t.intern(accessOf(&m))
		t.touch(user, now)
	}
	t.each(func(user string, e *entry) {
		for _, d := range e.duties {
			t.send(user, e, d, now)
		}
	})
	t.writeAt = now
	return t, nil
}

// reportLoss reports a record that could not be read completely, on the groups that notify members of the organization.
func (n *Notifier) reportLoss(ctx context.Context, organization string, cause error) {
	n.Metrics.lost.Inc()
	log.FromContext(ctx).Info("The record of notices is incomplete. Users count as notified of their current access.",
		"namespace", organization, "reason", cause.Error())
	message := fmt.Sprintf("The record of what users were told is incomplete (%s). These users count as notified "+
		"of their current access. To notify them anyway, set annotation %s.", cause, accessv1alpha1.AnnotationNotify)
	for _, g := range n.Roster.View().Notifying(organization) {
		if g.Namespace == organization {
			n.event(g, warning, "RecordLost", message)
		}
	}
}

// next returns when the organization has to be reconciled again.
func (t *tracked) next() time.Time {
	times := slices.AppendSeq([]time.Time{t.comparedAt.Add(compareAgain), t.nextEnd, t.nextReview, t.reviewsDue, t.writeAt}, maps.Values(t.due))
	if t.index.Mass != nil {
		times = append(times, t.index.Mass.Due)
	}
	return slices.MinFunc(slices.DeleteFunc(times, time.Time.IsZero), time.Time.Compare)
}

// isFinished reports whether no notice will be sent in the organization, now or later.
func (t *tracked) isFinished() bool {
	if len(t.groups) > 0 || len(t.due) > 0 || len(t.ready) > 0 {
		return false
	}
	finished := true
	t.each(func(_ string, e *entry) { finished = finished && len(e.duties) == 0 })
	return finished
}

// compare compares users with the record: the given ones and those whose window has closed, or all users if a group
// notifies its members differently, an end comes near, or the last time was long ago.
func (n *Notifier) compare(t *tracked, users map[string]before, now time.Time) {
	view := n.Roster.View()
	compared := slices.Collect(maps.Keys(users))
	groups := view.Notifying(t.organization)
	same := slices.EqualFunc(t.groups, groups, notifyAlike)
	t.groups = groups
	ended := !t.nextEnd.IsZero() && !t.nextEnd.After(now)
	if !same || ended || now.Sub(t.comparedAt) >= compareAgain {
		t.comparedAt, t.nextEnd = now, time.Time{}
		n.forgetFormerMembers(t.organization)
		compared = append(compared, view.Users(t.organization)...)
		t.each(func(user string, _ *entry) { compared = append(compared, user) })
	}
	slices.Sort(compared)
	for _, user := range slices.Compact(compared) {
		n.compareUser(t, user, now)
		n.answerUser(t, user, now)
	}
	var due []string
	for user, at := range t.due {
		if !at.After(now) {
			due = append(due, user)
		}
	}
	// In the order of shards, so that one write records several deliveries.
	slices.SortFunc(due, t.compareShards)
	for _, user := range due {
		n.compareUser(t, user, now)
	}
}

func notifyAlike(a, b *accessv1alpha1.AccessGroup) bool {
	return a == b || (a.Namespace == b.Namespace && a.Name == b.Name && a.UID == b.UID &&
		equality.Semantic.DeepEqual(a.Spec.Notification, b.Spec.Notification))
}

// comparison is a user's access next to the access that the user was told about.
type comparison struct {
	user    string
	entry   *entry
	current *Access
	changes []delivery.Change
	// horizon is the instant up to which ends are announced now; zero: no ends are announced.
	horizon time.Time
	// groups are the groups that tell the user, with the names of their channels.
	groups map[string][]string
}

// compareUser compares the access of a user with the record. A difference waits until its window closes, and then becomes
// notices. A difference that no group announces is recorded without a notice.
func (n *Notifier) compareUser(t *tracked, user string, now time.Time) {
	m := n.Roster.View().Member(t.organization, user)
	due, waiting := t.due[user]
	closed := waiting && !due.After(now)
	if m.Decision != nil && m.Decision.Unfinished && !closed {
		return // the resolver is still looking for ends, and another change of the user follows
	}
	current := t.intern(accessOf(&m))
	e := t.get(user)
	if e == nil {
		if current.isNone() {
			delete(t.due, user)
			return
		}
		e = t.at(user)
	}
	if e.know(m.Account, m.Decision == nil) && !current.isNone() {
		t.touch(user, now)
	}
	c := &comparison{user: user, entry: e, current: current, changes: changes(e.told, current)}
	c.horizon = t.horizon(c, &m, now)
	if len(c.changes) > 0 || c.announcesEnd() {
		c.groups = n.notifying(e.told, current)
	}
	switch {
	case len(c.groups) == 0:
		delete(t.due, user)
		if current != e.told {
			e.told = current
			t.touch(user, now)
		}
	case !waiting:
		t.due[user] = now.Add(n.Options.Window)
	case closed:
		n.announce(t, c, now)
	}
	t.forgetIdle(user)
}

// forgetIdle forgets a user who has no access, no duties and no waiting changes.
func (t *tracked) forgetIdle(user string) {
	_, waiting := t.due[user]
	if e := t.get(user); e != nil && !waiting && e.told.isNone() && len(e.duties) == 0 {
		delete(t.shardFor(user), user)
	}
}

// horizon returns the instant up to which ends are announced to the user now; zero: no ends are announced. It also updates
// when the next end has to be announced.
func (t *tracked) horizon(c *comparison, m *roster.Member, now time.Time) time.Time {
	e, notice := c.entry, expiryNotice(m.Groups)
	if notice == 0 || m.Decision == nil {
		if !e.ends.IsZero() {
			e.ends = time.Time{}
			t.touch(c.user, now)
		}
		return time.Time{}
	}
	horizon := now.Add(notice).UTC().Truncate(time.Second)
	if e.ends.IsZero() {
		// The user knows of ends within the notice period, from the notice of the role or from before.
		e.ends = horizon
		t.touch(c.user, now)
	}
	for _, end := range c.current.ends() {
		if end.After(horizon) {
			if at := end.Add(-notice); t.nextEnd.IsZero() || at.Before(t.nextEnd) {
				t.nextEnd = at
			}
			break
		}
	}
	return horizon
}

// announcesEnd reports whether a role ends before the horizon and that has not been announced.
func (c *comparison) announcesEnd() bool {
	return slices.ContainsFunc(c.current.ends(), func(end time.Time) bool {
		return end.After(c.entry.ends) && !end.After(c.horizon)
	})
}

// notifying returns the groups that announce a change of access to the user, with the names of their channels: the user's
// groups, and the former ones unless they have stopped notifying.
func (n *Notifier) notifying(told, current *Access) map[string][]string {
	groups := map[string][]string{}
	maps.Copy(groups, current.Groups)
	for name, channels := range told.Groups {
		if _, found := groups[name]; found {
			continue
		}
		namespace, group := splitName(name)
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

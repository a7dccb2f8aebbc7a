package notify

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// The age of a request that is answered. An older one may come from a backup. One from the future would block every
// earlier request.
const (
	oldestRequest = 24 * time.Hour
	newestRequest = 10 * time.Minute
)

// Types and reasons of events.
const (
	warning = corev1.EventTypeWarning

	reasonMembersTold   = "MembersTold"
	reasonNotifyIgnored = "NotifyIgnored"
)

// answerGroups answers the requests on groups: those of the organization and those of the system namespace.
func (n *Notifier) answerGroups(t *tracked, now time.Time) {
	view := n.Roster.View()
	for _, namespace := range []string{t.organization, view.SystemNamespace()} {
		for _, g := range view.Index().Namespace(namespace).Groups() {
			if g.Object.Annotations[accessv1alpha1.AnnotationNotify] != "" {
				o := roster.ObjectOf(g.Object)
				n.answer(t, o, g.Object, func() []string { return view.ActiveMembers(o) }, now)
			}
		}
	}
}

// answerUser answers the requests on the UserAccess objects of the user.
func (n *Notifier) answerUser(t *tracked, user string, now time.Time) {
	view := n.Roster.View()
	for _, namespace := range []string{t.organization, view.SystemNamespace()} {
		for _, ua := range view.Index().Namespace(namespace).Account(user).All() {
			if ua.Annotations[accessv1alpha1.AnnotationNotify] != "" {
				n.answer(t, roster.ObjectOf(ua), ua, func() []string { return []string{user} }, now)
			}
		}
	}
}

// answer answers the request on an object once: it tells the users about their present access.
func (n *Notifier) answer(t *tracked, o roster.Object, object client.Object, users func() []string, now time.Time) {
	text := object.GetAnnotations()[accessv1alpha1.AnnotationNotify]
	ignored := problem{reasonNotifyIgnored, o.Namespace, string(o.Kind) + "/" + o.Name}
	ignore := func(why string) {
		n.health.set(ignored, member{}, text)
		n.event(object, warning, reasonNotifyIgnored,
			fmt.Sprintf("Annotation %s is %q, and nobody is told: %s.", accessv1alpha1.AnnotationNotify, text, why))
	}
	if n.health.message(ignored) == text {
		return // even if its time has come
	}
	at, err := time.Parse(time.RFC3339, text)
	last, known := t.index.Asked[o.String()]
	switch {
	case err != nil:
		ignore("it is not an RFC 3339 timestamp, such as " + now.UTC().Format(time.RFC3339))
		return
	case known && !at.After(last), !known && at.Before(t.index.Since.Truncate(time.Second)):
		return // it was answered, or is older than the record
	case at.After(now.Add(newestRequest)):
		ignore("it is in the future")
		return
	}
	t.index.Asked[o.String()] = at.UTC()
	t.touchPart(indexPart, now)
	t.writeAt = now
	if at.Before(now.Add(-oldestRequest)) {
		ignore("it is more than a day old")
		return
	}
	n.health.set(ignored, member{}, "")
	all, told := users(), 0
	for _, user := range all {
		if n.answerTo(t, o, user, now) {
			told++
		}
	}
	message := fmt.Sprintf("%d of %d users are told about their access in %s.", told, len(all), t.organization)
	if told < len(all) {
		message += " The others have no address, no access there, or no group with a channel."
	}
	n.event(object, corev1.EventTypeNormal, reasonMembersTold, message)
}

// answerTo tells a user about the present access, through the channels of the group, or of all groups of the user if the
// request is on a UserAccess. It reports whether it created a notice.
func (n *Notifier) answerTo(t *tracked, o roster.Object, user string, now time.Time) bool {
	m := n.Roster.View().Member(t.organization, user)
	groups := map[string][]string{}
	for _, g := range m.Groups {
		if o.Kind == roster.KindUserAccess || (g.Namespace == o.Namespace && g.Name == o.Name) {
			groups[g.Namespace+"/"+g.Name] = channelNames(g)
		}
	}
	if len(groups) == 0 || m.Decision == nil {
		return false
	}
	e := t.at(user)
	e.know(m.Account, false)
	current, channels, ready := t.intern(accessOf(&m)), n.channelsFor(groups), len(t.ready)
	for _, key := range slices.SortedFunc(maps.Keys(channels), ChannelKey.compare) {
		d := &duty{Channel: key, At: now.UTC(), After: current.digest(), Asked: true, Groups: channels[key]}
		n.assign(t, user, e, d, now)
	}
	t.touch(user, now)
	return len(t.ready) > ready
}

func (n *Notifier) event(object client.Object, kind, reason, message string) {
	if n.Recorder != nil {
		n.Recorder.Eventf(object, nil, kind, reason, "Notify", "%s", message)
	}
}

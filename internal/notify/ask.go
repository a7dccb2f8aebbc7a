package notify

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// What an annotation that asks may say: an instant that is neither long past, as what comes from a backup says, nor to
// come, as that would stand in the way of every later one.
const (
	oldestQuestion = 24 * time.Hour
	newestQuestion = 10 * time.Minute
)

// Types and reasons of events.
const (
	warning = corev1.EventTypeWarning

	reasonMembersTold   = "MembersTold"
	reasonNotifyIgnored = "NotifyIgnored"
)

// lookForQuestions looks at objects for an annotation that asks.
func (n *Notifier) lookForQuestions(objects map[roster.Object]struct{}, now time.Time) {
	for o := range objects {
		for _, organization := range slices.Sorted(maps.Keys(n.records)) {
			t := n.records[organization]
			switch {
			case o.Kind == roster.KindAccessGroup:
				n.asked(t, o, now)
			case o.Kind == roster.KindUserAccess && (o.Namespace == organization || o.Namespace == n.Roster.View().SystemNamespace()):
				if ua := n.Roster.View().Index().Namespace(o.Namespace).UserAccess(o.Name); ua != nil {
					n.askedBy(t, o, ua, []string{string(ua.Spec.User)}, now)
				}
			}
		}
	}
}

// askedFor looks for an annotation on the user's UserAccess objects.
func (n *Notifier) askedFor(t *tracked, user string, now time.Time) {
	for _, ua := range n.Roster.View().Index().Namespace(t.organization).Account(user).All() {
		n.askedBy(t, roster.ObjectOf(ua), ua, []string{user}, now)
	}
}

// asked looks for an annotation on the group.
func (n *Notifier) asked(t *tracked, o roster.Object, now time.Time) {
	g := n.Roster.View().Index().Namespace(o.Namespace).AccessGroup(o.Name)
	if g == nil || (o.Namespace != t.organization && o.Namespace != n.Roster.View().SystemNamespace()) {
		return
	}
	if g.Annotations[accessv1alpha1.AnnotationNotify] != "" {
		n.askedBy(t, o, g, n.Roster.View().ActiveMembers(o), now)
	}
}

// annotated is an object that may ask.
type annotated interface {
	runtime.Object
	GetAnnotations() map[string]string
}

// askedBy answers an annotation once.
func (n *Notifier) askedBy(t *tracked, o roster.Object, object annotated, users []string, now time.Time) {
	text := object.GetAnnotations()[accessv1alpha1.AnnotationNotify]
	if text == "" {
		return
	}
	at, err := time.Parse(time.RFC3339, text)
	last, known := t.index.Asked[o.String()]
	switch {
	case err != nil:
		n.ignore(o, object, text, "it is no RFC 3339 instant, such as "+now.UTC().Format(time.RFC3339))
		return
	case known && !at.After(last), !known && at.Before(t.index.Since.Truncate(time.Second)):
		return // answered, or older than all that Usher knows
	case at.After(now.Add(newestQuestion)):
		n.ignore(o, object, text, "it is to come")
		return
	}
	t.index.Asked[o.String()] = at.UTC()
	t.touchIndex(now)
	t.urgent = true
	if at.Before(now.Add(-oldestQuestion)) {
		n.ignore(o, object, text, "it is more than a day old")
		return
	}
	told := 0
	for _, user := range users {
		if n.answer(t, o, user, now) {
			told++
		}
	}
	message := fmt.Sprintf("%d of %d are told of their access in %s.", told, len(users), t.organization)
	if told < len(users) {
		message += " The others have no address, no access there, or no group with a channel."
	}
	n.emit(object, corev1.EventTypeNormal, reasonMembersTold, message)
}

// answer tells one user of the access as it is, on account of the group or, where a UserAccess asks, of all of them.
func (n *Notifier) answer(t *tracked, o roster.Object, user string, now time.Time) bool {
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
	is := t.intern(accessOf(&m))
	channels := n.channelsFor(groups)
	count := len(t.jobs)
	for _, key := range slices.SortedFunc(maps.Keys(channels), ChannelKey.compare) {
		n.assign(t, user, e, &duty{Channel: key, At: now.UTC(), After: is.digest(), Asked: true, Groups: channels[key]})
	}
	t.touch(user, now)
	return len(t.jobs) > count
}

func (n *Notifier) ignore(o roster.Object, object runtime.Object, text, why string) {
	if n.health.ignored(o, text) {
		n.emit(object, warning, reasonNotifyIgnored,
			fmt.Sprintf("Annotation %s is %q, and nobody is told: %s.", accessv1alpha1.AnnotationNotify, text, why))
	}
}

// event says something on a group.
func (n *Notifier) event(o roster.Object, kind, reason, message string) {
	if g := n.Roster.View().Index().Namespace(o.Namespace).AccessGroup(o.Name); g != nil {
		n.emit(g, kind, reason, message)
	}
}

func (n *Notifier) emit(object runtime.Object, kind, reason, message string) {
	if n.Recorder != nil {
		n.Recorder.Eventf(object, nil, kind, reason, "Notify", "%s", message)
	}
}

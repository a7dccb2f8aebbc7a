package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// health is what stands in the way of telling people. It is safe for concurrent use.
type health struct {
	mu       sync.Mutex
	channels map[ChannelKey]channelHealth
	groups   map[roster.Object]*groupHealth
	records  map[string]string        // by organization: why its record cannot be kept
	ignoring map[roster.Object]string // annotations of which it has been said that they are ignored
}

type channelHealth struct{ failing, remark string }

type groupHealth struct {
	uid          types.UID
	notification accessv1alpha1.GroupNotification
	unaddressed  map[member]struct{}
	undelivered  map[member]string
}

type telling func(groups ...roster.Object)

func (h *health) init() {
	h.channels, h.groups = map[ChannelKey]channelHealth{}, map[roster.Object]*groupHealth{}
	h.records, h.ignoring = map[string]string{}, map[roster.Object]string{}
}

func (h *health) group(o roster.Object) *groupHealth {
	g := h.groups[o]
	if g == nil {
		g = &groupHealth{unaddressed: map[member]struct{}{}, undelivered: map[member]string{}}
		h.groups[o] = g
	}
	return g
}

// groupChanged says whether the group, which is nil if gone, tells otherwise than when it was last asked about.
func (h *health) groupChanged(o roster.Object, g *accessv1alpha1.AccessGroup) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g == nil {
		_, known := h.groups[o]
		delete(h.groups, o)
		delete(h.ignoring, o)
		return known
	}
	if _, known := h.groups[o]; !known && len(g.Spec.Notification.Channels) == 0 {
		return false
	}
	was := h.group(o)
	if was.uid == g.UID && equality.Semantic.DeepEqual(was.notification, g.Spec.Notification) {
		return false
	}
	was.uid, was.notification = g.UID, *g.Spec.Notification.DeepCopy()
	return true
}

// recorded notes whether the organization's record can be kept.
func (h *health) recorded(organization string, err error, tell telling) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	h.mu.Lock()
	if h.records[organization] == text {
		h.mu.Unlock()
		return
	}
	if text == "" {
		delete(h.records, organization)
	} else {
		h.records[organization] = text
	}
	var groups []roster.Object
	for o := range h.groups {
		if o.Namespace == organization {
			groups = append(groups, o)
		}
	}
	h.mu.Unlock()
	tell(groups...)
}

// channel notes whether the channel works, and for those that do what there is to remark.
func (h *health) channel(key ChannelKey, failing bool, err error, users []roster.Object, tell telling) {
	made := channelHealth{}
	switch {
	case failing:
		made.failing = err.Error()
	case err != nil:
		made.remark = err.Error()
	}
	h.mu.Lock()
	same := h.channels[key] == made
	h.channels[key] = made
	h.mu.Unlock()
	if !same {
		tell(users...)
	}
}

func objectsOf(groups []string) []roster.Object {
	objects := make([]roster.Object, len(groups))
	for i, group := range groups {
		namespace, name := splitGroup(group)
		objects[i] = roster.Object{Kind: roster.KindAccessGroup, Namespace: namespace, Name: name}
	}
	return objects
}

// each changes what is known of the groups, and tells of those for which change says that it did.
func (h *health) each(groups []string, change func(g *groupHealth) bool, tell telling) {
	var changed []roster.Object
	h.mu.Lock()
	for _, o := range objectsOf(groups) {
		if change(h.group(o)) {
			changed = append(changed, o)
		}
	}
	h.mu.Unlock()
	tell(changed...)
}

func (h *health) unaddressed(groups []string, organization, user string, tell telling) {
	m := member{organization, user}
	h.each(groups, func(g *groupHealth) bool {
		_, known := g.unaddressed[m]
		g.unaddressed[m] = struct{}{}
		return !known
	}, tell)
}

func (h *health) addressed(groups []string, organization, user string, tell telling) {
	m := member{organization, user}
	h.each(groups, func(g *groupHealth) bool {
		_, known := g.unaddressed[m]
		delete(g.unaddressed, m)
		return known
	}, tell)
}

func (h *health) undelivered(j *job, key ChannelKey, err error, tell telling) {
	m := member{j.organization, j.user}
	text := fmt.Sprintf("%s: %s", key.Name, err)
	h.each(j.duty.Groups, func(g *groupHealth) bool {
		same := g.undelivered[m] == text
		g.undelivered[m] = text
		return !same
	}, tell)
}

func (h *health) delivered(j *job, tell telling) {
	m := member{j.organization, j.user}
	h.each(j.duty.Groups, func(g *groupHealth) bool {
		_, known := g.undelivered[m]
		delete(g.undelivered, m)
		return known
	}, tell)
}

// forget drops what is known of users who are no longer members of the group that was to tell them.
func (h *health) forget(isMember func(group roster.Object, user string) bool, tell telling) {
	var changed []roster.Object
	h.mu.Lock()
	for o, g := range h.groups {
		before := len(g.unaddressed) + len(g.undelivered)
		maps.DeleteFunc(g.unaddressed, func(m member, _ struct{}) bool { return !isMember(o, m.user) })
		maps.DeleteFunc(g.undelivered, func(m member, _ string) bool { return !isMember(o, m.user) })
		if len(g.unaddressed)+len(g.undelivered) < before {
			changed = append(changed, o)
		}
	}
	h.mu.Unlock()
	tell(changed...)
}

// ignored notes that the annotation is ignored and says whether that is news.
func (h *health) ignored(o roster.Object, text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ignoring[o] == text {
		return false
	}
	h.ignoring[o] = text
	return true
}

// Condition says why members of the group cannot be told of their access: reason and message of the condition
// NoticesFailing. The reason is empty where nothing stands in the way.
func (n *Notifier) Condition(g *accessv1alpha1.AccessGroup) (reason, message string) {
	if len(g.Spec.Notification.Channels) == 0 {
		return "", ""
	}
	keys := n.keysOf(g)
	h := &n.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if why := h.records[g.Namespace]; why != "" {
		return accessv1alpha1.ReasonRecordFailing,
			"Nobody is told while Usher cannot keep its record of whom it has told what: " + why + "."
	}
	for _, key := range keys {
		if why := h.channels[key].failing; why != "" {
			return accessv1alpha1.ReasonChannelFailing,
				fmt.Sprintf("Channel %s delivers nothing, and is tried again: %s.", key.Name, why)
		}
	}
	known := h.groups[roster.Object{Kind: roster.KindAccessGroup, Namespace: g.Namespace, Name: g.Name}]
	if known == nil {
		known = &groupHealth{}
	}
	if len(known.undelivered) > 0 {
		users := sortedMembers(known.undelivered)
		return accessv1alpha1.ReasonNotDelivered, fmt.Sprintf("Notices were refused or given up for %s: channel %s.",
			people(users), known.undelivered[users[0]])
	}
	for _, key := range keys {
		if why := h.channels[key].remark; why != "" {
			return accessv1alpha1.ReasonTemplateFailing,
				fmt.Sprintf("Channel %s sends mail in Usher's own words: %s.", key.Name, why)
		}
	}
	if len(known.unaddressed) > 0 {
		return accessv1alpha1.ReasonNoAddress, fmt.Sprintf("No notice was mailed to %s: nothing says an e-mail address. "+
			"Set spec.email in a UserAccess.", people(sortedMembers(known.unaddressed)))
	}
	return "", ""
}

func sortedMembers[V any](of map[member]V) []member {
	return slices.SortedFunc(maps.Keys(of), func(a, b member) int {
		return strings.Compare(a.user+" "+a.organization, b.user+" "+b.organization)
	})
}

// people names some users, and says how many there are.
func people(users []member) string {
	const shown = 3
	names := make([]string, 0, shown)
	for _, m := range users[:min(shown, len(users))] {
		names = append(names, m.user)
	}
	text := strings.Join(names, ", ")
	if more := len(users) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

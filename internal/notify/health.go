package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// problem is a reason why notices do not arrive. Depending on the reason it concerns a group, a channel, or the record of
// the organization, which has no name.
type problem struct{ reason, namespace, name string }

// health has the present problems. It is safe for concurrent use.
type health struct {
	mu sync.Mutex
	// problems are messages by problem and user. A problem that concerns no user has a message for the zero member.
	problems map[problem]map[member]string
}

// set sets the message of a problem, or removes it if the message is empty. It reports whether that changes anything.
func (h *health) set(p problem, m member, message string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	messages := h.problems[p]
	switch {
	case messages[m] == message:
		return false
	case message == "":
		delete(messages, m)
	case messages != nil:
		messages[m] = message
	case h.problems == nil:
		h.problems = map[problem]map[member]string{p: {m: message}}
	default:
		h.problems[p] = map[member]string{m: message}
	}
	return true
}

// message returns the message of a problem that concerns no user.
func (h *health) message(p problem) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.problems[p][member{}]
}

// setRecordProblem sets why the record of an organization cannot be written; nil: it can.
func (n *Notifier) setRecordProblem(organization string, err error) {
	if n.health.set(problem{accessv1alpha1.ReasonRecordFailing, organization, ""}, member{}, messageOf(err)) {
		n.concern(slices.DeleteFunc(n.Roster.View().NotifyingGroups(), func(o roster.Object) bool {
			return o.Namespace != organization
		}))
	}
}

// setChannelProblem sets why a channel fails, or what is wrong with its template; nil: nothing.
func (n *Notifier) setChannelProblem(reason string, key ChannelKey, err error) {
	if n.health.set(problem{reason, key.Namespace, key.Name}, member{}, messageOf(err)) {
		n.concern(slices.DeleteFunc(n.Roster.View().NotifyingGroups(), func(o roster.Object) bool {
			g := n.Roster.View().Index().Namespace(o.Namespace).AccessGroup(o.Name)
			return g == nil || !slices.Contains(channelsOf(n.Roster, o.Namespace, channelNames(g)), key)
		}))
	}
}

// setUserProblem sets why a user cannot be notified on behalf of the groups; an empty message: the user can.
func (n *Notifier) setUserProblem(groups []string, reason string, m member, message string) {
	var changed []roster.Object
	for _, group := range groups {
		namespace, name := splitName(group)
		if n.health.set(problem{reason, namespace, name}, m, message) {
			changed = append(changed, roster.Object{Kind: roster.KindAccessGroup, Namespace: namespace, Name: name})
		}
	}
	n.concern(changed)
}

// forgetFormerMembers removes the problems of users who are neither members of the group that notifies them nor
// administrators of the organization any more.
func (n *Notifier) forgetFormerMembers(organization string) {
	var changed []roster.Object
	n.health.mu.Lock()
	for p, messages := range n.health.problems {
		o := roster.Object{Kind: roster.KindAccessGroup, Namespace: p.namespace, Name: p.name}
		before := len(messages)
		maps.DeleteFunc(messages, func(m member, _ string) bool {
			return m.organization == organization && !n.Roster.View().IsMember(o, m.user) &&
				!n.Roster.View().Administers(organization, m.user)
		})
		if len(messages) < before {
			changed = append(changed, o)
		}
		if len(messages) == 0 {
			delete(n.health.problems, p)
		}
	}
	n.health.mu.Unlock()
	n.concern(changed)
}

func (n *Notifier) concern(groups []roster.Object) {
	if n.Concerned != nil && len(groups) > 0 {
		n.Concerned(groups)
	}
}

func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Condition returns reason and message of the condition NoticesFailing of a group. The reason is empty if the group has no
// problem.
func (n *Notifier) Condition(g *accessv1alpha1.AccessGroup) (reason, message string) {
	if len(g.Spec.Notification.Channels) == 0 {
		return "", ""
	}
	keys := channelsOf(n.Roster, g.Namespace, channelNames(g))
	h := &n.health
	if why := h.message(problem{accessv1alpha1.ReasonRecordFailing, g.Namespace, ""}); why != "" {
		return accessv1alpha1.ReasonRecordFailing,
			"Nobody is told while Usher cannot keep its record of what users were told: " + why + "."
	}
	for _, key := range keys {
		if why := h.message(problem{accessv1alpha1.ReasonChannelFailing, key.Namespace, key.Name}); why != "" {
			return accessv1alpha1.ReasonChannelFailing,
				fmt.Sprintf("Channel %s delivers nothing, and is tried again: %s.", key.Name, why)
		}
	}
	if users, why := h.users(problem{accessv1alpha1.ReasonNotDelivered, g.Namespace, g.Name}); users != "" {
		return accessv1alpha1.ReasonNotDelivered,
			fmt.Sprintf("Notices were refused or given up for %s: channel %s.", users, why)
	}
	for _, key := range keys {
		if why := h.message(problem{accessv1alpha1.ReasonTemplateFailing, key.Namespace, key.Name}); why != "" {
			return accessv1alpha1.ReasonTemplateFailing,
				fmt.Sprintf("Channel %s sends mail with Usher's own text: %s.", key.Name, why)
		}
	}
	if users, _ := h.users(problem{accessv1alpha1.ReasonNoAddress, g.Namespace, g.Name}); users != "" {
		return accessv1alpha1.ReasonNoAddress, fmt.Sprintf("No notice was mailed to %s: the e-mail address is unknown. "+
			"Set spec.email in a UserAccess.", users)
	}
	return "", ""
}

// users returns the names of the first users with a problem, followed by the number of the others, and the message of the
// first user.
func (h *health) users(p problem) (names, message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	messages := h.problems[p]
	users := slices.SortedFunc(maps.Keys(messages), func(a, b member) int {
		return strings.Compare(a.user+" "+a.organization, b.user+" "+b.organization)
	})
	if len(users) == 0 {
		return "", ""
	}
	const shown = 3
	for i, m := range users[:min(shown, len(users))] {
		if i > 0 {
			names += ", "
		}
		names += cmp.Or(m.user, "the administrators") // a notice to a channel as a whole
	}
	if len(users) > shown {
		names += fmt.Sprintf(" and %d more", len(users)-shown)
	}
	return names, messages[users[0]]
}

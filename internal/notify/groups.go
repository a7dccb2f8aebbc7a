package notify

import (
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// defaultExpiryNotice is how long before an end a member is told where a group does not say.
const defaultExpiryNotice = 7 * day

const day = 24 * time.Hour

// tells says whether the group tells its members of changes.
func tells(g *accessv1alpha1.AccessGroup) bool {
	return g.Spec.Notification.Mode == accessv1alpha1.NotificationModeOnChange && len(g.Spec.Notification.Channels) > 0
}

func channelNames(g *accessv1alpha1.AccessGroup) []string {
	names := make([]string, len(g.Spec.Notification.Channels))
	for i, name := range g.Spec.Notification.Channels {
		names[i] = string(name)
	}
	slices.Sort(names)
	return names
}

// expiryNotice is how long before an end the member is told: the longest that any of the groups says.
func expiryNotice(groups []*accessv1alpha1.AccessGroup) time.Duration {
	var longest time.Duration
	for _, g := range groups {
		if !tells(g) {
			continue
		}
		notice := defaultExpiryNotice
		if days := g.Spec.Notification.ExpiryNoticeDays; days != nil {
			notice = time.Duration(*days) * day
		}
		longest = max(longest, notice)
	}
	return longest
}

// ChannelKey names a channel: the namespace of the policy that has it, and its name.
type ChannelKey struct{ Namespace, Name string }

// String returns namespace/name.
func (k ChannelKey) String() string { return k.Namespace + "/" + k.Name }

func parseChannelKey(text string) (ChannelKey, bool) {
	namespace, name, found := strings.Cut(text, "/")
	return ChannelKey{namespace, name}, found && namespace != "" && name != ""
}

func (k ChannelKey) compare(l ChannelKey) int { return strings.Compare(k.String(), l.String()) }

// channelsOf lists the channels that a group of the namespace means by the names.
func channelsOf(r *roster.Roster, namespace string, names []string) []ChannelKey {
	at := namespace
	if policy := policyOf(r, namespace); policy != nil {
		at = policy.Namespace
	}
	keys := make([]ChannelKey, len(names))
	for i, name := range names {
		keys[i] = ChannelKey{at, name}
	}
	return keys
}

// policyOf returns the policy that has the notification channels of the namespace, and beside which their Secrets are; nil
// where there is none.
func policyOf(r *roster.Roster, namespace string) *accessv1alpha1.AccessPolicy {
	objects := r.View().Index()
	return objects.Policy(objects.Namespace(namespace))
}

// sortedKeys returns the channels in order, each once.
func sortedKeys(keys []ChannelKey) []ChannelKey {
	slices.SortFunc(keys, ChannelKey.compare)
	return slices.Compact(keys)
}

// splitGroup is the reverse of namespace/name.
func splitGroup(group string) (namespace, name string) {
	namespace, name, _ = strings.Cut(group, "/")
	return namespace, name
}

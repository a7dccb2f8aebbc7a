package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

const day = 24 * time.Hour

// defaultExpiryNotice is how long before the end of a role a member is told, unless the group declares it.
const defaultExpiryNotice = 7 * day

// tells reports whether the group tells its members about changes.
func tells(g *accessv1alpha1.AccessGroup) bool {
	return g.Spec.Notification.Mode == accessv1alpha1.NotificationModeOnChange && len(g.Spec.Notification.Channels) > 0
}

// channelNames returns the names of the group's channels, sorted.
func channelNames(g *accessv1alpha1.AccessGroup) []string {
	names := make([]string, len(g.Spec.Notification.Channels))
	for i, name := range g.Spec.Notification.Channels {
		names[i] = string(name)
	}
	slices.Sort(names)
	return names
}

// expiryNotice returns how long before the end of a role a member is told: the longest notice of the groups.
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

// ChannelKey identifies a channel by the namespace of its policy and its name.
type ChannelKey struct{ Namespace, Name string }

// String returns namespace/name.
func (k ChannelKey) String() string { return k.Namespace + "/" + k.Name }

// MarshalText returns namespace/name.
func (k ChannelKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText parses namespace/name.
func (k *ChannelKey) UnmarshalText(text []byte) error {
	k.Namespace, k.Name = splitName(string(text))
	if k.Namespace == "" || k.Name == "" {
		return fmt.Errorf("%q is not the namespace and name of a channel", text)
	}
	return nil
}

func (k ChannelKey) compare(l ChannelKey) int { return strings.Compare(k.String(), l.String()) }

// channelsOf returns the channels that groups in the namespace mean by the names, sorted as the names are.
func channelsOf(r *roster.Roster, namespace string, names []string) []ChannelKey {
	if policy := policyOf(r, namespace); policy != nil {
		namespace = policy.Namespace
	}
	keys := make([]ChannelKey, len(names))
	for i, name := range names {
		keys[i] = ChannelKey{namespace, name}
	}
	return keys
}

// policyOf returns the policy that declares the notification channels of the namespace, or nil. The Secrets of the channels
// are in the namespace of the policy.
func policyOf(r *roster.Roster, namespace string) *accessv1alpha1.AccessPolicy {
	objects := r.View().Index()
	return objects.Policy(objects.Namespace(namespace))
}

// splitName splits namespace/name.
func splitName(text string) (namespace, name string) {
	namespace, name, _ = strings.Cut(text, "/")
	return namespace, name
}

package index

import (
	"iter"
	"maps"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Options configures an index with facts that the objects do not contain.
type Options struct {
	// SystemNamespace is the namespace above all organizations.
	SystemNamespace string
	// Organizations selects the namespaces that may be organizations. A nil or empty selector selects all.
	Organizations labels.Selector
	// HasNamespaces reports whether the index receives every existing Namespace object. If it does, a namespace
	// without a Namespace object is not an organization.
	HasNamespaces bool
}

// Index is a snapshot of the declared objects of all namespaces. It is immutable and safe for concurrent use.
// Callers must not change the returned objects, which are shared.
type Index struct {
	options    Options
	namespaces Map[*Namespace]
	spanning   Map[*resolve.Source] // sources of the system namespace that name applications, by source name
	reviews    Tree[review]
}

// SystemNamespace returns the name of the system namespace.
func (x *Index) SystemNamespace() string { return x.options.SystemNamespace }

// System returns the system namespace.
func (x *Index) System() *Namespace { return x.namespaces.Get(x.options.SystemNamespace) }

// Namespace returns the namespace, or nil if the index has no data about it.
func (x *Index) Namespace(name string) *Namespace { return x.namespaces.Get(name) }

// Namespaces iterates over the namespaces by name, the system namespace included.
func (x *Index) Namespaces() iter.Seq2[string, *Namespace] { return x.namespaces.All() }

// Selects reports whether the namespace may be an organization: it exists, and the selector for organizations
// matches it.
func (x *Index) Selects(n *Namespace) bool {
	if !n.known {
		return !x.options.HasNamespaces && x.options.Organizations.Empty()
	}
	return x.options.Organizations.Matches(n.labels)
}

// IsOrganization reports whether the namespace is an organization: the selector matches it, and it has at least
// one object that counts.
func (x *Index) IsOrganization(n *Namespace) bool {
	return n != nil && !n.atSystem && n.declared > 0 && x.Selects(n)
}

// Lookup returns the object, or nil if it does not exist.
func (x *Index) Lookup(o Object) client.Object {
	n := x.Namespace(o.Namespace)
	if n == nil {
		return nil
	}
	switch o.Kind {
	case KindAccessGroup:
		if g := n.groups.Get(o.Name); g != nil {
			return g.Object
		}
	case KindUserAccess:
		if ua := n.userAccess.Get(o.Name); ua != nil {
			return ua
		}
	case KindApplicationAccess:
		if a := n.applications.Get(o.Name); a != nil {
			return a
		}
	case KindAccessPolicy:
		if n.policy != nil && o.Name == accessv1alpha1.AccessPolicyName {
			return n.policy
		}
	}
	return nil
}

// Rules returns the rules that the objects define for the namespace, as if it were an organization.
func (x *Index) Rules(n *Namespace) resolve.Rules {
	made := rules(n.name, n.policy, x.System().policy)
	for name, a := range n.applications.All() {
		if hidesUnmatched(a) {
			made.HideUnmatched = append(made.HideUnmatched, name)
		}
	}
	return made
}

// DefaultRules returns the rules of an organization without its own policy.
func (x *Index) DefaultRules() resolve.Rules { return rules("", nil, x.System().policy) }

// Policy returns the policy that applies to the namespace: its own, or else that of the system namespace. It
// returns nil if neither has one.
func (x *Index) Policy(n *Namespace) *accessv1alpha1.AccessPolicy {
	if n != nil && n.policy != nil {
		return n.policy
	}
	return x.System().policy
}

// PublishesUsers reports whether Usher publishes user documents in the namespace if it is an organization.
func (x *Index) PublishesUsers(n *Namespace) bool {
	p := x.Policy(n)
	return p == nil || p.Spec.UserConfigMaps != accessv1alpha1.UserConfigMapsDisabled
}

// Applications returns the applications that objects name in the namespace. Rules may name more.
func (x *Index) Applications(n *Namespace) map[string]struct{} {
	names := make(map[string]struct{}, n.named.Len())
	for name := range n.named.Keys() {
		names[name] = struct{}{}
	}
	at := n.Place()
	for _, s := range x.spanning.All() {
		sourceApplications(s, at, func(application string) { names[application] = struct{}{} })
	}
	return names
}

// Candidates returns the users who may have a decision in the namespace if it is an organization. For the system
// namespace, it returns the users who may be members there. The cost grows with the number of these users.
func (x *Index) Candidates(n *Namespace) map[string]struct{} {
	users := map[string]struct{}{}
	for user := range n.members.Keys() {
		users[user] = struct{}{}
	}
	for user := range n.accounts.Keys() {
		users[user] = struct{}{}
	}
	if n.atSystem {
		return users
	}
	system, at := x.System(), n.Place()
	for name, g := range system.groups.All() {
		if !g.Inert && g.Source.SpeaksOf(at) {
			maps.Copy(users, system.TransitiveMembers(name))
		}
	}
	for user, a := range system.accounts.All() {
		if a.Source != nil && a.Source.SpeaksOf(at) {
			users[user] = struct{}{}
		}
	}
	return users
}

// Layer returns a copy that accepts changes. The changes do not affect the index.
func (x *Index) Layer() *Layer {
	l := &Layer{Index: *x, mine: map[string]struct{}{}, touched: newTouched()}
	l.share()
	return l
}

func (x *Index) share() {
	x.namespaces.Share()
	x.spanning.Share()
	x.reviews.Share()
}

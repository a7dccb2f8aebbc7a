package index

import (
	"iter"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Namespace holds the objects of one namespace.
type Namespace struct {
	name     string
	atSystem bool

	// From the Namespace object, if the index received one.
	labels      labels.Set
	known       bool
	terminating bool

	groups       Map[*Group]
	userAccess   Map[*accessv1alpha1.UserAccess]
	accounts     Map[*UserAccount] // by user
	applications Map[*accessv1alpha1.ApplicationAccess]
	policy       *accessv1alpha1.AccessPolicy

	members   Map[[]listing] // by user: the entries in lists of members, sorted by group
	naming    links          // group: users whose counting UserAccess names it
	parents   links          // group: groups that name it as a member group
	selecting Map[*Group]    // groups with a selector of members
	folded    links          // lower-case name: known users whose names are not in lower case

	bySelector Map[*resolve.Source] // sources that select applications or organizations, in force or not, by name

	declared int   // number of objects that make the namespace an organization
	named    Count // applications that objects of the namespace name, with the number of these references

	nameChanged bool   // set while an object is indexed, if it changes named
	revision    uint64 // number of the last change

	labelRevision uint64 // see LabelRevision
}

// clone returns a copy that may be changed.
func (n *Namespace) clone() *Namespace {
	c := *n
	c.groups.Share()
	c.userAccess.Share()
	c.accounts.Share()
	c.applications.Share()
	c.members.Share()
	c.naming.tree.Share()
	c.parents.tree.Share()
	c.selecting.Share()
	c.folded.tree.Share()
	c.bySelector.Share()
	c.named.Share()
	return &c
}

// Empty returns a namespace without objects that is not the system namespace.
func Empty(name string) *Namespace { return &Namespace{name: name} }

// orEmpty returns the namespace, or an empty one if n is nil.
func (n *Namespace) orEmpty() *Namespace {
	if n == nil {
		return &Namespace{}
	}
	return n
}

// Name returns the name of the namespace.
func (n *Namespace) Name() string { return n.name }

// AtSystem reports whether the namespace is the system namespace.
func (n *Namespace) AtSystem() bool { return n.atSystem }

// Known reports whether the index received the Namespace object.
func (n *Namespace) Known() bool { return n != nil && n.known }

// Terminating reports whether the namespace is being deleted.
func (n *Namespace) Terminating() bool { return n != nil && n.terminating }

// HasDeclared reports whether the namespace has objects that make it an organization if it is selected.
func (n *Namespace) HasDeclared() bool { return n.declared > 0 }

// Revision returns a number that changes with every change of the objects, or of the labels of the namespace,
// that may affect a decision.
func (n *Namespace) Revision() uint64 {
	return n.orEmpty().revision
}

// IsEmpty reports whether the namespace has no objects of the four kinds.
func (n *Namespace) IsEmpty() bool {
	return n.groups.Len()+n.userAccess.Len()+n.applications.Len() == 0 && n.policy == nil
}

// Group returns the group, or nil if it does not exist.
func (n *Namespace) Group(name string) *Group {
	return n.orEmpty().groups.Get(name)
}

// AccessGroup returns the AccessGroup object, or nil if it does not exist.
func (n *Namespace) AccessGroup(name string) *accessv1alpha1.AccessGroup {
	if g := n.Group(name); g != nil {
		return g.Object
	}
	return nil
}

// Groups iterates over the groups by name.
func (n *Namespace) Groups() iter.Seq2[string, *Group] { return n.orEmpty().groups.All() }

// UserAccess returns the UserAccess object, or nil if it does not exist.
func (n *Namespace) UserAccess(name string) *accessv1alpha1.UserAccess {
	return n.orEmpty().userAccess.Get(name)
}

// Account returns the account of the user, or nil if the user has no UserAccess.
func (n *Namespace) Account(user string) *UserAccount {
	return n.orEmpty().accounts.Get(user)
}

// Accounts iterates over the users who have a UserAccess.
func (n *Namespace) Accounts() iter.Seq2[string, *UserAccount] { return n.orEmpty().accounts.All() }

// Application returns the ApplicationAccess, or nil if it does not exist.
func (n *Namespace) Application(name string) *accessv1alpha1.ApplicationAccess {
	return n.orEmpty().applications.Get(name)
}

// Applications iterates over the names of the ApplicationAccess objects, sorted.
func (n *Namespace) Applications() iter.Seq[string] { return n.orEmpty().applications.Keys() }

// Policy returns the policy, or nil if the namespace has none.
func (n *Namespace) Policy() *accessv1alpha1.AccessPolicy {
	return n.orEmpty().policy
}

// Parents iterates over the groups that name the group as a member group, sorted.
func (n *Namespace) Parents(group string) iter.Seq[string] { return n.parents.from(group) }

// Naming iterates over the users whose counting UserAccess names the group, sorted.
func (n *Namespace) Naming(group string) iter.Seq[string] { return n.naming.from(group) }

// Group is a parsed AccessGroup. It is immutable.
type Group struct {
	Object *accessv1alpha1.AccessGroup
	// Inert reports whether the group has the wrong type for its namespace. An inert group has no effect.
	Inert  bool
	Source *resolve.Source

	selector labels.Selector // nil: selects no user
}

// NewGroup parses an AccessGroup of the namespace.
func (n *Namespace) NewGroup(g *accessv1alpha1.AccessGroup) *Group { return newGroup(g, n.atSystem) }

func newGroup(g *accessv1alpha1.AccessGroup, atSystem bool) *Group {
	isSystem := g.Spec.Type == accessv1alpha1.GroupTypeSystem
	made := &Group{Object: g, Inert: isSystem != atSystem, Source: groupSource(g)}
	if g.Spec.MemberSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(g.Spec.MemberSelector)
		if err != nil {
			selector = labels.Nothing() // fail closed; admission and the schema reject a selector that does not parse
		}
		made.selector = selector
	}
	return made
}

// Selects reports whether the group's selector matches the UserAccess, which may be nil.
func (g *Group) Selects(ua *accessv1alpha1.UserAccess) bool {
	return g.selector != nil && ua != nil && g.selector.Matches(labels.Set(ua.Labels))
}

// listing is the entry of a user in a group's list of members.
type listing struct {
	group  string
	window *resolve.Window // nil: always active
}

func newListing(g *Group, m *accessv1alpha1.Member) listing {
	l := listing{group: g.Object.Name}
	if w := window(m.NotBefore, m.NotAfter); w != (resolve.Window{}) {
		l.window = &w
	}
	return l
}

func (l listing) compare(name string) int { return strings.Compare(l.group, name) }

// replaceSame replaces the object of a group with a newer version that has the same spec.
func (n *Namespace) replaceSame(old *Group, o *accessv1alpha1.AccessGroup) {
	made := *old
	made.Object = o
	n.groups.Set(o.Name, &made)
	if n.selecting.Get(o.Name) != nil {
		n.selecting.Set(o.Name, &made)
	}
}

// indexGroup adds the group to the index, or removes it.
func (n *Namespace) indexGroup(g *Group, in bool) {
	name := g.Object.Name
	for i := range g.Object.Spec.Members {
		n.indexMember(g, &g.Object.Spec.Members[i], in)
	}
	for _, inner := range g.Object.Spec.MemberGroups {
		n.parents.put(string(inner), name, in)
	}
	if in && g.selector != nil {
		n.selecting.Set(name, g)
	} else {
		n.selecting.Delete(name)
	}
	if g.Inert {
		return
	}
	n.count(in)
	n.nameAll(g.Source, in)
	n.indexSelecting(g.Source, in)
}

func (n *Namespace) indexMember(g *Group, m *accessv1alpha1.Member, in bool) {
	user := string(m.User)
	listings := n.members.Get(user)
	at, listed := slices.BinarySearchFunc(listings, g.Object.Name, listing.compare)
	before, after := listings[:at:at], listings[at:]
	if listed {
		after = after[1:]
	}
	switch {
	case in: // the schema rejects a user who is listed twice; in a manifest file, the last entry counts
		n.members.Set(user, slices.Concat(before, []listing{newListing(g, m)}, after))
	case listed && len(listings) == 1:
		n.members.Delete(user)
	case listed:
		n.members.Set(user, slices.Concat(before, after))
	}
	n.indexCase(user)
}

// count adds one to, or subtracts one from, the number of objects that make the namespace an organization.
func (n *Namespace) count(in bool) {
	if in {
		n.declared++
	} else {
		n.declared--
	}
}

// nameAll adds or removes the source's references to applications in the namespace.
func (n *Namespace) nameAll(s *resolve.Source, in bool) {
	if n.atSystem {
		return // the applications that it names depend on the organization
	}
	sourceApplications(s, n.Place(), func(application string) { n.nameApplication(application, in) })
}

func (n *Namespace) nameApplication(application string, in bool) {
	if in {
		n.nameChanged = n.named.Add(application, 1) == 1 || n.nameChanged
		return
	}
	n.nameChanged = n.named.Add(application, -1) == 0 || n.nameChanged
}

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

// Namespace is the objects of one namespace.
type Namespace struct {
	name     string
	atSystem bool

	// What the Namespace object says, where one was seen.
	labels      labels.Set
	known       bool
	terminating bool

	groups       Map[*Group]
	userAccess   Map[*accessv1alpha1.UserAccess]
	accounts     Map[*UserAccount] // by user
	applications Map[*accessv1alpha1.ApplicationAccess]
	policy       *accessv1alpha1.AccessPolicy

	members   Map[[]listing] // by user: the entries in lists of members, by group
	naming    links          // group: users whose counting UserAccess names it
	parents   links          // group: groups that name it as a member group
	selecting Map[*Group]    // groups with a selector of members

	bySelector Map[*resolve.Source] // sources that select applications or organizations, by name

	declared int   // objects that make the namespace an organization
	named    Count // applications named by objects of the namespace, with how many name them

	nameChanged bool   // by the object that is being indexed
	revision    uint64 // the last change

	labelRevision uint64 // see LabelRevision
}

// clone returns a copy to change.
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
	c.bySelector.Share()
	c.named.Share()
	return &c
}

// Empty returns a namespace without objects, which is not the system namespace.
func Empty(name string) *Namespace { return &Namespace{name: name} }

// orEmpty returns the namespace; for nil, one without objects.
func (n *Namespace) orEmpty() *Namespace {
	if n == nil {
		return &Namespace{}
	}
	return n
}

// Name returns the name of the namespace.
func (n *Namespace) Name() string { return n.name }

// AtSystem reports whether it is the system namespace.
func (n *Namespace) AtSystem() bool { return n.atSystem }

// Known reports whether the Namespace object was seen.
func (n *Namespace) Known() bool { return n != nil && n.known }

// Terminating reports whether the namespace is being deleted.
func (n *Namespace) Terminating() bool { return n != nil && n.terminating }

// HasDeclared reports whether there are objects that make the namespace an organization if it is selected.
func (n *Namespace) HasDeclared() bool { return n.declared > 0 }

// Revision changes with every change of the objects, or of the labels of the namespace, that may bear on a decision.
func (n *Namespace) Revision() uint64 {
	return n.orEmpty().revision
}

// IsEmpty reports whether the namespace has no object of the four kinds.
func (n *Namespace) IsEmpty() bool {
	return n.groups.Len()+n.userAccess.Len()+n.applications.Len() == 0 && n.policy == nil
}

// Group returns the group; nil where there is none.
func (n *Namespace) Group(name string) *Group {
	return n.orEmpty().groups.Get(name)
}

// AccessGroup returns the object of the group; nil where there is none.
func (n *Namespace) AccessGroup(name string) *accessv1alpha1.AccessGroup {
	if g := n.Group(name); g != nil {
		return g.Object
	}
	return nil
}

// Groups iterates over the groups by name.
func (n *Namespace) Groups() iter.Seq2[string, *Group] { return n.orEmpty().groups.All() }

// UserAccess returns the object; nil where there is none.
func (n *Namespace) UserAccess(name string) *accessv1alpha1.UserAccess {
	return n.orEmpty().userAccess.Get(name)
}

// Account returns what the UserAccess objects say of the user; nil where there is none.
func (n *Namespace) Account(user string) *UserAccount {
	return n.orEmpty().accounts.Get(user)
}

// Accounts iterates over the users who have a UserAccess.
func (n *Namespace) Accounts() iter.Seq2[string, *UserAccount] { return n.orEmpty().accounts.All() }

// Application returns the ApplicationAccess; nil where there is none.
func (n *Namespace) Application(name string) *accessv1alpha1.ApplicationAccess {
	return n.orEmpty().applications.Get(name)
}

// Applications iterates over the names of the ApplicationAccess objects, sorted.
func (n *Namespace) Applications() iter.Seq[string] { return n.orEmpty().applications.Keys() }

// Policy returns the policy; nil where there is none.
func (n *Namespace) Policy() *accessv1alpha1.AccessPolicy {
	return n.orEmpty().policy
}

// Parents iterates over the groups that name the group as a member group, sorted.
func (n *Namespace) Parents(group string) iter.Seq[string] { return n.parents.from(group) }

// Naming iterates over the users whose counting UserAccess names the group, sorted.
func (n *Namespace) Naming(group string) iter.Seq[string] { return n.naming.from(group) }

// Group is an AccessGroup made ready. It is never changed.
type Group struct {
	Object *accessv1alpha1.AccessGroup
	// Inert says that it is of the other type than its namespace is for, and counts for nothing.
	Inert  bool
	Source *resolve.Source

	selector labels.Selector // nil: selects nobody
}

// NewGroup makes an AccessGroup of the namespace ready.
func (n *Namespace) NewGroup(g *accessv1alpha1.AccessGroup) *Group { return newGroup(g, n.atSystem) }

func newGroup(g *accessv1alpha1.AccessGroup, atSystem bool) *Group {
	isSystem := g.Spec.Type == accessv1alpha1.GroupTypeSystem
	made := &Group{Object: g, Inert: isSystem != atSystem, Source: groupSource(g)}
	if g.Spec.MemberSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(g.Spec.MemberSelector)
		if err != nil {
			selector = labels.Nothing() // in doubt, nobody; admission and schema refuse what does not parse
		}
		made.selector = selector
	}
	return made
}

// Selects reports whether the group's selector selects the user of the UserAccess, which may be nil.
func (g *Group) Selects(ua *accessv1alpha1.UserAccess) bool {
	return g.selector != nil && ua != nil && g.selector.Matches(labels.Set(ua.Labels))
}

// listing is a user in a group's list of members.
type listing struct {
	group  string
	window *resolve.Window // nil: always
}

func newListing(g *Group, m *accessv1alpha1.Member) listing {
	l := listing{group: g.Object.Name}
	if w := window(m.NotBefore, m.NotAfter); w != (resolve.Window{}) {
		l.window = &w
	}
	return l
}

func (l listing) compare(name string) int { return strings.Compare(l.group, name) }

// replaceSame swaps the object of a group for one that says the same.
func (n *Namespace) replaceSame(old *Group, o *accessv1alpha1.AccessGroup) {
	made := *old
	made.Object = o
	n.groups.Set(o.Name, &made)
	if n.selecting.Get(o.Name) != nil {
		n.selecting.Set(o.Name, &made)
	}
}

// indexGroup adds the group to the index, or takes it out.
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
	case in: // the schema refuses a user who is listed twice; in a file the last one counts
		n.members.Set(user, slices.Concat(before, []listing{newListing(g, m)}, after))
	case listed && len(listings) == 1:
		n.members.Delete(user)
	case listed:
		n.members.Set(user, slices.Concat(before, after))
	}
}

// count notes one more, or one fewer, of the objects that make the namespace an organization.
func (n *Namespace) count(in bool) {
	if in {
		n.declared++
	} else {
		n.declared--
	}
}

// nameAll notes the applications that the source names here.
func (n *Namespace) nameAll(s *resolve.Source, in bool) {
	if n.atSystem {
		return // its names depend on the organization
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

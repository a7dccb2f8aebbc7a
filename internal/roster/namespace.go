package roster

import (
	"slices"
	"strings"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// namespace is the index over the objects of one namespace, and the decisions for its users.
type namespace struct {
	name     string
	atSystem bool

	// What the Namespace object says, where one was seen.
	labels      labels.Set
	known       bool
	terminating bool

	groups       map[string]*group
	userAccess   map[string]*accessv1alpha1.UserAccess
	accounts     map[string]*account // by user
	applications map[string]*accessv1alpha1.ApplicationAccess
	policy       *accessv1alpha1.AccessPolicy

	members   map[string][]entry     // by user: the entries in lists of members, by group
	naming    map[string]set[string] // group: users whose counting UserAccess names it
	parents   map[string]set[string] // group: groups that name it as a member group
	selecting map[string]*group      // groups with a selector

	declared int            // objects that make the namespace an organization
	named    map[string]int // applications named by objects of the namespace, with how many name them

	organization bool
	compiled     *resolve.Organization
	publishes    bool // user documents
	bound        map[*resolve.Source]*resolve.Bound
	applicable   []string // applications named in the organization, sorted
	records      map[string]*record
	sorted       atomic.Pointer[sortedDecisions] // nil: to be made again
	active       map[string]int                  // group: active members
	overBound    map[string]int                  // group: active members whose filters are larger together than R7 allows

	unsettled
}

// unsettled is what has been noted of a namespace since the last Settle.
type unsettled struct {
	dirty       map[string]causes // users to decide for
	woken       set[string]       // users for whom a window has opened or closed
	rulesDirty  bool
	namesDirty  bool
	ruleCauses  set[Object] // on whose account the rules or names may have changed
	nameChanged bool        // by the object that is being indexed
	revision    uint64      // counts the changes that were noted, ever
}

func newUnsettled() unsettled {
	return unsettled{dirty: map[string]causes{}, woken: set[string]{}, ruleCauses: set[Object]{}}
}

type set[T comparable] map[T]struct{}

// group is an AccessGroup made ready.
type group struct {
	object   *accessv1alpha1.AccessGroup
	inert    bool
	source   *resolve.Source
	selector labels.Selector // nil: selects nobody
}

func newNamespace(name string, atSystem bool) *namespace {
	return &namespace{
		name: name, atSystem: atSystem,
		groups:       map[string]*group{},
		userAccess:   map[string]*accessv1alpha1.UserAccess{},
		accounts:     map[string]*account{},
		applications: map[string]*accessv1alpha1.ApplicationAccess{},
		members:      map[string][]entry{},
		naming:       map[string]set[string]{},
		parents:      map[string]set[string]{},
		selecting:    map[string]*group{},
		named:        map[string]int{},
		bound:        map[*resolve.Source]*resolve.Bound{},
		records:      map[string]*record{},
		active:       map[string]int{},
		overBound:    map[string]int{},
		unsettled:    newUnsettled(),
	}
}

// isEmpty says whether nothing is known of the namespace.
func (n *namespace) isEmpty() bool {
	return !n.known && len(n.groups)+len(n.userAccess)+len(n.applications)+len(n.records) == 0 && n.policy == nil
}

// blame notes the object that was indexed as the cause, where the list of named applications may have changed by it.
func (n *namespace) blame(cause Object) {
	if n.nameChanged {
		n.dirtyNames(cause)
	}
	n.nameChanged = false
}

func (n *namespace) dirtyNames(cause Object) {
	n.namesDirty = true
	n.ruleCauses[cause] = struct{}{}
}

func (n *namespace) dirtyRules(cause Object) {
	n.rulesDirty = true
	n.ruleCauses[cause] = struct{}{}
}

// entry is a user in a group's list of members.
type entry struct {
	group  *group
	window *resolve.Window // nil: always
}

func newEntry(g *group, m *accessv1alpha1.Member) entry {
	e := entry{group: g}
	if w := window(m.NotBefore, m.NotAfter); w != (resolve.Window{}) {
		e.window = &w
	}
	return e
}

func (e entry) compare(name string) int { return strings.Compare(e.group.object.Name, name) }

// membership is one group that a user belongs to, and when.
type membership struct {
	group   *group
	windows []resolve.Window // empty: always
}

func (m *membership) covers(w *resolve.Window) bool {
	return len(m.windows) == 0 ||
		(w != nil && slices.ContainsFunc(m.windows, func(v resolve.Window) bool { return v.Covers(*w) }))
}

// memberships follows every path from the user up: member lists, the user's own word, selectors, and nested groups.
// The window of the first step holds on the whole path. The cost grows with the groups that the user is in, and with
// the selectors of the namespace.
func (n *namespace) memberships(user string) []membership {
	var w walk
	return n.walk(&w, user)
}

// walk is [namespace.memberships] in memory that has served before.
func (n *namespace) walk(w *walk, user string) []membership {
	w.begin(n, user)
	w.enterBy(n.accounts[user].counting())
	return w.sorted()
}

// begin starts over with the lists of members that the user is in.
func (w *walk) begin(n *namespace, user string) {
	w.namespace, w.found, w.at = n, w.found[:0], nil
	for _, e := range n.members[user] {
		w.enter(e.group, e.window)
	}
}

// enterBy follows what the UserAccess, which may be nil, says of its user.
func (w *walk) enterBy(ua *accessv1alpha1.UserAccess) {
	if ua == nil {
		return
	}
	for _, name := range ua.Spec.Groups {
		w.enter(w.groups[string(name)], nil)
	}
	for _, g := range w.selecting {
		if g.selector.Matches(labels.Set(ua.Labels)) {
			w.enter(g, nil)
		}
	}
}

func (w *walk) sorted() []membership {
	slices.SortFunc(w.found, func(a, b membership) int { return strings.Compare(a.group.object.Name, b.group.object.Name) })
	return w.found
}

// walk goes up from groups to those that name them.
type walk struct {
	*namespace
	found []membership
	at    map[*group]int // where in found, once there are many
}

// enter takes in a group, which may be nil, and those around it; without a window, for always.
func (w *walk) enter(g *group, window *resolve.Window) {
	if g == nil || g.inert {
		return
	}
	at := w.place(g)
	switch {
	case at < 0:
		at = len(w.found)
		w.found = append(w.found, membership{group: g})
		if w.at != nil {
			w.at[g] = at
		}
		if window != nil {
			w.found[at].windows = []resolve.Window{*window}
		}
	case w.found[at].covers(window):
		return // also what ends a cycle
	case window == nil:
		w.found[at].windows = nil
	default:
		// Only windows that no other covers are kept, whatever the order of the paths.
		kept := slices.DeleteFunc(w.found[at].windows, window.Covers)
		w.found[at].windows = append(kept, *window)
	}
	for parent := range w.parents[g.object.Name] {
		w.enter(w.groups[parent], window)
	}
}

// place says where in found the group is; negative: it is not. Most users are in a few groups, among which looking is
// quicker than an index.
func (w *walk) place(g *group) int {
	const few = 32
	if w.at == nil && len(w.found) >= few {
		w.at = make(map[*group]int, 2*few)
		for i := range w.found {
			w.at[w.found[i].group] = i
		}
	}
	if w.at == nil {
		return slices.IndexFunc(w.found, func(m membership) bool { return m.group == g })
	}
	if at, seen := w.at[g]; seen {
		return at
	}
	return -1
}

// transitiveMembers returns every user who is a member of the group by any path, active or not.
func (n *namespace) transitiveMembers(name string) set[string] {
	users, seen := set[string]{}, set[string]{}
	n.collectMembers(name, users, seen)
	return users
}

func (n *namespace) collectMembers(name string, users, seen set[string]) {
	g := n.groups[name]
	if _, again := seen[name]; again || g == nil || g.inert {
		return
	}
	seen[name] = struct{}{}
	for i := range g.object.Spec.Members {
		users[string(g.object.Spec.Members[i].User)] = struct{}{}
	}
	for user := range n.naming[name] {
		users[user] = struct{}{}
	}
	if g.selector != nil {
		for user, a := range n.accounts {
			if ua := a.counting(); ua != nil && g.selector.Matches(labels.Set(ua.Labels)) {
				users[user] = struct{}{}
			}
		}
	}
	for _, inner := range g.object.Spec.MemberGroups {
		n.collectMembers(string(inner), users, seen)
	}
}

func newGroup(g *accessv1alpha1.AccessGroup, atSystem bool) *group {
	isSystem := g.Spec.Type == accessv1alpha1.GroupTypeSystem
	made := &group{object: g, inert: isSystem != atSystem, source: groupSource(g)}
	if g.Spec.MemberSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(g.Spec.MemberSelector)
		if err != nil {
			selector = labels.Nothing() // in doubt, nobody; admission and schema refuse what does not parse
		}
		made.selector = selector
	}
	return made
}

// indexGroup adds the group to the index, or takes it out.
func (n *namespace) indexGroup(g *group, in bool) {
	name := g.object.Name
	for i := range g.object.Spec.Members {
		m := &g.object.Spec.Members[i]
		user := string(m.User)
		entries := n.members[user]
		at, listed := slices.BinarySearchFunc(entries, name, entry.compare)
		switch {
		case in && listed:
			entries[at] = newEntry(g, m) // the schema refuses a user who is listed twice; in a file the last one counts
		case in:
			n.members[user] = slices.Insert(entries, at, newEntry(g, m))
		case len(entries) == 1 && listed:
			delete(n.members, user)
		case listed:
			n.members[user] = slices.Delete(entries, at, at+1)
		}
	}
	for _, inner := range g.object.Spec.MemberGroups {
		link(n.parents, string(inner), name, in)
	}
	if in && g.selector != nil {
		n.selecting[name] = g
	} else {
		delete(n.selecting, name)
	}
	if g.inert {
		return
	}
	n.count(in)
	n.nameAll(g.source, in)
}

// count notes one more, or one fewer, of the objects that make the namespace an organization.
func (n *namespace) count(in bool) {
	if in {
		n.declared++
	} else {
		n.declared--
	}
}

// nameAll notes the applications that the source names here.
func (n *namespace) nameAll(s *resolve.Source, in bool) {
	if n.atSystem {
		return // its names depend on the organization
	}
	sourceApplications(s, n.name, func(application string) { n.nameApplication(application, in) })
}

func (n *namespace) nameApplication(application string, in bool) {
	if in {
		n.named[application]++
		n.nameChanged = n.nameChanged || n.named[application] == 1
		return
	}
	n.named[application]--
	if n.named[application] == 0 {
		delete(n.named, application)
		n.nameChanged = true
	}
}

func link(index map[string]set[string], from, to string, in bool) {
	if in {
		if index[from] == nil {
			index[from] = set[string]{}
		}
		index[from][to] = struct{}{}
		return
	}
	delete(index[from], to)
	if len(index[from]) == 0 {
		delete(index, from)
	}
}

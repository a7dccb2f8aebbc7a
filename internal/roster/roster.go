package roster

import (
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Options says what the roster cannot see in the objects.
type Options struct {
	// SystemNamespace is the namespace above all organizations.
	SystemNamespace string
	// Organizations selects the namespaces that may be organizations. Nil and empty select all.
	Organizations labels.Selector
}

// Roster is the index over all objects and the decision for every user. It is safe for concurrent use.
//
// Objects that are set are kept and read, never copied or changed; the caller must not change them either.
type Roster struct {
	options Options

	mu         sync.RWMutex
	namespaces map[string]*namespace
	system     *namespace
	now        time.Time
	windows    windowQueue
	timed      int                            // users with a time to decide again
	entered    map[string][]*namespace        // by user: where the user can enter, in no order
	conflicts  map[string]map[conflicting]int // source: its conflicts
	spanning   set[*resolve.Source]           // sources of the system namespace that name applications
	notes

	users, conflictTotal int // over all organizations
}

// notes is what has been noted since the last Settle, beside what each namespace notes of its own.
type notes struct {
	touched   set[Object]              // objects whose status may have changed
	renewed   map[Object]client.Object // objects that were set again with the spec that they had
	published set[Object]              // ApplicationAccess objects whose document may have changed by them alone
	accounts  set[Account]             // users whose UserAccess objects came, went or changed
}

func newNotes() notes {
	return notes{touched: set[Object]{}, renewed: map[Object]client.Object{}, published: set[Object]{}, accounts: set[Account]{}}
}

type conflicting struct{ organization, user string }

// New returns an empty roster.
func New(options Options) *Roster {
	if options.Organizations == nil {
		options.Organizations = labels.Everything()
	}
	r := &Roster{
		options:    options,
		namespaces: map[string]*namespace{},
		notes:      newNotes(),
		entered:    map[string][]*namespace{},
		conflicts:  map[string]map[conflicting]int{},
		spanning:   set[*resolve.Source]{},
	}
	r.system = newNamespace(options.SystemNamespace, true)
	r.namespaces[options.SystemNamespace] = r.system
	return r
}

// Set takes a new or changed object in: one of the four kinds, or a Namespace. Other objects are an error. Setting an
// object again changes nothing. What the change brings is decided by the next [Roster.Settle].
func (r *Roster) Set(object runtime.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set(object)
}

func (r *Roster) set(object runtime.Object) error {
	switch o := object.(type) {
	case *accessv1alpha1.AccessGroup:
		r.setGroup(o)
	case *accessv1alpha1.UserAccess:
		r.setUserAccess(o)
	case *accessv1alpha1.ApplicationAccess:
		r.setApplication(o)
	case *accessv1alpha1.AccessPolicy:
		r.setPolicy(o)
	case *corev1.Namespace:
		r.setNamespace(o)
	default:
		return fmt.Errorf("the roster has no use for a %T", object)
	}
	return nil
}

// Remove takes an object out that is gone. Only its kind, namespace and name are read.
func (r *Roster) Remove(object runtime.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remove(object)
}

func (r *Roster) remove(object runtime.Object) error {
	switch o := object.(type) {
	case *accessv1alpha1.AccessGroup:
		r.removeGroup(r.namespace(o.Namespace), o.Name)
	case *accessv1alpha1.UserAccess:
		r.removeUserAccess(r.namespace(o.Namespace), o.Name)
	case *accessv1alpha1.ApplicationAccess:
		r.removeApplication(r.namespace(o.Namespace), o.Name)
	case *accessv1alpha1.AccessPolicy:
		if o.Name == accessv1alpha1.AccessPolicyName {
			r.replacePolicy(r.namespace(o.Namespace), nil)
		}
	case *corev1.Namespace:
		n := r.namespace(o.Name)
		n.known, n.labels, n.terminating = false, nil, false
		n.revision++
	default:
		return fmt.Errorf("the roster has no use for a %T", object)
	}
	return nil
}

func (r *Roster) namespace(name string) *namespace {
	n := r.namespaces[name]
	if n == nil {
		n = newNamespace(name, name == r.options.SystemNamespace)
		r.namespaces[name] = n
	}
	return n
}

func (r *Roster) setNamespace(o *corev1.Namespace) {
	n := r.namespace(o.Name)
	if n.atSystem && !n.known {
		// What could not be written without it can be now.
		for user := range r.entered {
			r.accounts[Account{n.name, user}] = struct{}{}
		}
	}
	if !n.known || !sameLabels(n.labels, o.Labels) {
		n.revision++
	}
	n.known, n.labels = true, labels.Set(o.Labels)
	if terminating := o.DeletionTimestamp != nil; terminating != n.terminating {
		n.terminating = terminating
		r.touchAll(n)
	}
}

// setGroup decides anew for those whom the change affects: all members before and after, or where only the list of
// members differs, those whose entry does.
func (r *Roster) setGroup(o *accessv1alpha1.AccessGroup) {
	n := r.namespace(o.Namespace)
	key := Object{KindAccessGroup, o.Namespace, o.Name}
	old := n.groups[o.Name]
	if old != nil && sameSpec(&old.object.ObjectMeta, &o.ObjectMeta, &old.object.Spec, &o.Spec) {
		old.object = o
		r.renewed[key] = o
		return
	}
	r.touched[key] = struct{}{}
	n.revision++
	made := newGroup(o, n.atSystem)
	if old == nil || old.inert != made.inert {
		r.touchNaming(n, o.Name)
	}
	if old != nil && onlyMembersDiffer(old.object, o) {
		// What the group gives stays as it is, and stays bound where it was.
		made.source = old.source
		n.indexGroup(old, false)
		n.groups[o.Name] = made
		n.indexGroup(made, true)
		n.blame(key)
		reach := r.reach(n, o.Name)
		for _, user := range differingMembers(old.object, o) {
			r.touchUser(n, user, reach, causes{key})
		}
		return
	}
	if old != nil {
		r.touchMembers(n, old, key)
	}
	r.replaceGroup(n, old, made, key)
	r.touchMembers(n, made, key)
}

func (r *Roster) removeGroup(n *namespace, name string) {
	old := n.groups[name]
	if old == nil {
		return
	}
	n.revision++
	key := Object{KindAccessGroup, n.name, name}
	r.touched[key] = struct{}{}
	r.touchMembers(n, old, key)
	r.touchNaming(n, name)
	r.replaceGroup(n, old, nil, key)
}

// replaceGroup swaps the group in the index; either may be nil.
func (r *Roster) replaceGroup(n *namespace, old, made *group, cause Object) {
	if old != nil {
		n.indexGroup(old, false)
		r.span(n, old.source, false, old.inert, cause)
		delete(n.groups, old.object.Name)
		r.unbind(n, old.source)
	}
	if made != nil {
		n.groups[made.object.Name] = made
		n.indexGroup(made, true)
		r.span(n, made.source, true, made.inert, cause)
	}
	n.blame(cause)
}

// unbind forgets what the source was bound to.
func (r *Roster) unbind(n *namespace, s *resolve.Source) {
	if !n.atSystem {
		delete(n.bound, s)
		return
	}
	for _, o := range r.namespaces {
		delete(o.bound, s)
	}
}

// span keeps track of sources of the system namespace that name applications in organizations.
func (r *Roster) span(n *namespace, s *resolve.Source, in, inert bool, cause Object) {
	if !n.atSystem || s == nil || inert {
		return
	}
	r.touchPolicies() // whether a system role is mapped stands there
	if !in {
		if _, spans := r.spanning[s]; !spans {
			return
		}
		delete(r.spanning, s)
		r.dirtyNames(cause)
		return
	}
	if slices.ContainsFunc(s.System, func(g resolve.SystemGrant) bool { return len(g.Applications) > 0 }) {
		r.spanning[s] = struct{}{}
		r.dirtyNames(cause)
	}
}

func (r *Roster) dirtyNames(cause Object) {
	for _, n := range r.namespaces {
		n.dirtyNames(cause)
	}
}

func (r *Roster) setApplication(o *accessv1alpha1.ApplicationAccess) {
	n := r.namespace(o.Namespace)
	key := Object{KindApplicationAccess, o.Namespace, o.Name}
	old := n.applications[o.Name]
	n.applications[o.Name] = o
	if old != nil && sameSpec(&old.ObjectMeta, &o.ObjectMeta, &old.Spec, &o.Spec) {
		r.renewed[key] = o
		return
	}
	r.touched[key] = struct{}{}
	n.revision++
	r.published[key] = struct{}{}
	if n.atSystem {
		return
	}
	if old == nil {
		n.count(true)
		n.nameApplication(o.Name, true)
		n.blame(key)
	}
	if (old == nil && hidesUnmatched(o)) || (old != nil && hidesUnmatched(old) != hidesUnmatched(o)) {
		n.dirtyRules(key)
	}
}

func (r *Roster) removeApplication(n *namespace, name string) {
	old := n.applications[name]
	if old == nil {
		return
	}
	key := Object{KindApplicationAccess, n.name, name}
	r.touched[key] = struct{}{}
	r.published[key] = struct{}{}
	n.revision++
	delete(n.applications, name)
	if n.atSystem {
		return
	}
	n.count(false)
	n.nameApplication(name, false)
	n.blame(key)
	if hidesUnmatched(old) {
		n.dirtyRules(key)
	}
}

func hidesUnmatched(o *accessv1alpha1.ApplicationAccess) bool {
	return o.Spec.UnmatchedRows == accessv1alpha1.UnmatchedRowsNone
}

func (r *Roster) setPolicy(o *accessv1alpha1.AccessPolicy) {
	if o.Name != accessv1alpha1.AccessPolicyName {
		return // no other name is accepted by the schema, and none counts
	}
	n := r.namespace(o.Namespace)
	if n.policy != nil && sameSpec(&n.policy.ObjectMeta, &o.ObjectMeta, &n.policy.Spec, &o.Spec) {
		n.policy = o
		r.renewed[ObjectOf(o)] = o
		return
	}
	r.replacePolicy(n, o)
}

func (r *Roster) replacePolicy(n *namespace, o *accessv1alpha1.AccessPolicy) {
	if (n.policy == nil) != (o == nil) && !n.atSystem {
		n.count(o != nil)
	}
	n.policy = o
	n.revision++
	key := Object{KindAccessPolicy, n.name, accessv1alpha1.AccessPolicyName}
	r.touched[key] = struct{}{}
	if !n.atSystem {
		n.dirtyRules(key)
		r.touchSpanning(n)
		return
	}
	r.touchAll(n)
	for _, each := range r.namespaces {
		if !each.atSystem {
			each.dirtyRules(key)
		}
	}
}

// sameSpec says whether nothing that resolution looks at differs between two looks at an object.
func sameSpec[T any](old, made metav1.Object, oldSpec, spec *T) bool {
	if old.GetUID() != made.GetUID() || (old.GetDeletionTimestamp() == nil) != (made.GetDeletionTimestamp() == nil) {
		return false
	}
	if g := made.GetGeneration(); g != 0 && g == old.GetGeneration() {
		return true
	}
	return equality.Semantic.DeepEqual(oldSpec, spec)
}

func sameLabels(a, b map[string]string) bool { return labels.Equals(a, b) }

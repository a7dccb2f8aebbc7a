package index

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// UserAccount holds all UserAccess objects of one user in one namespace. It is immutable.
type UserAccount struct {
	Declared     []*accessv1alpha1.UserAccess // by name
	Materialized *accessv1alpha1.UserAccess
	Source       *resolve.Source    // from the counting object; nil if it grants nothing
	Attributes   resolve.Attributes // from the counting object
}

// Counting returns the UserAccess that counts for the user: the declared one with the smallest name. An object
// that is being deleted counts only if there is no other. Counting returns nil if no UserAccess is declared.
func (a *UserAccount) Counting() *accessv1alpha1.UserAccess {
	if a == nil || len(a.Declared) == 0 {
		return nil
	}
	for _, ua := range a.Declared {
		if ua.DeletionTimestamp == nil {
			return ua
		}
	}
	return a.Declared[0]
}

// All returns the declared objects and the materialized one, if there is one.
func (a *UserAccount) All() []*accessv1alpha1.UserAccess {
	if a == nil {
		return nil
	}
	if a.Materialized == nil {
		return a.Declared
	}
	return append(slices.Clip(a.Declared), a.Materialized)
}

// TakesOver reports whether a declared UserAccess makes a materialized one unnecessary.
func (a *UserAccount) TakesOver() bool {
	ua := a.Counting()
	return ua != nil && ua.DeletionTimestamp == nil
}

// with returns a copy of the account in which made replaces old. Either may be nil.
func (a *UserAccount) with(old, made *accessv1alpha1.UserAccess) *UserAccount {
	next := &UserAccount{}
	if a != nil {
		*next = *a
	}
	switch {
	case old == nil:
	case next.Materialized == old:
		next.Materialized = nil
	default:
		next.Declared = slices.DeleteFunc(slices.Clone(next.Declared), func(x *accessv1alpha1.UserAccess) bool { return x == old })
	}
	switch {
	case made == nil:
	case IsMaterialized(made):
		next.Materialized = made
	default:
		next.Declared = append(slices.Clone(next.Declared), made)
		slices.SortFunc(next.Declared, func(x, y *accessv1alpha1.UserAccess) int { return strings.Compare(x.Name, y.Name) })
	}
	return next
}

func (l *Layer) setUserAccess(o *accessv1alpha1.UserAccess) {
	n := l.namespace(o.Namespace)
	key := Object{KindUserAccess, o.Namespace, o.Name}
	old := n.userAccess.Get(o.Name)
	if old != nil && sameSpec(&old.ObjectMeta, &o.ObjectMeta, &old.Spec, &o.Spec) && labels.Equals(old.Labels, o.Labels) {
		n.userAccess.Set(o.Name, o)
		n.accounts.Set(string(o.Spec.User), n.accounts.Get(string(o.Spec.User)).with(old, o))
		l.touched.Renewed[key] = o
		return
	}
	if old != nil && old.Spec.User != o.Spec.User { // recreated under the same name; the deletion was missed
		l.replaceUserAccess(n, old, nil, key)
		old = nil
	}
	l.replaceUserAccess(n, old, o, key)
}

// replaceUserAccess replaces old with made. Both belong to the same user, and either may be nil.
func (l *Layer) replaceUserAccess(n *Namespace, old, made *accessv1alpha1.UserAccess, key Object) {
	l.revise(n)
	user := string(cmp.Or(old, made).Spec.User)
	before := n.accounts.Get(user)
	if before != nil {
		n.indexAccount(user, before, false)
		l.span(n, before.Source, false, false, key)
	}
	after := before.with(old, made)
	l.touched.Objects.Add(key)
	if old != nil {
		n.userAccess.Delete(old.Name)
	}
	if made != nil {
		n.userAccess.Set(made.Name, made)
	}
	after.Source, after.Attributes = nil, nil
	if ua := after.Counting(); ua != nil {
		after.Source, after.Attributes = userSource(ua, n.atSystem), AttributesOf(ua)
	}
	n.indexAccount(user, after, true)
	l.span(n, after.Source, true, false, key)
	l.blame(n, key)
	if all := after.All(); len(all) == 0 {
		n.accounts.Delete(user)
	} else {
		n.accounts.Set(user, after)
	}
	n.indexCase(user)
	for _, each := range after.All() {
		l.touched.Objects.Add(Object{KindUserAccess, n.name, each.Name})
	}
	l.touched.Accounts.Add(Account{n.name, user})
	l.touchUser(n, user, l.reach(n, ""), Causes{key})
}

// indexAccount adds the contents of the user's UserAccess objects to the index, or removes them.
func (n *Namespace) indexAccount(user string, a *UserAccount, in bool) {
	counting := a.Counting()
	for _, ua := range a.Declared {
		n.count(in)
		source := a.Source
		if ua != counting {
			source = userSource(ua, n.atSystem) // it grants nothing now, but a preview must find what it declares
		}
		n.indexSelecting(source, in)
	}
	n.nameAll(a.Source, in)
	if counting != nil {
		for _, g := range counting.Spec.Groups {
			n.naming.put(string(g), user, in)
		}
	}
}

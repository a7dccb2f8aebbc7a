package roster

import (
	"cmp"
	"slices"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// account is all that the UserAccess objects of a namespace say of one user.
type account struct {
	declared     []*accessv1alpha1.UserAccess // by name
	materialized *accessv1alpha1.UserAccess
	source       *resolve.Source // of the counting one; nil where it gives nothing
}

// counting returns the UserAccess that counts for the user: the declared one with the smallest name, one that is
// being deleted only where there is no other. Nil where none is declared.
func (a *account) counting() *accessv1alpha1.UserAccess {
	if a == nil || len(a.declared) == 0 {
		return nil
	}
	for _, ua := range a.declared {
		if ua.DeletionTimestamp == nil {
			return ua
		}
	}
	return a.declared[0]
}

// all returns the declared objects, and the materialized one where there is one.
func (a *account) all() []*accessv1alpha1.UserAccess {
	if a.materialized == nil {
		return a.declared
	}
	return append(slices.Clone(a.declared), a.materialized)
}

// takesOver says whether a declared UserAccess stands in the way of materializing one.
func (a *account) takesOver() bool {
	ua := a.counting()
	return ua != nil && ua.DeletionTimestamp == nil
}

func (r *Roster) setUserAccess(o *accessv1alpha1.UserAccess) {
	n := r.namespace(o.Namespace)
	key := Object{KindUserAccess, o.Namespace, o.Name}
	old := n.userAccess[o.Name]
	if old != nil && sameSpec(&old.ObjectMeta, &o.ObjectMeta, &old.Spec, &o.Spec) && sameLabels(old.Labels, o.Labels) {
		n.userAccess[o.Name] = o
		n.accounts[string(o.Spec.User)].replace(old, o)
		r.renewed[key] = o
		return
	}
	if old != nil && old.Spec.User != o.Spec.User { // recreated under the same name between two looks
		r.removeUserAccess(n, o.Name)
		old = nil
	}
	r.replaceUserAccess(n, old, o, key)
}

func (r *Roster) removeUserAccess(n *namespace, name string) {
	if old := n.userAccess[name]; old != nil {
		r.replaceUserAccess(n, old, nil, Object{KindUserAccess, n.name, name})
	}
}

// replaceUserAccess swaps one object of a user; old and made are of the same user, and either may be nil.
func (r *Roster) replaceUserAccess(n *namespace, old, made *accessv1alpha1.UserAccess, key Object) {
	n.revision++
	user := string(cmp.Or(old, made).Spec.User)
	a := n.accounts[user]
	if a == nil {
		a = &account{}
		n.accounts[user] = a
	}
	before := a.source
	n.indexAccount(user, a, false)
	r.span(n, before, false, false, key)
	a.remove(old)
	a.add(made)
	r.touched[key] = struct{}{}
	if old != nil {
		delete(n.userAccess, old.Name)
	}
	if made != nil {
		n.userAccess[made.Name] = made
	}
	a.source = nil
	if ua := a.counting(); ua != nil {
		a.source = userSource(ua, n.atSystem)
	}
	n.indexAccount(user, a, true)
	r.span(n, a.source, true, false, key)
	n.blame(key)
	if len(a.declared) == 0 && a.materialized == nil {
		delete(n.accounts, user)
	}
	for _, each := range a.all() {
		r.touched[Object{KindUserAccess, n.name, each.Name}] = struct{}{}
	}
	r.accounts[Account{n.name, user}] = struct{}{}
	r.touchUser(n, user, r.reach(n, ""), causes{key})
}

// indexAccount adds what the user's UserAccess objects say to the index, or takes it out.
func (n *namespace) indexAccount(user string, a *account, in bool) {
	for range a.declared {
		n.count(in)
	}
	n.nameAll(a.source, in)
	if ua := a.counting(); ua != nil {
		for _, g := range ua.Spec.Groups {
			link(n.naming, string(g), user, in)
		}
	}
}

func (a *account) add(ua *accessv1alpha1.UserAccess) {
	switch {
	case ua == nil:
	case IsMaterialized(ua):
		a.materialized = ua
	default:
		a.declared = append(slices.Clone(a.declared), ua)
		slices.SortFunc(a.declared, func(x, y *accessv1alpha1.UserAccess) int { return strings.Compare(x.Name, y.Name) })
	}
}

func (a *account) remove(ua *accessv1alpha1.UserAccess) {
	switch {
	case ua == nil:
	case a.materialized == ua:
		a.materialized = nil
	default:
		a.declared = slices.DeleteFunc(slices.Clone(a.declared), func(x *accessv1alpha1.UserAccess) bool { return x == ua })
	}
}

// replace swaps an object for one that says the same.
func (a *account) replace(old, made *accessv1alpha1.UserAccess) {
	a.remove(old)
	a.add(made)
}

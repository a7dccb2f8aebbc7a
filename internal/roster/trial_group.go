package roster

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// lookThrough looks at a group that is tried through the eyes of whoever belongs to it, of whoever belongs to a group
// that it newly takes in, and of whoever its selector newly selects. So what it gives does not depend on the order in
// which members and roles arrive.
func (t *trial) lookThrough(after bool) {
	if t.object.Kind != KindAccessGroup || t.after == nil {
		return
	}
	n := t.namespaces[t.object.Namespace]
	made := t.after.(*accessv1alpha1.AccessGroup)
	var was *accessv1alpha1.AccessGroup
	if t.before != nil {
		was = t.before.(*accessv1alpha1.AccessGroup)
	}
	through := append([]string{made.Name}, newGroups(was, made)...)
	if after {
		for _, name := range through {
			t.phantoms = append(t.phantoms, Tried{
				Namespace: n.name, Through: name, After: Standing{Declared: n.declarationsIn(name)},
			})
		}
		if selectsAnew(was, made) {
			t.phantoms = append(t.phantoms, Tried{
				Namespace: n.name, Through: made.Name, After: Standing{Declared: n.declarationsIn(made.Name)},
			})
		}
		return
	}
	// In the same order; who is newly selected had nothing.
	for i, name := range through {
		t.phantoms[i].Before.Declared = n.declarationsIn(name)
	}
}

// namedByDuplicates adds the users of whom a UserAccess that does not count names the group: nothing is decided by it, but
// it says that they belong to the group as soon as there is one.
func (n *namespace) namedByDuplicates(group string, users set[string]) {
	for user, a := range n.accounts {
		if len(a.declared) > 1 && slices.ContainsFunc(a.declared, func(ua *accessv1alpha1.UserAccess) bool {
			return slices.Contains(ua.Spec.Groups, accessv1alpha1.GroupName(group))
		}) {
			users[user] = struct{}{}
		}
	}
}

// enterMissing follows what the UserAccess says of groups that do not exist: as soon as one does, whoever takes it in
// takes the user in. The one that is coming is passed over.
func (w *walk) enterMissing(ua *accessv1alpha1.UserAccess, coming string) {
	for _, name := range ua.Spec.Groups {
		if w.groups[string(name)] != nil || string(name) == coming {
			continue
		}
		for parent := range w.parents[string(name)] {
			w.enter(w.groups[parent], nil)
		}
	}
}

func newGroups(was, made *accessv1alpha1.AccessGroup) []string {
	var names []string
	for _, name := range made.Spec.MemberGroups {
		if was == nil || !slices.Contains(was.Spec.MemberGroups, name) {
			names = append(names, string(name))
		}
	}
	return names
}

// selectsAnew says whether the group's selector may select somebody whom it did not select before, whoever there is.
func selectsAnew(was, made *accessv1alpha1.AccessGroup) bool {
	if made.Spec.MemberSelector == nil {
		return false
	}
	if was == nil || was.Spec.MemberSelector == nil {
		return true
	}
	before, after := requirements(was.Spec.MemberSelector), requirements(made.Spec.MemberSelector)
	// With every requirement that there was, and perhaps more, it selects no more.
	return !containsAll(after, before)
}

func requirements(selector *metav1.LabelSelector) []string {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	all, _ := parsed.Requirements()
	texts := make([]string, len(all))
	for i := range all {
		texts[i] = labels.NewSelector().Add(all[i]).String()
	}
	return texts
}

func containsAll(list, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(s string) bool { return !slices.Contains(list, s) })
}

// declarationsIn returns the sources that a member of the group has by it. The group need not exist.
func (n *namespace) declarationsIn(group string) []Declaration {
	w := walk{namespace: n}
	if g := n.groups[group]; g != nil {
		w.enter(g, nil)
	} else {
		for parent := range n.parents[group] {
			w.enter(n.groups[parent], nil)
		}
	}
	return declarationsOf(w.sorted())
}

// unresolvedIn returns what the object that is tried names in vain.
func (t *trial) unresolvedIn(n *namespace) []accessv1alpha1.UnresolvedReference {
	if !n.atSystem && n.compiled == nil {
		return nil
	}
	switch o := t.lookup(t.object).(type) {
	case *accessv1alpha1.AccessGroup:
		if n.groups[o.Name].inert {
			return nil
		}
		return t.unresolvedInGroup(n, o)
	case *accessv1alpha1.UserAccess:
		return t.unresolvedInUser(n, o)
	case *accessv1alpha1.AccessPolicy:
		return t.unresolvedInPolicy(n)
	default:
		return nil
	}
}

package preview

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
)

// lookThrough adds entries without a user for a created or changed group. There is one for the members of the
// group and one for the members of each group that it newly takes in. There is one more if its selector may
// select new users. So the known grants of the group do not depend on the order in which members and roles
// arrive.
func (p *preview) lookThrough(s side) {
	if p.object.Kind != index.KindAccessGroup || p.made == nil {
		return
	}
	n := s.namespace(p.object.Namespace)
	made := p.made.(*accessv1alpha1.AccessGroup)
	var was *accessv1alpha1.AccessGroup
	if p.was != nil {
		was = p.was.(*accessv1alpha1.AccessGroup)
	}
	through := append([]string{made.Name}, newGroups(was, made)...)
	if s.after {
		for _, name := range through {
			p.phantoms = append(p.phantoms, Affected{
				Namespace: n.Name(), Through: name, After: State{Declared: declarationsIn(n, name)},
			})
		}
		if selectsAnew(was, made) {
			p.phantoms = append(p.phantoms, Affected{
				Namespace: n.Name(), Through: made.Name, After: State{Declared: declarationsIn(n, made.Name)},
			})
		}
		return
	}
	// Use the same order as above. Newly selected users had no grants through the group.
	for i, name := range through {
		p.phantoms[i].Before.Declared = declarationsIn(n, name)
	}
}

// namedByDuplicates adds the users with a UserAccess that does not count and names the group. Such a UserAccess
// takes no part in decisions, but it declares that the user belongs to the group as soon as the group exists.
func namedByDuplicates(n *index.Namespace, group string, users map[string]struct{}) {
	for user, a := range n.Accounts() {
		if len(a.Declared) > 1 && slices.ContainsFunc(a.Declared, func(ua *accessv1alpha1.UserAccess) bool {
			return slices.Contains(ua.Spec.Groups, accessv1alpha1.GroupName(group))
		}) {
			users[user] = struct{}{}
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

// selectsAnew reports whether the group's selector may select a user that it did not select before, regardless
// of the existing users.
func selectsAnew(was, made *accessv1alpha1.AccessGroup) bool {
	if made.Spec.MemberSelector == nil {
		return false
	}
	if was == nil || was.Spec.MemberSelector == nil {
		return true
	}
	before, after := requirements(was.Spec.MemberSelector), requirements(made.Spec.MemberSelector)
	// A selector that keeps all of the old requirements selects no new users.
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

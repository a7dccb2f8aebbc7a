package edit

import (
	"cmp"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// strip prepares a prune: the rows are applied to objects without what earlier imports have written. So the result has what
// others declare and what the rows say.
func (m *importer) strip() error {
	m.stripped = map[string]client.Object{}
	for i := range m.world.Set.Objects {
		o := &m.world.Set.Objects[i]
		switch o.Object.(type) {
		case *accessv1alpha1.AccessGroup, *accessv1alpha1.UserAccess:
		default:
			continue
		}
		if m.world.Namespace != "" && o.GetNamespace() != m.world.Namespace {
			continue
		}
		stripped, found, err := objects.Strip(o, objects.ImportManager)
		if err != nil {
			return err
		}
		if found {
			m.stripped[objects.Name(o.Object)] = stripped
		}
	}
	return nil
}

// start returns the object that rows are applied to. fresh is an object with the same name and nothing else.
func (m *importer) start(before *objects.Object, fresh client.Object) client.Object {
	stripped, imported := m.stripped[objects.Name(before.Object)]
	switch {
	case !imported:
		return Edited[client.Object](before)
	case stripped != nil:
		return stripped.DeepCopyObject().(client.Object)
	}
	// Only imports have written the spec. The labels, annotations and versions stay.
	made := Edited[client.Object](before)
	switch each := made.(type) {
	case *accessv1alpha1.AccessGroup:
		each.Spec = accessv1alpha1.AccessGroupSpec{Type: each.Spec.Type}
	case *accessv1alpha1.UserAccess:
		each.Spec = fresh.(*accessv1alpha1.UserAccess).Spec
	}
	return made
}

// prune adds the changes of the objects of earlier imports that no row speaks of.
func (m *importer) prune() {
	for i := range m.world.Set.Objects {
		o := &m.world.Set.Objects[i]
		name := objects.Name(o.Object)
		stripped, imported := m.stripped[name]
		if !imported || slices.Contains(m.order, name) {
			continue
		}
		m.changes[name] = new(objects.NewChange(o, stripped))
		m.order = append(m.order, name)
	}
}

// keepDefaults sets the fields that the API server sets by default. Otherwise an object whose fields were stripped and applied
// again would count as changed.
func keepDefaults(c *objects.Change) {
	switch after := c.After.Object.(type) {
	case *accessv1alpha1.AccessGroup:
		spec := &after.Spec
		spec.Privileges = cmp.Or(spec.Privileges, accessv1alpha1.GroupPrivilegesEnabled)
		if spec.Review.EveryDays > 0 {
			spec.Review.IfMissed = cmp.Or(spec.Review.IfMissed, accessv1alpha1.MissedReviewKeep)
		}
	case *accessv1alpha1.UserAccess:
		after.Spec.State = cmp.Or(after.Spec.State, accessv1alpha1.UserStateActive)
	}
}

// keepOrder puts the entries of lists in the order that they had before. Rows that were applied again are behind others
// otherwise, and that would count as a change.
func keepOrder(c *objects.Change) {
	switch after := c.After.Object.(type) {
	case *accessv1alpha1.AccessGroup:
		spec, was := &after.Spec, &c.Before.Object.(*accessv1alpha1.AccessGroup).Spec
		inOrder(spec.Members, was.Members, func(m accessv1alpha1.Member) accessv1alpha1.UserName { return m.User })
		inOrder(spec.MemberGroups, was.MemberGroups, itself)
		inOrder(spec.ApplicationAccess, was.ApplicationAccess, applicationOf)
		inOrder(spec.SystemAccess, was.SystemAccess, organizationOf)
	case *accessv1alpha1.UserAccess:
		spec, was := &after.Spec, &c.Before.Object.(*accessv1alpha1.UserAccess).Spec
		inOrder(spec.Groups, was.Groups, itself)
		inOrder(spec.ApplicationAccess, was.ApplicationAccess, applicationOf)
		inOrder(spec.SystemAccess, was.SystemAccess, organizationOf)
		inOrder(spec.Attributes, was.Attributes, func(a accessv1alpha1.UserAttribute) accessv1alpha1.AttributeName { return a.Name })
	}
}

func itself(name accessv1alpha1.GroupName) accessv1alpha1.GroupName { return name }

func applicationOf(g accessv1alpha1.ApplicationGrant) accessv1alpha1.ApplicationSelector {
	return g.Application
}

func organizationOf(g accessv1alpha1.SystemGrant) accessv1alpha1.OrganizationSelector {
	return g.Organization
}

// inOrder sorts a list by the places that the keys have in the other list. New entries come last, in their order.
func inOrder[T any, K comparable](list, like []T, key func(T) K) {
	places := map[K]int{}
	for i, each := range like {
		places[key(each)] = i
	}
	place := func(each T) int {
		if i, known := places[key(each)]; known {
			return i
		}
		return len(like)
	}
	slices.SortStableFunc(list, func(a, b T) int { return place(a) - place(b) })
}

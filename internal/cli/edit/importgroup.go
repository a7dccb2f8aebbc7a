package edit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// takeGroup applies a row to its group.
func (m *importer) takeGroup(r *row, namespace string) {
	name := r.get(columnGroup)
	key := namespace + "/" + name
	isNew := m.groups[key] == nil && m.changes["AccessGroup/"+key] == nil
	if isNew && r.get(columnRecord) != recordGroup && !r.isPlain() {
		m.fail(r, columnGroup, m.unknownGroup(namespace, name))
		return
	}
	g := m.changeOf(m.groups[key], func() client.Object {
		made := &accessv1alpha1.AccessGroup{}
		made.Name, made.Namespace = name, namespace
		return made
	}).After.Object.(*accessv1alpha1.AccessGroup)
	var err error
	switch r.get(columnRecord) {
	case recordGroup:
		err = setGroup(g, r, isNew)
	case recordMember:
		err = m.setMember(g, r)
	case recordMemberGroup:
		if other := accessv1alpha1.GroupName(r.get(columnMemberGroup)); !slices.Contains(g.Spec.MemberGroups, other) {
			g.Spec.MemberGroups = append(g.Spec.MemberGroups, other)
		}
	case recordReview:
		err = setReview(g, r)
	default:
		err = m.setGroupRole(g, r)
	}
	if err != nil {
		m.fail(r, "", err)
	}
}

func (m *importer) unknownGroup(namespace, name string) error {
	var names []string
	for key := range m.groups {
		if own, in := strings.CutPrefix(key, namespace+"/"); in {
			names = append(names, own)
		}
	}
	for key := range m.changes {
		if own, in := strings.CutPrefix(key, "AccessGroup/"+namespace+"/"); in {
			names = append(names, own)
		}
	}
	slices.Sort(names)
	if meant := words.Meant(validation.Nearest(name, slices.Compact(names))); meant != "" {
		return fmt.Errorf("there is no group %s in %s; %s A line with the record group creates it", name, namespace, meant)
	}
	return fmt.Errorf("there is no group %s in %s; a line with the record group creates it", name, namespace)
}

func setGroup(g *accessv1alpha1.AccessGroup, r *row, isNew bool) error {
	spec := &g.Spec
	if said := accessv1alpha1.GroupType(r.get(columnType)); said != "" {
		if was := cmp.Or(spec.Type, accessv1alpha1.GroupTypeOrganization); !isNew && was != said {
			return fmt.Errorf("type: %s is of type %s, and that cannot be changed: delete the group and create another", g.Name, was)
		}
		if isNew {
			spec.Type = said
		}
	}
	if said := accessv1alpha1.GroupPrivileges(r.get(columnPrivileges)); said != "" &&
		said != cmp.Or(spec.Privileges, accessv1alpha1.GroupPrivilegesEnabled) {
		spec.Privileges = said
	}
	spec.DisplayName = cmp.Or(r.get(columnDisplayName), spec.DisplayName)
	spec.Description = cmp.Or(r.get(columnDescription), spec.Description)
	return nil
}

// setMember adds the member, or sets its window to that of the row. Without a window in the row, the member keeps
// its window.
func (m *importer) setMember(g *accessv1alpha1.AccessGroup, r *row) error {
	key := g.Namespace + "/" + g.Name
	places := m.members[key]
	if places == nil {
		places = make(map[string]int, len(g.Spec.Members))
		for i := range g.Spec.Members {
			places[string(g.Spec.Members[i].User)] = i
		}
		m.members[key] = places
	}
	w, err := r.said()
	if err != nil {
		return err
	}
	user := r.get(columnUser)
	made := accessv1alpha1.Member{User: accessv1alpha1.UserName(user)}
	i, is := places[user]
	if is {
		made = g.Spec.Members[i]
	}
	if made.NotBefore, made.NotAfter, err = w.Over(made.NotBefore, made.NotAfter); err != nil {
		return err
	}
	if is {
		g.Spec.Members[i] = made
		return nil
	}
	places[user] = len(g.Spec.Members)
	g.Spec.Members = append(g.Spec.Members, made)
	return nil
}

func (m *importer) setGroupRole(g *accessv1alpha1.AccessGroup, r *row) error {
	isSystem := g.Spec.Type == accessv1alpha1.GroupTypeSystem
	switch organization := r.get(columnOrganization) + r.get(columnOrganizationSelector); {
	case isSystem && organization == "":
		return fmt.Errorf("%s is a System group, and gives roles organization by organization: the column %s or %s says which", g.Name,
			columnOrganization, columnOrganizationSelector)
	case !isSystem && organization != "":
		return fmt.Errorf("%s is not a System group, and gives roles in its own organization only: the columns %s and %s stay empty", g.Name,
			columnOrganization, columnOrganizationSelector)
	}
	spec := &g.Spec
	return setRole(r, &roles{
		&spec.OrganizationRole, &spec.ApplicationAccess, &spec.ApplicationSelectors, &spec.SystemAccess, &spec.SystemAccessSelectors,
	})
}

package edit

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
)

// Exported contains the declared objects as the table that [ReadTable] reads.
type Exported struct {
	Header []string
	Rows   [][]string
	// Left counts the objects with parts that the table does not contain, by the name of the part.
	Left map[string]int
}

// Export returns the declared objects in the scope of the world.
func Export(w *source.World) *Exported {
	x := &exporter{left: map[string]int{}}
	for i := range w.Set.Objects {
		if o := &w.Set.Objects[i]; w.Scope == "" || o.GetNamespace() == w.Scope {
			x.add(o.Object)
		}
	}
	slices.SortStableFunc(x.rows, func(a, b map[string]string) int {
		return cmp.Or(strings.Compare(a[columnNamespace], b[columnNamespace]),
			cmp.Compare(placeOf(a), placeOf(b)), strings.Compare(a[columnGroup], b[columnGroup]),
			strings.Compare(a[columnUser], b[columnUser]))
	})
	made := &Exported{Header: tableColumns, Left: x.left}
	for _, each := range x.rows {
		cells := make([]string, len(tableColumns))
		for i, name := range tableColumns {
			cells[i] = each[name]
		}
		made.Rows = append(made.Rows, cells)
	}
	return made
}

// placeOf returns the sort position of a record: groups come before their members, and users follow.
func placeOf(r map[string]string) int {
	order := []string{recordGroup, recordMember, recordMemberGroup, recordUser, recordUserGroup}
	if i := slices.Index(order, r[columnRecord]); i >= 0 {
		return i
	}
	return len(order)
}

// exporter collects rows.
type exporter struct {
	rows []map[string]string
	// left counts the objects with omitted parts.
	left map[string]int
}

func (x *exporter) leave(what string) {
	x.left[what]++
}

func (x *exporter) add(o any) {
	switch each := o.(type) {
	case *accessv1alpha1.AccessGroup:
		x.addGroup(each)
	case *accessv1alpha1.UserAccess:
		if !roster.IsMaterialized(each) {
			x.addUser(each)
		}
	case *accessv1alpha1.ApplicationAccess:
		x.leave("ApplicationAccess")
	case *accessv1alpha1.AccessPolicy:
		x.leave("AccessPolicy")
	}
}

// holder is the subject of a row.
type holder struct{ namespace, group, user string }

func (x *exporter) row(record string, h holder, cells map[string]string) {
	if cells == nil {
		cells = map[string]string{}
	}
	cells[columnRecord], cells[columnNamespace], cells[columnGroup], cells[columnUser] = record, h.namespace, h.group, h.user
	x.rows = append(x.rows, cells)
}

func (x *exporter) addGroup(g *accessv1alpha1.AccessGroup) {
	h := holder{namespace: g.Namespace, group: g.Name}
	spec := &g.Spec
	x.row(recordGroup, h, map[string]string{
		columnType: string(spec.Type), columnPrivileges: string(spec.Privileges),
		columnDisplayName: spec.DisplayName, columnDescription: spec.Description,
	})
	for i := range spec.Members {
		m := &spec.Members[i]
		x.row(recordMember, holder{g.Namespace, g.Name, string(m.User)}, map[string]string{
			columnNotBefore: InstantText(m.NotBefore), columnNotAfter: InstantText(m.NotAfter),
		})
	}
	for _, name := range spec.MemberGroups {
		x.row(recordMemberGroup, h, map[string]string{columnMemberGroup: string(name)})
	}
	x.addGrants(h, nil, spec.OrganizationRole, spec.ApplicationAccess, spec.ApplicationSelectors)
	x.addSystem(h, spec.SystemAccess, spec.SystemAccessSelectors)
	if spec.Review.EveryDays > 0 {
		x.row(recordReview, h, map[string]string{
			columnEveryDays: strconv.Itoa(int(spec.Review.EveryDays)), columnIfMissed: string(spec.Review.IfMissed),
			columnReviewedAt: InstantText(spec.ReviewedAt),
		})
	}
	if spec.MemberSelector != nil {
		x.leave("memberSelector")
	}
	if len(spec.DataPermissions) > 0 {
		x.leave("dataPermissions")
	}
	if spec.Notification.Mode != "" {
		x.leave("notification")
	}
}

func (x *exporter) addUser(ua *accessv1alpha1.UserAccess) {
	h := holder{namespace: ua.Namespace, user: string(ua.Spec.User)}
	spec := &ua.Spec
	x.row(recordUser, h, map[string]string{
		columnState: string(spec.State), columnDisplayName: spec.DisplayName, columnEmail: spec.Email,
		columnNotBefore: InstantText(spec.NotBefore), columnNotAfter: InstantText(spec.NotAfter),
	})
	for _, name := range spec.Groups {
		x.row(recordUserGroup, holder{ua.Namespace, string(name), string(spec.User)}, nil)
	}
	for i := range spec.Attributes {
		for _, value := range spec.Attributes[i].Values {
			x.row(recordAttribute, h, map[string]string{
				columnAttribute: string(spec.Attributes[i].Name), columnValue: string(value),
			})
		}
	}
	x.addGrants(h, nil, spec.OrganizationRole, spec.ApplicationAccess, spec.ApplicationSelectors)
	x.addSystem(h, spec.SystemAccess, spec.SystemAccessSelectors)
}

// addGrants adds the roles of an entry. in contains the cells that identify the organizations of the entry.
func (x *exporter) addGrants(
	h holder, in map[string]string, organizationRole accessv1alpha1.RoleName, grants []accessv1alpha1.ApplicationGrant,
	selectors []accessv1alpha1.ApplicationSelectorGrant,
) {
	if organizationRole != "" {
		x.row(recordOrganizationRole, h, with(in, map[string]string{columnRole: string(organizationRole)}))
	}
	for i := range grants {
		g := &grants[i]
		x.row(recordRole, h, with(in, map[string]string{
			columnApplication: string(g.Application), columnRole: string(g.Role),
			columnNotBefore: InstantText(g.NotBefore), columnNotAfter: InstantText(g.NotAfter),
		}))
	}
	for i := range selectors {
		g := &selectors[i]
		x.row(recordRole, h, with(in, map[string]string{
			columnApplicationSelector: query.SelectorText(&g.Selector), columnRole: string(g.Role),
			columnNotBefore: InstantText(g.NotBefore), columnNotAfter: InstantText(g.NotAfter),
		}))
	}
}

func with(in, cells map[string]string) map[string]string {
	maps.Copy(cells, in)
	return cells
}

func (x *exporter) addSystem(h holder, entries []accessv1alpha1.SystemGrant, selectors []accessv1alpha1.SystemSelectorGrant) {
	for i := range entries {
		e := &entries[i]
		in := map[string]string{columnOrganization: string(e.Organization)}
		x.addSystemRole(h, in, e.Role)
		x.addGrants(h, in, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors)
	}
	for i := range selectors {
		e := &selectors[i]
		in := map[string]string{columnOrganizationSelector: query.SelectorText(&e.Selector)}
		x.addSystemRole(h, in, e.Role)
		x.addGrants(h, in, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors)
	}
}

func (x *exporter) addSystemRole(h holder, in map[string]string, role accessv1alpha1.RoleName) {
	if role != "" {
		x.row(recordSystemRole, h, with(in, map[string]string{columnRole: string(role)}))
	}
}

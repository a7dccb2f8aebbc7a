package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// export writes what is declared as CSV.
type export struct{ options *options }

func newExport(o *options) *cobra.Command {
	e := &export{o}
	return &cobra.Command{
		Use:   "export",
		Short: "Write users, groups and roles as CSV",
		Long: `Writes what is declared as CSV: groups, who is named in them, users, and the roles of both; a line each. The same CSV is
what import reads. Selectors of members, rows, notification, applications and policies are not in it; that there are such
is noted.

Cells that a spreadsheet would take for a formula begin with an apostrophe, which import takes away.`,
		Example: `  kubectl access export -n analytics > analytics.csv`,
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return e.run(command.Context()) },
	}
}

func (e *export) run(ctx context.Context) error {
	w, err := e.options.load(ctx)
	if err != nil {
		return err
	}
	x := &exporter{}
	for i := range w.set.Objects {
		if o := &w.set.Objects[i]; w.scope == "" || o.GetNamespace() == w.scope {
			x.add(o.Object)
		}
	}
	slices.SortStableFunc(x.rows, func(a, b map[string]string) int {
		return cmp.Or(strings.Compare(a[columnNamespace], b[columnNamespace]),
			cmp.Compare(placeOf(a), placeOf(b)), strings.Compare(a[columnGroup], b[columnGroup]),
			strings.Compare(a[columnUser], b[columnUser]))
	})
	if err := writeRows(e.options.streams.Out, x.rows); err != nil {
		return err
	}
	for _, what := range sortedKeys(x.left) {
		e.options.say("note: not in the CSV: %s (%s)", what, counted(x.left[what], "object", "objects"))
	}
	return w.finish()
}

// placeOf puts groups before what is said of them, then users.
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
	// left counts the objects from which something is omitted.
	left map[string]int
}

func (x *exporter) leave(what string) {
	if x.left == nil {
		x.left = map[string]int{}
	}
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

// holder is the user of a row.
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
			columnNotBefore: shownInstant(m.NotBefore), columnNotAfter: shownInstant(m.NotAfter),
		})
	}
	for _, name := range spec.MemberGroups {
		x.row(recordMemberGroup, h, map[string]string{columnMemberGroup: string(name)})
	}
	x.addGrants(h, "", spec.OrganizationRole, spec.ApplicationAccess)
	x.addSystem(h, spec.SystemAccess)
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
		columnNotBefore: shownInstant(spec.NotBefore), columnNotAfter: shownInstant(spec.NotAfter),
	})
	for _, name := range spec.Groups {
		x.row(recordUserGroup, holder{ua.Namespace, string(name), string(spec.User)}, nil)
	}
	x.addGrants(h, "", spec.OrganizationRole, spec.ApplicationAccess)
	x.addSystem(h, spec.SystemAccess)
}

func (x *exporter) addGrants(
	h holder, organization string, organizationRole accessv1alpha1.RoleName, grants []accessv1alpha1.ApplicationGrant,
) {
	if organizationRole != "" {
		x.row(recordOrganizationRole, h, map[string]string{columnOrganization: organization, columnRole: string(organizationRole)})
	}
	for i := range grants {
		g := &grants[i]
		x.row(recordRole, h, map[string]string{
			columnOrganization: organization, columnApplication: string(g.Application), columnRole: string(g.Role),
			columnNotBefore: shownInstant(g.NotBefore), columnNotAfter: shownInstant(g.NotAfter),
		})
	}
}

func (x *exporter) addSystem(h holder, entries []accessv1alpha1.SystemGrant) {
	for i := range entries {
		e := &entries[i]
		if e.Role != "" {
			x.row(recordSystemRole, h, map[string]string{columnOrganization: string(e.Organization), columnRole: string(e.Role)})
		}
		x.addGrants(h, string(e.Organization), e.OrganizationRole, e.ApplicationAccess)
	}
}

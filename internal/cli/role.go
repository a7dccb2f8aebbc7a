package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// roleEdit changes the grants of groups.
type roleEdit struct {
	*writing
	target       target
	window       windowFlags
	application  string
	organization string
	role         string
}

func newSetRole(o *options) *cobra.Command {
	r := &roleEdit{}
	command := &cobra.Command{
		Use:   "set-role --application APPLICATION --role ROLE (--group GROUP | --selector SELECTOR)",
		Short: "Set the role that groups give in an application",
		Long: `Sets the role that groups give in an application, or with --application '*' in all that no other entry names. An entry
that there is gets the role, and keeps its window unless --not-before or --not-after says another one. A System group
gives roles organization by organization: say which with --organization.

The entry is written by server-side apply, as a whole, and is owned by the field manager kubectl-access from then on.
Where another manager had set it, that one is named.`,
		Example: `  # Everybody of two groups edits sales
  kubectl access set-role -g france,germany --application sales --role Editor -n analytics

  # Show what it would change, and what admission says
  kubectl access set-role -l team=finance --application sales --role Editor -n analytics --dry-run=server`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return r.run(command.Context(), r.set) },
	}
	r.addFlags(o, command)
	command.Flags().StringVar(&r.role, "role", "", "The role on the application ladder, or NoAccess")
	r.window.add(command, "the role")
	_ = command.MarkFlagRequired("role") // the flag exists, in both calls
	_ = command.RegisterFlagCompletionFunc("role", o.completeEach(completeLadder))
	return command
}

func newRemoveRole(o *options) *cobra.Command {
	r := &roleEdit{}
	command := &cobra.Command{
		Use:   "remove-role --application APPLICATION (--group GROUP | --selector SELECTOR)",
		Short: "Remove the role that groups give in an application",
		Long: `Removes the entry by which groups give a role in an application. What gives a role there otherwise stays: '*' is an
entry of its own, and organization roles mean roles in applications.

An entry that only this plugin has applied goes by server-side apply. One that others own would stay then: it is removed
by a patch of just that version of the object, and the others are named.`,
		Example: `  # Nothing in sales any more from this group
  kubectl access remove-role -g france --application sales -n analytics`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return r.run(command.Context(), r.remove) },
	}
	r.addFlags(o, command)
	return command
}

func (r *roleEdit) addFlags(o *options, command *cobra.Command) {
	r.writing = newWriting(o, command)
	r.addInPlace(command)
	r.target.addFlags(o, command)
	flags := command.Flags()
	flags.StringVarP(&r.application, "application", "a", "", "The application, or * for all that no other entry names")
	flags.StringVar(&r.organization, "organization", "", "Of System groups: the organization, or * for all that no other entry names")
	// MarkFlagRequired and RegisterFlagCompletionFunc fail only for flags that do not exist.
	_ = command.MarkFlagRequired("application")
	_ = command.RegisterFlagCompletionFunc("application", o.completeEach(completeApplication))
}

// completeLadder lists the roles of the application ladders, without permissions.
func completeLadder(w *world) []string {
	all := []string{string(accessv1alpha1.RoleNoAccess)}
	for _, organization := range w.organizations() {
		for _, role := range w.Organization(organization).Rules().ApplicationRoles {
			all = append(all, role.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *roleEdit) run(ctx context.Context, makePlan func(*basis) (*plan, error)) error {
	failures := []error{checkSelector("--application", r.application)}
	if r.organization != "" {
		failures = append(failures, checkSelector("--organization", r.organization))
	}
	if r.role != "" {
		failures = append(failures, checkRole(r.role))
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	return r.writing.run(ctx, makePlan)
}

// each plans the change for every group.
func (r *roleEdit) each(b *basis, change func(*plan, *accessv1alpha1.AccessGroup) error) (*plan, error) {
	groups, err := r.target.find(b)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	var failures []error
	for _, o := range groups {
		made := edited[*accessv1alpha1.AccessGroup](o)
		isSystem := made.Spec.Type == accessv1alpha1.GroupTypeSystem
		switch {
		case isSystem && r.organization == "":
			failures = append(failures, fmt.Errorf("%s is a System group, and gives roles organization by organization: "+
				"say which with --organization, * for all", objects.Name(made)))
		case !isSystem && r.organization != "":
			failures = append(failures, fmt.Errorf("%s is no System group, and gives roles in its own organization only: "+
				"leave out --organization", objects.Name(made)))
		default:
			failures = append(failures, change(p, made))
		}
		p.changes = append(p.changes, objects.Change{Before: o, After: made})
	}
	return p, errors.Join(failures...)
}

func (r *roleEdit) set(b *basis) (*plan, error) {
	w, err := r.window.period()
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	return r.each(b, func(_ *plan, g *accessv1alpha1.AccessGroup) error {
		if !named[g.Namespace] && r.organization == "" && r.application != accessv1alpha1.All && b.Organization(g.Namespace) != nil {
			named[g.Namespace] = true
			b.noteUnnamed(g.Namespace, r.application)
		}
		grants, at := &g.Spec.ApplicationAccess, "spec.applicationAccess"
		if r.organization != "" {
			entry := systemEntry(&g.Spec.SystemAccess, r.organization)
			grants, at = &entry.ApplicationAccess, fmt.Sprintf("spec.systemAccess[%s].applicationAccess", r.organization)
		}
		if err := setGrant(grants, r.application, r.role, w); err != nil {
			return fmt.Errorf("%s: %s[%s]: %w", objects.Name(g), at, r.application, err)
		}
		return nil
	})
}

// systemEntry returns the entry of the organization. It adds the entry if there is none.
func systemEntry(entries *[]accessv1alpha1.SystemGrant, organization string) *accessv1alpha1.SystemGrant {
	i := slices.IndexFunc(*entries, func(each accessv1alpha1.SystemGrant) bool { return string(each.Organization) == organization })
	if i < 0 {
		i = len(*entries)
		*entries = append(*entries, accessv1alpha1.SystemGrant{Organization: accessv1alpha1.OrganizationSelector(organization)})
	}
	return &(*entries)[i]
}

// setGrant sets the role in the application, and the window if one is given.
func setGrant(grants *[]accessv1alpha1.ApplicationGrant, application, role string, w *period) error {
	i := slices.IndexFunc(*grants, func(each accessv1alpha1.ApplicationGrant) bool { return string(each.Application) == application })
	made := accessv1alpha1.ApplicationGrant{Application: accessv1alpha1.ApplicationSelector(application)}
	if i >= 0 {
		made = (*grants)[i]
	}
	made.Role = accessv1alpha1.RoleName(role)
	var err error
	if made.NotBefore, made.NotAfter, err = w.over(made.NotBefore, made.NotAfter); err != nil {
		return err
	}
	if i >= 0 {
		(*grants)[i] = made
		return nil
	}
	*grants = append(*grants, made)
	return nil
}

func (r *roleEdit) remove(b *basis) (*plan, error) {
	return r.each(b, func(p *plan, g *accessv1alpha1.AccessGroup) error {
		before := len(g.Spec.ApplicationAccess)
		if r.organization == "" {
			g.Spec.ApplicationAccess = dropGrant(g.Spec.ApplicationAccess, r.application)
			if len(g.Spec.ApplicationAccess) == before {
				p.note("%s has no entry for application %s", objects.Name(g), r.application)
			}
			return nil
		}
		if !dropSystemGrant(&g.Spec.SystemAccess, r.organization, r.application) {
			p.note("%s has no entry for application %s of organization %s", objects.Name(g), r.application, r.organization)
		}
		return nil
	})
}

func dropGrant(grants []accessv1alpha1.ApplicationGrant, application string) []accessv1alpha1.ApplicationGrant {
	return slices.DeleteFunc(grants, func(each accessv1alpha1.ApplicationGrant) bool { return string(each.Application) == application })
}

// dropSystemGrant removes the role. It also removes the organization's entry if that becomes empty.
func dropSystemGrant(entries *[]accessv1alpha1.SystemGrant, organization, application string) bool {
	i := slices.IndexFunc(*entries, func(each accessv1alpha1.SystemGrant) bool { return string(each.Organization) == organization })
	if i < 0 {
		return false
	}
	entry := &(*entries)[i]
	before := len(entry.ApplicationAccess)
	entry.ApplicationAccess = dropGrant(entry.ApplicationAccess, application)
	if len(entry.ApplicationAccess) == before {
		return false
	}
	if len(entry.ApplicationAccess) == 0 {
		entry.ApplicationAccess = nil
		if entry.Role == "" && entry.OrganizationRole == "" && len(entry.ApplicationSelectors) == 0 {
			*entries = slices.Delete(*entries, i, i+1)
		}
	}
	return true
}

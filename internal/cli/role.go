package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/source"
)

// roleEdit changes the grants of groups.
type roleEdit struct {
	*writing
	target targetFlags
	window windowFlags
	role   edit.Role
}

func newSetRole(o *options) *cobra.Command {
	r := &roleEdit{}
	command := &cobra.Command{
		Use:   "set-role --application APPLICATION --role ROLE (--group GROUP | --selector SELECTOR)",
		Short: "Set the role that groups give in an application",
		Long: `Sets the role that groups give in an application. With --application '*' it sets the role in all applications that have
no entry. An existing entry gets the role, and keeps its window unless --not-before or --not-after is given. A System
group gives roles in single organizations, or in all that have no entry: --organization is required.

The whole entry is written by server-side apply and belongs to the field manager kubectl-access. If another manager set
the entry before, the command names that manager.`,
		Example: `  # Let the members of two groups edit sales
  kubectl access set-role -g france,germany --application sales --role Editor -n analytics

  # Show what it would change, and what admission says
  kubectl access set-role -l team=finance --application sales --role Editor -n analytics --dry-run=server`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return r.run(command.Context(), r.set) },
	}
	r.addFlags(o, command)
	command.Flags().StringVar(&r.role.Role, "role", "", "The role on the application ladder, or NoAccess")
	r.window.add(command, "the role")
	_ = command.MarkFlagRequired("role") // the flag exists, in both calls
	o.completeFlag(command, "role", completeLadder)
	return command
}

func newRemoveRole(o *options) *cobra.Command {
	r := &roleEdit{}
	command := &cobra.Command{
		Use:   "remove-role --application APPLICATION (--group GROUP | --selector SELECTOR)",
		Short: "Remove the role that groups give in an application",
		Long: `Removes the entry with which groups give a role in an application. Other roles of the group in that application stay:
'*' is a separate entry, and organization roles include roles in applications.

An entry that belongs only to this plugin is removed by server-side apply, which would not remove an entry that another
manager owns too. Such an entry is removed by a patch of exactly that version of the object, and the command names the
other owners.`,
		Example: `  # Remove the role of a group in sales
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
	r.target.add(o, command)
	flags := command.Flags()
	flags.StringVarP(&r.role.Application, "application", "a", "", "The application, or * for all applications without an entry")
	flags.StringVar(&r.role.Organization, "organization", "", "For System groups: the organization, or * for all organizations without an entry")
	_ = command.MarkFlagRequired("application") // the flag exists
	o.completeFlag(command, "application", completeApplication)
}

// completeLadder lists the roles of the application ladders, without permissions.
func completeLadder(w *source.World) []string {
	all := []string{string(accessv1alpha1.RoleNoAccess)}
	for _, organization := range w.Asked() {
		for _, role := range w.Organization(organization).Rules().ApplicationRoles {
			all = append(all, role.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *roleEdit) run(ctx context.Context, makePlan func(*source.World) (*edit.Plan, error)) error {
	if err := r.role.Check(); err != nil {
		return err
	}
	return r.writing.run(ctx, makePlan)
}

func (r *roleEdit) set(w *source.World) (*edit.Plan, error) {
	window, err := r.window.parse()
	if err != nil {
		return nil, err
	}
	groups, err := r.target.Find(w)
	if err != nil {
		return nil, err
	}
	r.role.Window = *window
	return r.role.Set(w, groups)
}

func (r *roleEdit) remove(w *source.World) (*edit.Plan, error) {
	groups, err := r.target.Find(w)
	if err != nil {
		return nil, err
	}
	return r.role.Remove(groups)
}

package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/source"
)

// members changes the members of groups.
type members struct {
	*writing
	target targetFlags
	window windowFlags
	users  []string
}

func newMembers(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "members",
		Short: "Change who is named in groups",
		Long:  "Changes the members that groups name, many users and many groups at once.",
	}
	command.AddCommand(newMembersAdd(o), newMembersRemove(o))
	for _, c := range command.Commands() {
		c.DisableFlagsInUseLine = true
	}
	return command
}

func newMembersAdd(o *options) *cobra.Command {
	m := &members{}
	command := &cobra.Command{
		Use:   "add USER... (--group GROUP | --selector SELECTOR)",
		Short: "Add users to groups",
		Long: `Adds users to the members of groups. Who is a member already stays one; with --not-before or --not-after the window of
the membership becomes that one.

The entries are written by server-side apply, and are owned by the field manager kubectl-access from then on. Entries of
others are left alone. A later "kubectl apply" without --server-side removes them again where its manifest lists members;
the command warns of that before it writes.`,
		Example: `  # Two users for two groups, until the end of the year
  kubectl access members add ana@acme.example ben@acme.example -g france,germany -n analytics --not-after 2027-01-01

  # The change for git
  kubectl access members add ana@acme.example -g france -f deploy/access -R --in-place`,
		Args:              arguments(1, -1, "at least one USER"),
		ValidArgsFunction: o.completeEach(completeUser),
		RunE: func(command *cobra.Command, args []string) error {
			m.users = args
			return m.run(command.Context(), m.add)
		},
	}
	m.writing = newWriting(o, command)
	m.addInPlace(command)
	m.target.add(o, command)
	m.window.add(command, "the membership")
	return command
}

func newMembersRemove(o *options) *cobra.Command {
	m := &members{}
	command := &cobra.Command{
		Use:   "remove USER... (--group GROUP | --selector SELECTOR)",
		Short: "Remove users from groups",
		Long: `Removes users from the members of groups. Who is a member by memberGroups, by memberSelector or by the groups of a
UserAccess stays one, and is told of.

An entry that only this plugin has applied goes by server-side apply. One that others own would stay then: it is removed
by a patch of just that version of the object, and the others are named.`,
		Example: `  # Out of all groups of a team
  kubectl access members remove ana@acme.example -l team=finance -n analytics`,
		Args:              arguments(1, -1, "at least one USER"),
		ValidArgsFunction: o.completeEach(completeUser),
		RunE: func(command *cobra.Command, args []string) error {
			m.users = args
			return m.run(command.Context(), m.remove)
		},
	}
	m.writing = newWriting(o, command)
	m.addInPlace(command)
	m.target.add(o, command)
	return command
}

func (m *members) run(ctx context.Context, makePlan func(*source.World) (*edit.Plan, error)) error {
	if _, err := edit.CheckUsers(m.users); err != nil {
		return err
	}
	return m.writing.run(ctx, makePlan)
}

func (m *members) add(w *source.World) (*edit.Plan, error) {
	window, err := m.window.parse()
	if err != nil {
		return nil, err
	}
	groups, err := m.target.Find(w)
	if err != nil {
		return nil, err
	}
	return edit.AddMembers(w, groups, m.users, window)
}

func (m *members) remove(w *source.World) (*edit.Plan, error) {
	groups, err := m.target.Find(w)
	if err != nil {
		return nil, err
	}
	return edit.RemoveMembers(w, groups, m.users)
}

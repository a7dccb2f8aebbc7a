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
		Short: "Change the members of groups",
		Long:  "Changes the members of groups, for many users and many groups at once.",
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
		Long: `Adds users to the members of groups. Existing members stay. With --not-before or --not-after, their membership gets the
new window.

The entries are written by server-side apply and belong to the field manager kubectl-access. Entries of other managers
do not change. A later "kubectl apply" without --server-side removes the entries again if its manifest lists members;
the command warns of that before it writes.`,
		Example: `  # Two users for two groups, until the end of the year
  kubectl access members add ana@acme.example ben@acme.example -g france,germany -n analytics --not-after 2027-01-01

  # Change the files of a checkout
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
		Long: `Removes users from the members of groups. A user who is also a member by memberGroups, by memberSelector or by the
groups of a UserAccess stays a member; the command prints a note.

An entry that belongs only to this plugin is removed by server-side apply, which would not remove an entry that another
manager owns too. Such an entry is removed by a patch of exactly that version of the object, and the command names the
other owners.`,
		Example: `  # Remove a user from all groups of a team
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

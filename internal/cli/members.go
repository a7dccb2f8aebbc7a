package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/roster"
)

// members changes the members of groups.
type members struct {
	*writing
	target target
	window windowFlags
	users  []string
}

// windowFlags are the flags for a window.
type windowFlags struct{ notBefore, notAfter string }

func (f *windowFlags) add(command *cobra.Command, what string) {
	flags := command.Flags()
	flags.StringVar(&f.notBefore, "not-before", "", "The first instant of "+what+": RFC 3339, a date for its first moment in UTC, or none")
	flags.StringVar(&f.notAfter, "not-after", "", "The first instant after "+what+": RFC 3339, a date for its first moment in UTC, or none")
}

func (f *windowFlags) period() (*period, error) {
	w := &period{}
	var failures []error
	for _, each := range []struct {
		flag, text string
		into       **metav1.Time
	}{{"--not-before", f.notBefore, &w.notBefore}, {"--not-after", f.notAfter, &w.notAfter}} {
		if each.text == "" {
			continue
		}
		t, err := parseInstant(each.text)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", each.flag, err))
		}
		*each.into = t
	}
	return w, errors.Join(failures...)
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
	m.target.addFlags(o, command)
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
	m.target.addFlags(o, command)
	return command
}

func (m *members) run(ctx context.Context, makePlan func(*basis) (*plan, error)) error {
	var failures []error
	slices.Sort(m.users)
	m.users = slices.Compact(m.users)
	for _, user := range m.users {
		failures = append(failures, checkUser(user))
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	return m.writing.run(ctx, makePlan)
}

func (m *members) add(b *basis) (*plan, error) {
	w, err := m.window.period()
	if err != nil {
		return nil, err
	}
	groups, err := m.target.find(b)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	b.noteStrangers(p, m.users, groups)
	var failures []error
	for _, o := range groups {
		made := edited[*accessv1alpha1.AccessGroup](o)
		for _, user := range m.users {
			if err := addMember(p, made, user, w); err != nil {
				failures = append(failures, err)
			}
		}
		if n := len(made.Spec.Members); n > maximumMembers {
			failures = append(failures, fmt.Errorf("%s: spec.members: it would have %d, and may have %d; put some in another group, "+
				"and name that in memberGroups", objects.Name(made), n, maximumMembers))
		}
		p.changes = append(p.changes, objects.Change{Before: o, After: made})
	}
	return p, errors.Join(failures...)
}

// addMember adds the user. If a window is given, it sets the window of an existing membership.
func addMember(p *plan, g *accessv1alpha1.AccessGroup, user string, w *period) error {
	i := slices.IndexFunc(g.Spec.Members, func(each accessv1alpha1.Member) bool { return string(each.User) == user })
	made := accessv1alpha1.Member{User: accessv1alpha1.UserName(user)}
	if i >= 0 {
		made = g.Spec.Members[i]
	}
	var err error
	if made.NotBefore, made.NotAfter, err = w.over(made.NotBefore, made.NotAfter); err != nil {
		return fmt.Errorf("%s: spec.members[%s]: %w", objects.Name(g), user, err)
	}
	switch {
	case i < 0:
		g.Spec.Members = append(g.Spec.Members, made)
	case w.notBefore != nil || w.notAfter != nil:
		g.Spec.Members[i] = made
	case made.NotBefore != nil || made.NotAfter != nil:
		p.note("%s is a member of %s already, in a window of its own (%s); --not-before and --not-after change it", user,
			objects.Name(g), shownWindow(made.NotBefore, made.NotAfter))
	}
	return nil
}

func shownWindow(notBefore, notAfter *metav1.Time) string {
	var parts []string
	if notBefore != nil {
		parts = append(parts, "from "+shownInstant(notBefore))
	}
	if notAfter != nil {
		parts = append(parts, "until "+shownInstant(notAfter))
	}
	return strings.Join(parts, " ")
}

// noteStrangers warns of unknown users with names similar to those of known ones, because a typing error gives access
// to nobody.
func (b *basis) noteStrangers(p *plan, users []string, groups []*objects.Object) {
	known := map[string]bool{}
	var names []string
	for _, organization := range b.Organizations() {
		names = append(names, b.Users(organization)...)
	}
	for _, o := range groups {
		for _, m := range o.Object.(*accessv1alpha1.AccessGroup).Spec.Members {
			names = append(names, string(m.User))
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names {
		known[name] = true
	}
	for _, user := range users {
		if known[user] {
			continue
		}
		if near := nearest(user, names); len(near) > 0 {
			p.note("nothing is known of %s so far; did you mean %s?", user, strings.Join(near, ", or "))
		}
	}
}

func (m *members) remove(b *basis) (*plan, error) {
	groups, err := m.target.find(b)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	for _, o := range groups {
		made := edited[*accessv1alpha1.AccessGroup](o)
		for _, user := range m.users {
			removeMember(b, p, made, user)
		}
		p.changes = append(p.changes, objects.Change{Before: o, After: made})
	}
	return p, nil
}

func removeMember(b *basis, p *plan, g *accessv1alpha1.AccessGroup, user string) {
	named := slices.ContainsFunc(g.Spec.Members, func(each accessv1alpha1.Member) bool { return string(each.User) == user })
	g.Spec.Members = slices.DeleteFunc(g.Spec.Members, func(each accessv1alpha1.Member) bool { return string(each.User) == user })
	if b.staysMember(g, user) {
		p.note("%s stays a member of %s by its memberGroups or memberSelector, or by spec.groups of a UserAccess", user, objects.Name(g))
		return
	}
	if named {
		return
	}
	var names []string
	for i := range g.Spec.Members {
		names = append(names, string(g.Spec.Members[i].User))
	}
	text := ""
	if near := nearest(user, names); len(near) > 0 {
		text = "; did you mean " + strings.Join(near, ", or ") + "?"
	}
	p.note("%s is not among the members of %s%s", user, objects.Name(g), text)
}

// staysMember reports whether the user remains a member of the changed group, for example through another group,
// although the group no longer names the user.
func (b *basis) staysMember(g *accessv1alpha1.AccessGroup, user string) bool {
	key := roster.Object{Kind: roster.KindAccessGroup, Namespace: g.Namespace, Name: g.Name}
	if !b.IsMember(key, user) {
		return false // a removal does not make a user a member
	}
	was, is := b.lookup(key), g
	if err := b.roster.Set(is); err != nil {
		return false
	}
	stays := b.roster.Settle(b.now).View.IsMember(key, user)
	_ = b.roster.Set(was) // it was in the roster before
	b.View = b.roster.Settle(b.now).View
	return stays
}

// lookup returns the group as it was read.
func (b *basis) lookup(key roster.Object) *accessv1alpha1.AccessGroup {
	for _, o := range groupsIn(b.set, key.Namespace) {
		if o.GetName() == key.Name {
			return o.Object.(*accessv1alpha1.AccessGroup)
		}
	}
	return nil
}

package edit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// AddMembers adds the users to the groups. It sets the window of users who are already members only if the window has a
// bound.
func AddMembers(w *source.World, groups []*objects.Object, users []string, window *Window) (*Plan, error) {
	users, err := CheckUsers(users)
	if err != nil {
		return nil, err
	}
	p := &Plan{}
	noteStrangers(w, p, users, groups)
	var failures []error
	for _, o := range groups {
		made := Edited[*accessv1alpha1.AccessGroup](o)
		for _, user := range users {
			if err := addMember(p, made, user, window); err != nil {
				failures = append(failures, err)
			}
		}
		failures = append(failures, checkSize(made)...)
		p.add(o, made)
	}
	return p, errors.Join(failures...)
}

// RemoveMembers removes the users from the members of the groups. It notes the users who stay members by another way.
func RemoveMembers(w *source.World, groups []*objects.Object, users []string) (*Plan, error) {
	users, err := CheckUsers(users)
	if err != nil {
		return nil, err
	}
	p := &Plan{}
	for _, o := range groups {
		made := Edited[*accessv1alpha1.AccessGroup](o)
		for _, user := range users {
			removeMember(w, p, made, user)
		}
		p.add(o, made)
	}
	return p, nil
}

// CheckUsers returns the users sorted and without duplicates, or an error for names that the API server would refuse.
func CheckUsers(users []string) ([]string, error) {
	users = slices.Compact(slices.Sorted(slices.Values(users)))
	var failures []error
	for _, user := range users {
		failures = append(failures, CheckUser(user))
	}
	return users, errors.Join(failures...)
}

// addMember adds the user. If a window is given, it sets the window of an existing membership.
func addMember(p *Plan, g *accessv1alpha1.AccessGroup, user string, w *Window) error {
	i := slices.IndexFunc(g.Spec.Members, func(each accessv1alpha1.Member) bool { return string(each.User) == user })
	made := accessv1alpha1.Member{User: accessv1alpha1.UserName(user)}
	if i >= 0 {
		made = g.Spec.Members[i]
	}
	var err error
	if made.NotBefore, made.NotAfter, err = w.Over(made.NotBefore, made.NotAfter); err != nil {
		return fmt.Errorf("%s: spec.members[%s]: %w", objects.Name(g), user, err)
	}
	switch {
	case i < 0:
		g.Spec.Members = append(g.Spec.Members, made)
	case w.NotBefore != nil || w.NotAfter != nil:
		g.Spec.Members[i] = made
	case made.NotBefore != nil || made.NotAfter != nil:
		p.Note("%s is a member of %s already, in a window of its own (%s); --not-before and --not-after change it", user,
			objects.Name(g), shownWindow(made.NotBefore, made.NotAfter))
	}
	return nil
}

func shownWindow(notBefore, notAfter *metav1.Time) string {
	var parts []string
	if notBefore != nil {
		parts = append(parts, "from "+InstantText(notBefore))
	}
	if notAfter != nil {
		parts = append(parts, "until "+InstantText(notAfter))
	}
	return strings.Join(parts, " ")
}

// noteStrangers warns of unknown users with names similar to those of known ones, because a typing error gives access
// to nobody.
func noteStrangers(w *source.World, p *Plan, users []string, groups []*objects.Object) {
	known := map[string]bool{}
	var names []string
	for _, organization := range w.Organizations() {
		names = append(names, w.Users(organization)...)
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
		if meant := words.Meant(validation.Nearest(user, names)); meant != "" {
			p.Note("nothing is known of %s so far; %s", user, meant)
		}
	}
}

func removeMember(w *source.World, p *Plan, g *accessv1alpha1.AccessGroup, user string) {
	named := slices.ContainsFunc(g.Spec.Members, func(each accessv1alpha1.Member) bool { return string(each.User) == user })
	g.Spec.Members = slices.DeleteFunc(g.Spec.Members, func(each accessv1alpha1.Member) bool { return string(each.User) == user })
	if staysMember(w, g, user) {
		p.Note("%s stays a member of %s by its memberGroups or memberSelector, or by spec.groups of a UserAccess", user, objects.Name(g))
		return
	}
	if named {
		return
	}
	var names []string
	for i := range g.Spec.Members {
		names = append(names, string(g.Spec.Members[i].User))
	}
	text := fmt.Sprintf("%s is not among the members of %s", user, objects.Name(g))
	if meant := words.Meant(validation.Nearest(user, names)); meant != "" {
		text += "; " + meant
	}
	p.Note("%s", text)
}

// staysMember reports whether the user remains a member of the changed group, for example through another group,
// although the group no longer names the user.
func staysMember(w *source.World, g *accessv1alpha1.AccessGroup, user string) bool {
	key := roster.ObjectOf(g)
	if !w.IsMember(key, user) {
		return false // a removal does not make a user a member
	}
	fork := w.Fork()
	return fork.Set(g) == nil && fork.Settle(w.Now()).View.IsMember(key, user)
}

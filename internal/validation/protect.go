package validation

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// protectOthers requires the verb unprotect on each protected UserAccess of the same user if the change makes
// another one count in its place, or bars the user. Several UserAccess objects of one user affect one another.
func (j *judge) protectOthers() {
	accounts := j.accountsOf()
	if len(accounts.protected) == 0 {
		return
	}
	was, is := counting(accounts.before), counting(accounts.after) // both lists contain a protected object
	for _, kept := range accounts.protected {
		switch {
		case is.Name != was.Name && is.Name != kept.Name:
			j.requireUnprotect(kept, field.NewPath("metadata", "name"),
				fmt.Sprintf("%s would count for %s in its place", roster.ObjectOf(is), is.Spec.User))
		case accounts.bars(j.request.Now):
			j.requireUnprotect(kept, j.changed.path(""),
				fmt.Sprintf("%s would bar %s, now or later", j.object(), kept.Spec.User))
		}
	}
}

func (j *judge) requireUnprotect(kept *accessv1alpha1.UserAccess, at *field.Path, what string) {
	o := roster.ObjectOf(kept)
	j.Rights = append(j.Rights, Right{
		AnyOf: objectRight(VerbUnprotect, o), Field: at,
		Reason: fmt.Sprintf("%s is protected by the label %s=%s, and %s", o, accessv1alpha1.LabelProtected,
			accessv1alpha1.ValueTrue, what),
	})
}

// userAccounts has the declared UserAccess objects of one user in one namespace, before and after a change to one
// of them.
type userAccounts struct {
	before, after []*accessv1alpha1.UserAccess
	// old and made are the object that changes. Either may be nil.
	old, made *accessv1alpha1.UserAccess
	// protected lists, by name, the other objects that are protected and not being deleted.
	protected []*accessv1alpha1.UserAccess
}

// accountsOf returns the declared UserAccess objects of the user in the request. It returns none if the request is
// about another kind.
func (j *judge) accountsOf() userAccounts {
	var a userAccounts
	a.old, _ = j.request.Old.(*accessv1alpha1.UserAccess)
	a.made, _ = j.request.New.(*accessv1alpha1.UserAccess)
	one := a.made
	if one == nil {
		one = a.old
	}
	if one == nil {
		return a
	}
	for _, other := range j.view.Index().Namespace(one.Namespace).Account(string(one.Spec.User)).All() {
		if other.Name == one.Name || roster.IsMaterialized(other) {
			continue
		}
		a.before, a.after = append(a.before, other), append(a.after, other)
		if isProtected(other) && other.DeletionTimestamp == nil {
			a.protected = append(a.protected, other)
		}
	}
	if a.old != nil && !roster.IsMaterialized(a.old) {
		a.before = append(a.before, a.old)
	}
	if a.made != nil && !roster.IsMaterialized(a.made) {
		a.after = append(a.after, a.made)
	}
	return a
}

// counting returns the object that counts for the user: the one with the smallest name (docs/kinds/useraccess.md).
// It ignores objects that are being deleted, which count only if there is no other.
func counting(declared []*accessv1alpha1.UserAccess) *accessv1alpha1.UserAccess {
	var first *accessv1alpha1.UserAccess
	for _, ua := range declared {
		if ua.DeletionTimestamp == nil && (first == nil || ua.Name < first.Name) {
			first = ua
		}
	}
	return first
}

// bars reports whether the object that changes bars the user at any instant from now on at which it did not
// before.
func (a *userAccounts) bars(now time.Time) bool {
	if a.made == nil || roster.IsMaterialized(a.made) {
		return false
	}
	was := []resolve.Window{{}}
	if a.old != nil {
		was = openWindows(a.old)
	}
	is := openWindows(a.made)
	return slices.ContainsFunc(was, func(w resolve.Window) bool {
		open, ever := intersect(w, resolve.Window{NotBefore: now})
		return ever && !covered(open, is)
	})
}

// openWindows returns the windows in which the object does not bar its user (docs/rules.md R1).
func openWindows(ua *accessv1alpha1.UserAccess) []resolve.Window {
	if ua.Spec.State == accessv1alpha1.UserStateSuspended {
		return nil
	}
	var open resolve.Window
	if ua.Spec.NotBefore != nil {
		open.NotBefore = ua.Spec.NotBefore.Time
	}
	if ua.Spec.NotAfter != nil {
		open.NotAfter = ua.Spec.NotAfter.Time
	}
	return []resolve.Window{open}
}

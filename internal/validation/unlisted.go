package validation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

const (
	notListed = " not in its spec.members: "
	takenIn   = " is named in spec.memberGroups of "
)

// IsOfUnlisted reports whether the warning lists members of a group that are not in the member list of the group.
func IsOfUnlisted(warning string) bool {
	return strings.Contains(warning, notListed) || strings.Contains(warning, takenIn)
}

// warnOfUnlisted names the users who belong to a group by other objects than the group itself, if the group is
// created or gives more. References and labels are legal before their target exists, so a name or a label may have
// been planted. A requester who gives the group more may not know of them.
func (j *judge) warnOfUnlisted(made *accessv1alpha1.AccessGroup) {
	old, _ := j.request.Old.(*accessv1alpha1.AccessGroup)
	if !givesMore(old, made, j.request.Now) || (made.Spec.Type == accessv1alpha1.GroupTypeSystem) != (made.Namespace == j.view.SystemNamespace()) {
		return
	}
	users, takenInBy := j.view.Index().Unlisted(made)
	if len(users) > 0 {
		names := make([]string, min(len(users), mostShown))
		for i := range names {
			names[i] = users[i].User + " (" + entranceOf(&users[i]) + ")"
		}
		j.warning("%s gives what it gives to %s%s%s", roster.ObjectOf(made),
			words.Counted(len(users), "user who is", "users who are"), notListed, someOf(names, len(users)))
	}
	if len(takenInBy) > 0 {
		j.warning("%s%s%s: its members have what these groups give", roster.ObjectOf(made), takenIn,
			shortList(takenInBy))
	}
}

func entranceOf(u *roster.Unlisted) string {
	switch u.By {
	case roster.ByAccount:
		return "spec.groups of the user's UserAccess"
	case roster.ByGroup:
		return "spec.memberGroups: " + u.Of
	default:
		return "spec." + string(u.By)
	}
}

// someOf joins the names, and counts those that are left out.
func someOf(names []string, all int) string {
	text := strings.Join(names, ", ")
	if more := all - len(names); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// givesMore reports whether the group is created, gains a role, a selector or privileges, or is reviewed after its
// access has ended.
func givesMore(old, made *accessv1alpha1.AccessGroup, now time.Time) bool {
	if old == nil {
		return true
	}
	_, had := missedReview(old, now)
	if _, has := missedReview(made, now); had && !has {
		return true
	}
	was, is := &old.Spec, &made.Spec
	if is.Privileges != was.Privileges && is.Privileges != accessv1alpha1.GroupPrivilegesDisabled {
		return true
	}
	if is.MemberSelector != nil && !equality.Semantic.DeepEqual(is.MemberSelector, was.MemberSelector) {
		return true
	}
	return (is.OrganizationRole != "" && is.OrganizationRole != was.OrganizationRole) ||
		hasMore(is.ApplicationAccess, was.ApplicationAccess) || hasMore(is.ApplicationSelectors, was.ApplicationSelectors) ||
		hasMore(is.SystemAccess, was.SystemAccess) || hasMore(is.SystemAccessSelectors, was.SystemAccessSelectors)
}

// hasMore reports whether any of the entries is not among the others.
func hasMore[T any](entries, others []T) bool {
	return slices.ContainsFunc(entries, func(e T) bool {
		return !slices.ContainsFunc(others, func(other T) bool { return equality.Semantic.DeepEqual(e, other) })
	})
}

package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// Answer is the answer to a question about one user and one application.
type Answer struct {
	Allowed bool
	// Reason is a sentence about the access of the user.
	Reason string
}

// Can reports whether the user has the role or a higher one, or the permission. A name that is both is a role.
func Can(w *source.World, organization, user, application, wanted string) (*Answer, error) {
	o := w.Organization(organization)
	q := resolve.Question{Application: application, Permission: wanted}
	if o.HasApplicationRole(wanted) {
		q = resolve.Question{Application: application, Role: wanted}
	} else if !o.HasPermission(wanted) {
		return nil, unknownRole(o, wanted)
	}
	d := w.Decision(organization, user)
	if d == nil {
		return &Answer{Reason: noDecision(w, organization, user)}, nil
	}
	answer := o.Can(d, q, w.Now())
	h := accessHolding(o, user, application, answer.Access)
	return &Answer{Allowed: answer.Allowed || isAnyRole(q), Reason: h.Sentence()}, nil
}

// isAnyRole reports whether the question asks for NoAccess or higher, which every user has.
func isAnyRole(q resolve.Question) bool { return q.Role == resolve.NoAccess }

// Sentence returns one sentence about the user's role and its source.
func (h *Holding) Sentence() string {
	text := fmt.Sprintf("%s is %s of %s", h.User, h.Role, h.Application)
	if !h.Gives() {
		text = fmt.Sprintf("%s has no access to %s", h.User, h.Application)
	}
	text += " in " + h.Organization + ": " + h.Rule
	if h.Source != "" {
		text += ", by " + h.Source
	}
	if h.NotAfter != nil {
		text += ", until " + h.Until()
	}
	if h.Gives() && len(h.Filters) > 0 {
		text += "; rows: " + h.Rows()
	}
	return text
}

// noDecision returns the message for an unknown user, with similar names.
func noDecision(w *source.World, organization, user string) string {
	text := fmt.Sprintf("%s has nothing in %s: no grant, no membership and no UserAccess", user, organization)
	if meant := words.Meant(validation.Nearest(user, w.Users(organization))); meant != "" {
		text += "; " + meant
	}
	return text
}

// Unnamed returns a note if nothing names the application, or else the empty string. The default access applies to such
// an application, so a typing error would go unnoticed.
func Unnamed(w *source.World, organization, application string) string {
	named := w.Applications(organization)
	if slices.Contains(named, application) {
		return ""
	}
	text := fmt.Sprintf("nothing names application %s in %s; the access to it is that to any other", application, organization)
	if names := called(w, application, []string{organization}); len(names) > 0 {
		text += "; it is the displayName of " + words.Some(names)
	} else if meant := words.Meant(validation.Nearest(application, named)); meant != "" {
		text += "; " + meant
	}
	return text
}

// Rung returns the position of a role on the application ladder, counted from the highest. NoAccess comes after
// all others.
func Rung(o *resolve.Organization, role string) int {
	ladder := o.Rules().ApplicationRoles
	i := slices.IndexFunc(ladder, func(r resolve.ApplicationRole) bool { return r.Name == role })
	if i < 0 {
		return len(ladder)
	}
	return i
}

func unknownRole(o *resolve.Organization, name string) error {
	var roles []string
	for _, r := range o.Rules().ApplicationRoles {
		roles = append(roles, r.Name)
	}
	permissions := o.Permissions(roles[0])
	text := fmt.Sprintf("%q is neither a role nor a permission of applications in %s.", name, o.Rules().Organization)
	if meant := words.Meant(validation.Nearest(name, append(slices.Clone(roles), permissions...))); meant != "" {
		text += " D" + strings.TrimPrefix(meant, "d")
	}
	return fmt.Errorf("%s Roles: %s. Permissions: %s", text, strings.Join(roles, ", "), words.Some(permissions))
}

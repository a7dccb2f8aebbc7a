package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/resolve"
)

// can answers one question with its exit code.
type can struct {
	options                   *options
	user, application, wanted string
	quiet                     bool
}

func newCan(o *options) *cobra.Command {
	c := &can{options: o}
	command := &cobra.Command{
		Use:   "can USER APPLICATION ROLE|PERMISSION",
		Short: "Say whether a user may do something",
		Long: `Says yes or no, and why on stderr.

A role is asked for as "that role or a higher one". A name that is both a role and a permission is taken for the role.

Exit code: 0 yes, 1 no, 2 error. Whether rows are visible is not asked; the reason names them.`,
		Example: `  # May amelie edit in finance?
  kubectl access can amelie@acme.example finance edit -n analytics

  # Is she an Administrator there, next year?
  kubectl access can amelie@acme.example finance Administrator -n analytics --at 2027-01-01`,
		Args:        arguments(3, 3, "USER, APPLICATION, and a ROLE or PERMISSION"),
		Annotations: map[string]string{errorCode: "true"},
		RunE: func(command *cobra.Command, args []string) error {
			c.user, c.application, c.wanted = args[0], args[1], args[2]
			return c.run(command.Context())
		},
		ValidArgsFunction: o.complete(completeUser, completeApplication, completeRole),
	}
	command.Flags().BoolVarP(&c.quiet, "quiet", "q", false, "Answer by the exit code alone")
	return command
}

func (c *can) run(ctx context.Context) error {
	w, err := c.options.load(ctx)
	if err != nil {
		return err
	}
	organization, err := w.organization()
	if err != nil {
		return err
	}
	o := w.Organization(organization)
	question := resolve.Question{Application: c.application, Permission: c.wanted}
	if o.HasApplicationRole(c.wanted) {
		question = resolve.Question{Application: c.application, Role: c.wanted}
	} else if !o.HasPermission(c.wanted) {
		return unknownRole(o, c.wanted)
	}
	// A missing object could change the answer in either direction.
	if err := w.finish(); err != nil {
		return err
	}
	w.noteUnnamed(organization, c.application)
	d := w.Decision(organization, c.user)
	if d == nil {
		return c.answer(false, noDecision(w, organization, c.user))
	}
	answer := o.Can(d, question, w.now)
	h := accessHolding(o, c.user, c.application, answer.Access)
	return c.answer(answer.Allowed || isAnyRole(question), reason(&h))
}

// isAnyRole reports whether the question asks for NoAccess or higher, which every user has.
func isAnyRole(q resolve.Question) bool { return q.Role == resolve.NoAccess }

func (c *can) answer(allowed bool, reason string) error {
	answer := "no"
	if allowed {
		answer = "yes"
	}
	if !c.quiet {
		if _, err := fmt.Fprintln(c.options.streams.Out, answer); err != nil {
			return &exit{2, err}
		}
		c.options.say("%s", reason)
	}
	if allowed {
		return nil
	}
	return &exit{code: 1}
}

// reason returns one sentence about the user's role and its source.
func reason(h *holding) string {
	text := fmt.Sprintf("%s is %s of %s", h.User, h.Role, h.Application)
	if !h.gives() {
		text = fmt.Sprintf("%s has no access to %s", h.User, h.Application)
	}
	text += " in " + h.Organization + ": " + h.Rule
	if h.Source != "" {
		text += ", by " + h.Source
	}
	if h.NotAfter != nil {
		text += ", until " + h.until()
	}
	if h.gives() && len(h.Filters) > 0 {
		text += "; rows: " + h.rows()
	}
	return text
}

// noDecision returns the message for an unknown user, with similar names.
func noDecision(w *world, organization, user string) string {
	text := fmt.Sprintf("%s has nothing in %s: no grant, no membership and no UserAccess", user, organization)
	if near := nearest(user, w.Users(organization)); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, ", or ") + "?"
	}
	return text
}

// noteUnnamed prints a note if nothing names the application. The default access applies to it, so a typing error
// would go unnoticed.
func (w *world) noteUnnamed(organization, application string) {
	named := w.Applications(organization)
	if slices.Contains(named, application) {
		return
	}
	text := fmt.Sprintf("nothing names application %s in %s; the access to it is that to any other", application, organization)
	if names := w.called(application, []string{organization}); len(names) > 0 {
		text += "; it is the displayName of " + some(names)
	} else if near := nearest(application, named); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, ", or ") + "?"
	}
	w.options.say("note: %s", text)
}

// rungOf returns the position of a role on the application ladder, counted from the highest. NoAccess comes after
// all others.
func rungOf(o *resolve.Organization, role string) int {
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
	text := fmt.Sprintf("%q is no role and no permission of applications in %s.", name, o.Rules().Organization)
	if near := nearest(name, append(slices.Clone(roles), permissions...)); len(near) > 0 {
		text += " Did you mean " + strings.Join(near, ", or ") + "?"
	}
	return fmt.Errorf("%s Roles: %s. Permissions: %s", text, strings.Join(roles, ", "), some(permissions))
}

package query

import (
	"errors"
	"time"

	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
)

// WhoCan asks who has the role or a higher one in the application, or the permission. Without either, it asks who has any
// access.
type WhoCan struct{ Application, Role, Permission string }

// Find returns the holdings of the users in the organizations of the scope. Without a scope, it asks only in the
// organizations that name the application.
func (c *WhoCan) Find(w *source.World) ([]Holding, error) {
	organizations := w.Asked()
	if w.Scope == "" {
		organizations = Naming(w, organizations, []string{c.Application})
		if all := w.Organizations(); len(organizations) == 0 && len(all) > 0 {
			return nil, UnknownApplication(w, c.Application, all)
		}
	}
	held := []Holding{}
	var unknown []error
	for _, organization := range organizations {
		o := w.Organization(organization)
		if err := c.check(o); err != nil {
			unknown = append(unknown, err)
			continue
		}
		for _, user := range w.Users(organization) {
			d := w.Decision(organization, user)
			if c.matches(o, d, w.Now()) {
				held = append(held, accessHolding(o, user, c.Application, d.Application(c.Application)))
			}
		}
	}
	if len(unknown) > 0 && len(unknown) == len(organizations) {
		return nil, errors.Join(unknown...)
	}
	return held, nil
}

// check returns an error if the organization does not know the role or permission.
func (c *WhoCan) check(o *resolve.Organization) error {
	if c.Role != "" && !o.HasApplicationRole(c.Role) {
		return unknownRole(o, c.Role)
	}
	if c.Permission != "" && !o.HasPermission(c.Permission) {
		return unknownRole(o, c.Permission)
	}
	return nil
}

// matches reports whether the user has the role or permission at the instant t. Without either, any access matches.
func (c *WhoCan) matches(o *resolve.Organization, d *resolve.Decision, t time.Time) bool {
	if c.Role == "" && c.Permission == "" {
		return d.Application(c.Application).GivesAccess()
	}
	q := resolve.Question{Application: c.Application, Permission: c.Permission, Role: c.Role}
	return o.Can(d, q, t).Allowed || isAnyRole(q)
}

package validation

import (
	"fmt"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// release requires the rights to the roles and rows that a restriction withholds from the user, if the change ends
// or weakens the restriction. It judges each restriction by itself: two concurrent requests that each keep the
// restriction of the other must not lift both (docs/admission.md, restrictions).
func (j *judge) release(u *preview.Affected, c *courses, now time.Time) {
	before, after := u.Before.Claims(), u.After.Claims()
	releases := u.Before.Rules.Released(before, after, c.was, now)
	everywhere := map[string][]string{}
	for i := range releases {
		if r := &releases[i]; r.Application == resolve.AnyApplication {
			everywhere[r.Role] = append(everywhere[r.Role], r.Sources...)
		}
	}
	for i := range releases {
		r := &releases[i]
		for _, source := range r.Sources {
			// The right to the role in every application includes this one.
			if r.Application != resolve.AnyApplication && r.Application != "" && slices.Contains(everywhere[r.Role], source) {
				continue
			}
			j.requireReleased(u, r, source, now)
		}
	}
}

func (j *judge) requireReleased(u *preview.Affected, r *resolve.Release, source string, now time.Time) {
	organization := rulesOf(u).Rules().Organization
	resource := ResourceApplicationRoles
	if r.Application == "" {
		resource = ResourceOrganizationRoles
	}
	n := need{resource, organization, r.Application, r.Role, source}
	j.requireEffective(u, n, func() string {
		return fmt.Sprintf("%s would no longer keep %s from %s%s, which %s gives: whatever else restricts %s may end at the same time",
			r.Source, u.User, n.describe(), since(r.At, now), source, u.User)
	})
}

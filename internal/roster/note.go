package roster

import (
	"slices"

	"github.com/usher-dev/usher/internal/resolve"
)

// noteEntry updates the list of organizations that the user can enter.
func (s *settlement) noteEntry(organization, user string, before, after *resolve.Decision) {
	was, is := before != nil && before.Enters, after != nil && after.Enters
	if was == is {
		return
	}
	entered := slices.Clone(s.entered.Get(user))
	at, _ := slices.BinarySearch(entered, organization)
	if is {
		entered = slices.Insert(entered, at, organization)
	} else {
		entered = slices.Delete(entered, at, at+1)
	}
	if len(entered) == 0 {
		s.entered.Delete(user)
	} else {
		s.entered.Set(user, entered)
	}
}

// noteConflicts updates, for each source, the number of conflicts that involve it.
func (s *settlement) noteConflicts(organization, user string, before, after *resolve.Decision) {
	var was, is []resolve.Conflict
	if before != nil {
		was = before.Conflicts
	}
	if after != nil {
		is = after.Conflicts
	}
	if slices.EqualFunc(was, is, resolve.Conflict.Equal) {
		return
	}
	s.conflictTotal += len(is) - len(was)
	for i := range was {
		s.countConflict(organization, user, &was[i], -1)
	}
	for i := range is {
		s.countConflict(organization, user, &is[i], +1)
	}
}

func (s *settlement) countConflict(organization, user string, c *resolve.Conflict, by int) {
	last := ""
	for _, g := range c.Grants { // sorted by source
		if g.Source == last {
			continue
		}
		last = g.Source
		of, _ := s.conflicts.Get(conflicts{source: last, organization: organization, user: user})
		of = conflicts{last, organization, user, of.count + by}
		if of.count == 0 {
			s.conflicts.Delete(of)
		} else {
			s.conflicts.Set(of)
		}
		if o, ok := ParseObject(last); ok {
			s.touched.Objects.Add(o)
		}
	}
}

// holdsTop reports whether the decision gives the top organization role.
func holdsTop(o *organization, d *resolve.Decision) bool {
	return d != nil && o.rules != nil && d.OrganizationRole.Role == o.rules.Rules().OrganizationRoles[0].Name
}

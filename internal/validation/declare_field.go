package validation

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// fieldOf returns the field of the object that declares the grant.
func (d *declarer) fieldOf(u *preview.Affected, g grant, s *resolve.Source) *field.Path {
	spec := field.NewPath("spec")
	if s.Name != d.object.String() ||
		d.changed.only("members", "memberGroups", "memberSelector", "groups", "review", "reviewedAt") {
		return d.changed.path(u.User)
	}
	applications := s.Applications
	if s.Origin == resolve.SystemGroup || s.Origin == resolve.IndividualAtSystem {
		entry := d.entryOf(g, s)
		if entry == nil {
			return d.changed.path(u.User)
		}
		applications = entry.Applications
		if entry.Selector == nil {
			spec = spec.Child("systemAccess").Key(entry.Organization)
		} else {
			spec = spec.Child("systemAccessSelectors").Index(placeAmongSelectors(s.System, func(e *resolve.SystemGrant) (bool, bool) {
				return e.Selector != nil, e == entry
			}))
		}
	}
	switch {
	case g.resource == ResourceSystemRoles:
		return spec.Child("role")
	case g.resource == ResourceOrganizationRoles:
		return spec.Child("organizationRole")
	case g.applications == "":
		return spec.Child("applicationAccess").Key(g.application).Child("role")
	default:
		return spec.Child("applicationSelectors").Index(placeAmongSelectors(applications, func(a *resolve.ApplicationGrant) (bool, bool) {
			text, _ := d.selections.textOf(a.Selector)
			return a.Selector != nil, text == g.applications && a.Role == g.role
		})).Child("role")
	}
}

// entryOf returns the entry of a source in the system namespace that declares the grant, or nil if there is none.
func (d *declarer) entryOf(g grant, s *resolve.Source) *resolve.SystemGrant {
	if g.organization != resolve.AnyApplication {
		if entries := s.Entries(d.placeOf(g.organization)); len(entries) > 0 {
			return entries[0]
		}
		return nil
	}
	at := slices.IndexFunc(s.System, func(e resolve.SystemGrant) bool {
		text, _ := d.selections.textOf(e.Selector)
		return text == g.organizations && (e.Selector != nil || e.Organization == resolve.AnyApplication)
	})
	if at < 0 {
		return nil
	}
	return &s.System[at]
}

// placeAmongSelectors returns the index of the first match among the entries with a selector. In a source, these
// entries follow the others and keep the order of the object.
func placeAmongSelectors[T any](entries []T, is func(*T) (bySelector, found bool)) int {
	count := 0
	for i := range entries {
		bySelector, found := is(&entries[i])
		if bySelector && found {
			return count
		}
		if bySelector {
			count++
		}
	}
	return 0
}

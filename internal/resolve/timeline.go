package resolve

import (
	"slices"
	"time"
)

// At decides like [Organization.Resolve] for one instant, without the ends of the entries: NotAfter,
// EntersNotAfter and Next stay zero.
func (o *Organization) At(u *User, t time.Time) Decision {
	at := o.resolveAt(u, t)
	return Decision{
		Exists:           at.held || u.Declared,
		Held:             at.held,
		OrganizationRole: at.organization,
		Default:          at.fallback,
		Applications:     at.applications,
		HiddenRows:       at.hiddenRows,
		Conflicts:        at.conflicts,
		Exclusions:       at.exclusions,
		Enters:           at.enters(),
	}
}

// Above reports whether the role is higher than the other role on the same ladder.
func (o *Outcome) Above(other *Outcome) bool { return o.rung < other.rung }

// IsTop reports whether the role is the highest of its ladder.
func (o *Outcome) IsTop() bool { return o.rung == 0 }

// Identical reports whether two equal decisions also agree in what readers do not see: the rungs of their roles,
// which differ if the ladder has changed around them, and which ends were cut off or are unfinished.
func (d *Decision) Identical(e *Decision) bool {
	same := func(a, b *Outcome) bool { return a.rung == b.rung && a.cut == b.cut && a.unfinished == b.unfinished }
	return same(&d.OrganizationRole, &e.OrganizationRole) && same(&d.Default.Outcome, &e.Default.Outcome) &&
		d.entersCut == e.entersCut && d.entersUnfinished == e.entersUnfinished &&
		slices.EqualFunc(d.Applications, e.Applications, func(a, b *ApplicationAccess) bool {
			return same(&a.Outcome, &b.Outcome)
		})
}

// IsCutOff reports whether NotAfter is earlier than necessary, because too many instants affect the entry
// (docs/documents.md, notAfter).
func (o *Outcome) IsCutOff() bool { return o.cut }

// EachApplication calls yield for every application that either decision lists, by name, with the access before
// and after. It walks both lists once, because thousands of users may have a hundred applications each.
func EachApplication(before, after *Decision, yield func(name string, before, after *Access)) {
	was, is := before.Applications, after.Applications
	for len(was)+len(is) > 0 {
		switch {
		case len(was) > 0 && len(is) > 0 && was[0] == is[0]:
			yield(was[0].Application, &was[0].Access, &is[0].Access)
			was, is = was[1:], is[1:]
		case len(is) == 0 || (len(was) > 0 && was[0].Application < is[0].Application):
			yield(was[0].Application, &was[0].Access, &after.Default)
			was = was[1:]
		case len(was) == 0 || is[0].Application < was[0].Application:
			yield(is[0].Application, &before.Default, &is[0].Access)
			is = is[1:]
		default:
			yield(was[0].Application, &was[0].Access, &is[0].Access)
			was, is = was[1:], is[1:]
		}
	}
}

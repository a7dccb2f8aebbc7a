package resolve

import "slices"

// releaseExclusive adds the releases of rules of exclusive access that may no longer take a role, because a grant
// in another application of the rule ends or something restricts the role there.
func (r *releasing) releaseExclusive() {
	for i := range r.o.exclusive {
		rule := &r.o.exclusive[i]
		for _, l := range r.difference.unheld(rule.minimum, r.o) {
			if l.restriction == RestrictionGroup && !r.hasIndividual() || l.restriction == RestrictionPrecede && !r.hasHidden() {
				continue
			}
			l.restriction, l.minimum = RestrictionExclusive, rule.minimum
			r.releaseOthers(rule, &l)
		}
	}
}

// releaseOthers adds the releases in the other applications of the rule: the user may no longer hold the role in
// the application that l loosens.
func (r *releasing) releaseOthers(rule *exclusiveRule, l *loosened) {
	for _, other := range rule.Applications {
		if l.tier == tierSpecific && l.application != other || !r.holds(other, rule.minimum, l.spans) {
			continue
		}
		for _, application := range rule.Applications {
			if application != other {
				r.releaseIn(application, l)
			}
		}
	}
}

// holds reports whether a grant declares the rung or a higher one in the application at one of the instants.
func (r *releasing) holds(application string, minimum rung, when spans) bool {
	return slices.ContainsFunc(r.of(application), func(s stake) bool {
		return s.rung <= minimum && len(s.spans.and(when)) > 0
	})
}

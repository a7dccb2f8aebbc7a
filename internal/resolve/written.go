package resolve

import "iter"

// Written is one role as a source declares it, independent of current labels.
type Written struct {
	Given
	// Organizations and Applications are the selectors that choose where the role is given. Nil means that the entry
	// names the target.
	Organizations, Applications Selector
}

// WrittenIn yields the roles that the source gives in the organization. A selector of applications counts as one
// role in [AnyApplication], whatever it selects. Like [Source.Grants], WrittenIn ignores privileges, deletion and
// ladders.
func (s *Source) WrittenIn(at *Place) iter.Seq[Written] {
	return func(yield func(Written) bool) {
		if !s.isAtSystem() {
			s.written(&SystemGrant{OrganizationRole: s.OrganizationRole, Applications: s.Applications}, yield)
			return
		}
		for _, e := range s.Entries(at) {
			if !s.written(e, yield) {
				return
			}
		}
	}
}

// WrittenForMany yields the roles that a source of the system namespace gives in organizations that no entry
// names: those of the entry for all organizations, and of each entry with a selector.
func (s *Source) WrittenForMany() iter.Seq[Written] {
	return func(yield func(Written) bool) {
		for i := range s.System {
			if e := &s.System[i]; (e.Selector != nil || e.Organization == AnyApplication) && !s.written(e, yield) {
				return
			}
		}
	}
}

// written yields the roles of one entry. It returns false if yield returned false.
func (s *Source) written(e *SystemGrant, yield func(Written) bool) bool {
	var applications Selector
	once := func(selector Selector) iter.Seq[string] {
		return func(yield func(string) bool) {
			applications = selector
			yield(AnyApplication)
			applications = nil
		}
	}
	for g := range s.living(func(yield func(Given) bool) { e.grants(0, once, yield) }) {
		if !yield(Written{Given: g, Organizations: e.Selector, Applications: applications}) {
			return false
		}
	}
	return true
}

package validation

import (
	"maps"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// withAttributes returns the user as if nothing hid the attributes that the change sets. Another UserAccess of the
// user in the namespace may hide them, or a UserAccess in the organization that has the same attributes, and
// either may end at the same time. It returns nil if nothing hides the attributes.
func (j *judge) withAttributes(u *preview.Affected, now time.Time) *preview.Affected {
	made, ok := j.request.New.(*accessv1alpha1.UserAccess)
	if !ok || string(made.Spec.User) != u.User || roster.IsMaterialized(made) {
		return nil
	}
	is := roster.AttributesOf(made)
	var was resolve.Attributes
	if old, ok := j.request.Old.(*accessv1alpha1.UserAccess); ok && old != nil {
		was = roster.AttributesOf(old)
	}
	maps.DeleteFunc(is, func(name string, values []string) bool { return slices.Equal(values, was[name]) })
	maps.DeleteFunc(was, func(name string, _ []string) bool { return is[name] == nil })
	shown := *u
	before, after := showAttributes(&shown.Before, was, now), showAttributes(&shown.After, is, now)
	if !before && !after {
		return nil
	}
	return &shown
}

// showAttributes gives the user these attributes, whatever hides them. It reports whether the user did not have
// all of them.
func showAttributes(s *preview.State, attributes resolve.Attributes, now time.Time) bool {
	hidden := false
	for name, values := range attributes {
		hidden = hidden || !slices.Equal(resolve.ValuesOf(s.Own, s.AtSystem, name), values)
	}
	if !hidden {
		return false
	}
	s.Own = maps.Clone(s.Own)
	if s.Own == nil {
		s.Own = resolve.Attributes{}
	}
	maps.Copy(s.Own, attributes)
	s.User.Holdings = slices.Clone(s.User.Holdings)
	for i := range s.User.Holdings {
		h := &s.User.Holdings[i]
		h.Source = h.Source.For(s.Own, s.AtSystem)
	}
	d := s.Rules.At(&s.User, now)
	s.Decision = &d
	return true
}

package validation

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// moment is how a user stands from an instant on, before and after the change.
type moment struct {
	at            time.Time
	before, after *resolve.Decision
}

// eachMoment calls yield for now, and for every later instant at which a window that bears on the user opens or closes.
// Between them nothing differs. A user of whom there is nothing to decide has no access.
func eachMoment(u *roster.Tried, now time.Time, yield func(m *moment)) {
	if u.Before.Rules == nil && u.After.Rules == nil {
		return
	}
	yield(&moment{now, decided(&u.Before, &u.After), decided(&u.After, &u.Before)})
	instants := append(resolve.Transitions(&u.Before.User, now), resolve.Transitions(&u.After.User, now)...)
	slices.SortFunc(instants, time.Time.Compare)
	for _, t := range slices.CompactFunc(instants, time.Time.Equal) {
		yield(&moment{t, at(&u.Before, &u.After, t), at(&u.After, &u.Before, t)})
	}
}

// decided is the decision of now. Where there is none, nothing is given on the ladders of either side.
func decided(s, other *roster.Standing) *resolve.Decision {
	if s.Decision != nil {
		return s.Decision
	}
	return nothing(s, other)
}

func at(s, other *roster.Standing, t time.Time) *resolve.Decision {
	if s.Rules == nil {
		return nothing(s, other)
	}
	d := s.Rules.At(&s.User, t)
	return &d
}

func nothing(s, other *roster.Standing) *resolve.Decision {
	rules := s.Rules
	if rules == nil {
		rules = other.Rules
	}
	d := rules.At(&resolve.User{}, time.Time{})
	return &d
}

// applications calls yield, by name, for every application of which either decision says something of its own, with the
// access before and after. It walks both lists once: there may be a hundred applications for each of thousands of users.
func (m *moment) applications(yield func(name string, before, after *resolve.Access)) {
	was, is := m.before.Applications, m.after.Applications
	for len(was)+len(is) > 0 {
		switch {
		case len(is) == 0 || (len(was) > 0 && was[0].Application < is[0].Application):
			yield(was[0].Application, &was[0].Access, &m.after.Default)
			was = was[1:]
		case len(was) == 0 || is[0].Application < was[0].Application:
			yield(is[0].Application, &m.before.Default, &is[0].Access)
			is = is[1:]
		default:
			yield(was[0].Application, &was[0].Access, &is[0].Access)
			was, is = was[1:], is[1:]
		}
	}
}

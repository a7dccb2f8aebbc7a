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

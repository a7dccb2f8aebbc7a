package validation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// checkAdministrators looks for organizations in which, now or when a window opens or closes, nobody would hold the top
// organization role any more where somebody did (docs/admission.md, last administrator).
func (j *judge) checkAdministrators(trial *roster.Trial) {
	tried := map[string][]*roster.Tried{}
	for i := range trial.Users {
		if u := &trial.Users[i]; u.User != "" && trial.Organizations[u.Namespace] != nil {
			tried[u.Namespace] = append(tried[u.Namespace], u)
		}
	}
	for _, organization := range slices.Sorted(maps.Keys(tried)) {
		o := trial.Organizations[organization]
		if mode := checks(o); mode != accessv1alpha1.CrossObjectChecksIgnore {
			j.checkAdministratorsOf(trial, o, tried[organization], mode == accessv1alpha1.CrossObjectChecksDeny)
		}
	}
}

// watch is how long, from an instant on, somebody holds the top role before and after the change.
type watch struct {
	at            time.Time
	before, after bool
}

func (j *judge) checkAdministratorsOf(trial *roster.Trial, o *roster.TriedOrganization, users []*roster.Tried, deny bool) {
	watches := map[string][]watch{}
	var losses []time.Time
	last := map[time.Time]string{}
	for _, u := range users {
		var own []watch
		concerned := false
		eachMoment(u, trial.Now, func(m *moment) bool {
			w := watch{m.at, m.before.OrganizationRole.IsTop(), o.After != nil && m.after.OrganizationRole.IsTop()}
			own, concerned = append(own, w), concerned || w.before || w.after
			if w.before && !w.after {
				losses = append(losses, m.at)
				last[m.at] = u.User
			}
			return true
		})
		if concerned {
			watches[u.User] = own
		}
	}
	slices.SortFunc(losses, time.Time.Compare)
	for _, t := range slices.CompactFunc(losses, time.Time.Equal) {
		if holdsAt(watches, t) || j.othersHold(o, users, t) {
			continue
		}
		j.noteLastAdministrator(trial, o, last[t], t, deny)
		return
	}
}

// holdsAt says whether any of the users would hold the top role at the instant.
func holdsAt(watches map[string][]watch, t time.Time) bool {
	for _, own := range watches {
		holds := false
		for _, w := range own {
			if !w.at.After(t) {
				holds = w.after
			}
		}
		if holds {
			return true
		}
	}
	return false
}

func (j *judge) othersHold(o *roster.TriedOrganization, users []*roster.Tried, t time.Time) bool {
	if o.After == nil {
		return false
	}
	tried := make(map[string]struct{}, len(users))
	for _, u := range users {
		tried[u.User] = struct{}{}
	}
	return j.Roster.HasAdministrator(users[0].Namespace, t, func(user string) bool {
		_, is := tried[user]
		return is
	})
}

func (j *judge) noteLastAdministrator(
	trial *roster.Trial, o *roster.TriedOrganization, user string, t time.Time, deny bool,
) {
	rules := o.Before.Rules()
	j.shown.note("administrator "+rules.Organization, deny, j.changed.path(user), func() string {
		return fmt.Sprintf("organization %s would have nobody with its top organization role %s%s: %s is the last who holds it. "+
			"Give the role to somebody else first", rules.Organization, topRole(rules), since(t, trial.Now), user)
	})
}

func topRole(rules *resolve.Rules) string { return rules.OrganizationRoles[0].Name }

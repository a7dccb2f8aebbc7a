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

// watch says whether somebody holds the top role from an instant on, before and after the change.
type watch struct {
	at            time.Time
	before, after bool
}

func (j *judge) checkAdministratorsOf(trial *roster.Trial, o *roster.TriedOrganization, users []*roster.Tried, deny bool) {
	watches := map[string][]watch{}
	last := map[time.Time]string{} // who held it at the instant
	var instants []time.Time
	for _, u := range users {
		var own []watch
		concerned := false
		eachMoment(u, trial.Now, func(m *moment) bool {
			w := watch{m.at, m.before.OrganizationRole.IsTop(), o.After != nil && m.after.OrganizationRole.IsTop()}
			own, concerned = append(own, w), concerned || w.before || w.after
			if w.before && !w.after {
				last[m.at] = u.User
			}
			return true
		})
		if !concerned {
			continue
		}
		watches[u.User] = own
		for i := range own {
			instants = append(instants, own[i].at)
		}
	}
	slices.SortFunc(instants, time.Time.Compare)
	instants = slices.CompactFunc(instants, time.Time.Equal)
	user := ""
	for i, t := range instants {
		if name, is := last[t]; is {
			user = name
		}
		if before, after := heldAt(watches, t); !before || after {
			continue
		}
		at, ever := j.othersEnd(o, users, t)
		if ever && (i+1 == len(instants) || at.Before(instants[i+1])) {
			j.noteLastAdministrator(trial, o, user, at, deny)
			return
		}
	}
}

// heldAt says whether any of the users holds the top role at the instant, before and after the change.
func heldAt(watches map[string][]watch, t time.Time) (before, after bool) {
	for _, own := range watches {
		at, exact := slices.BinarySearchFunc(own, t, func(w watch, t time.Time) int { return w.at.Compare(t) })
		if !exact {
			at--
		}
		if at >= 0 {
			before, after = before || own[at].before, after || own[at].after
		}
	}
	return before, after
}

// othersEnd returns from when on nobody holds the top role whom the change does not touch; false where there always is
// somebody.
func (j *judge) othersEnd(o *roster.TriedOrganization, users []*roster.Tried, t time.Time) (time.Time, bool) {
	if o.After == nil {
		return t, true
	}
	tried := make(map[string]struct{}, len(users))
	for _, u := range users {
		tried[u.User] = struct{}{}
	}
	return j.Roster.WithoutAdministrator(users[0].Namespace, t, func(user string) bool {
		_, is := tried[user]
		return is
	})
}

func (j *judge) noteLastAdministrator(
	trial *roster.Trial, o *roster.TriedOrganization, user string, t time.Time, deny bool,
) {
	rules := o.Before.Rules()
	j.shown.note(subject{what: "administrator", organization: rules.Organization}, deny, j.changed.path(user), func() string {
		return fmt.Sprintf("organization %s would have nobody with its top organization role %s%s: %s is the last who holds it. "+
			"Give the role to somebody else first", rules.Organization, topRole(rules), since(t, trial.Now), user)
	})
}

func topRole(rules *resolve.Rules) string { return rules.OrganizationRoles[0].Name }

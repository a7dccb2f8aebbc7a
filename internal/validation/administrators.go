package validation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// administrators follows who holds the top organization role in one organization, among the users whom the change
// touches.
type administrators struct {
	tried    map[string]struct{}
	watches  map[string][]watch
	last     map[time.Time]string // the user who loses the role at the instant
	instants []time.Time
}

// watch records whether a user holds the top role from an instant on, before and after the change.
type watch struct {
	at            time.Time
	before, after bool
}

// watchers maps an organization to its administrators.
type watchers map[string]*administrators

func (w watchers) note(trial *preview.Preview, u *preview.Affected, m *moment) {
	o := trial.Organizations[u.Namespace]
	if o == nil || checks(o) == accessv1alpha1.CrossObjectChecksIgnore {
		return
	}
	a := w[u.Namespace]
	if a == nil {
		a = &administrators{tried: map[string]struct{}{}, watches: map[string][]watch{}, last: map[time.Time]string{}}
		w[u.Namespace] = a
	}
	a.tried[u.User] = struct{}{}
	is := watch{m.at, o.Was && m.before.OrganizationRole.IsTop(), o.After != nil && m.after.OrganizationRole.IsTop()}
	own := a.watches[u.User]
	last := watch{}
	if len(own) > 0 {
		last = own[len(own)-1]
	}
	if is.before == last.before && is.after == last.after {
		return
	}
	a.watches[u.User] = append(own, is)
	a.instants = append(a.instants, m.at)
	if is.before && !is.after {
		a.last[m.at] = u.User
	}
}

// checkAdministrators notes the organizations that would lose their last user with the top organization role, now
// or when a window opens or closes (docs/admission.md, last administrator).
func (j *judge) checkAdministrators(trial *preview.Preview, w watchers) {
	for _, organization := range slices.Sorted(maps.Keys(w)) {
		j.checkAdministratorsOf(trial, trial.Organizations[organization], w[organization])
	}
}

func (j *judge) checkAdministratorsOf(trial *preview.Preview, o *preview.Organization, a *administrators) {
	slices.SortFunc(a.instants, time.Time.Compare)
	instants := slices.CompactFunc(a.instants, time.Time.Equal)
	user := ""
	for i, t := range instants {
		if name, is := a.last[t]; is {
			user = name
		}
		if before, after := heldAt(a.watches, t); !before || after {
			continue
		}
		at, ever := j.othersEnd(o, a, t)
		if ever && (i+1 == len(instants) || at.Before(instants[i+1])) {
			j.noteLastAdministrator(trial, o, user, at)
			return
		}
	}
}

// heldAt reports whether any of the users holds the top role at the instant, before and after the change.
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

// othersEnd returns the instant, from t on, at which no user outside the change holds the top role any more. It
// returns false if there always is such a user.
func (j *judge) othersEnd(o *preview.Organization, a *administrators, t time.Time) (time.Time, bool) {
	if o.After == nil {
		return t, true
	}
	return j.view.WithoutAdministrator(o.Before.Rules().Organization, t, func(user string) bool {
		_, is := a.tried[user]
		return is
	})
}

func (j *judge) noteLastAdministrator(trial *preview.Preview, o *preview.Organization, user string, t time.Time) {
	rules := o.Before.Rules()
	deny := checks(o) == accessv1alpha1.CrossObjectChecksDeny
	j.shown.note(subject{what: "administrator", organization: rules.Organization}, deny, j.changed.path(user), func() string {
		return fmt.Sprintf("organization %s would have nobody with its top organization role %s%s: %s is the last who holds it. "+
			"Give the role to somebody else first", rules.Organization, topRole(rules), since(t, trial.Now), user)
	})
}

func topRole(rules *resolve.Rules) string { return rules.OrganizationRoles[0].Name }

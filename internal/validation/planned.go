package validation

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// planWindow is the period from now on in which an end of access counts as a loss.
const planWindow = 24 * time.Hour

// mostPlanned bounds the instants at which the end of access is checked for one user. If there are more, every
// fall of a role within planWindow counts as the end of the access.
const mostPlanned = 64

// plans lists the users who lose all access to an application within planWindow if the objects stay as they are,
// by application.
type plans map[string]map[string]struct{}

// plans returns the users who lose all access to each of the applications within planWindow, given the objects
// after the change.
func (b *brake) plans(applications []string) plans {
	found := plans{}
	touched := map[string]struct{}{}
	for i := range b.trial.Users {
		u := &b.trial.Users[i]
		if u.Namespace != b.organization || u.User == "" {
			continue
		}
		touched[u.User] = struct{}{}
		if u.Before.Decision != nil && u.After.Rules != nil {
			b.plan(found, applications, &roster.Ending{
				User: u.User, Decision: u.Before.Decision, Rules: u.After.Rules, Holder: u.After.User,
			})
		}
	}
	for _, e := range b.view.Ending(b.organization, b.trial.Now.Add(planWindow)) {
		if _, again := touched[e.User]; !again {
			b.plan(found, applications, &e)
		}
	}
	return found
}

// plan records the applications that the user has access to by the decision and loses within planWindow.
func (b *brake) plan(found plans, applications []string, e *roster.Ending) {
	by := b.trial.Now.Add(planWindow)
	instants := resolve.Transitions(&e.Holder, b.trial.Now)
	if later := slices.IndexFunc(instants, func(t time.Time) bool { return t.After(by) }); later >= 0 {
		instants = instants[:later]
	}
	if len(instants) > mostPlanned {
		d := e.Rules.Resolve(&e.Holder, b.trial.Now)
		for _, application := range applications {
			end := d.Application(application).NotAfter
			if b.rows.seesAny(e.Decision.Application(application)) && !end.IsZero() && !end.After(by) {
				found.note(application, e.User)
			}
		}
		return
	}
	for _, t := range instants {
		d := e.Rules.At(&e.Holder, t)
		for _, application := range applications {
			if b.rows.losesAll(e.Decision.Application(application), d.Application(application)) {
				found.note(application, e.User)
			}
		}
	}
}

func (p plans) note(application, user string) {
	if p[application] == nil {
		p[application] = map[string]struct{}{}
	}
	p[application][user] = struct{}{}
}

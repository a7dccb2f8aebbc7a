package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// mark puts everything into the queue that the changes touch.
func (f *Feed) mark(changes *roster.Changes, now time.Time) {
	rules := map[string][]roster.Object{}
	for i := range changes.Rules {
		f.markRules(&changes.Rules[i], now)
		if changes.Rules[i].Rules {
			rules[changes.Rules[i].Organization] = changes.Rules[i].Causes
		}
	}
	f.markApplications(changes, rules, now)
	var m moment
	defer m.end()
	for i := range changes.Users {
		if i%yieldEvery == yieldEvery-1 {
			f.precedence.yield(&m)
		}
		c := &changes.Users[i]
		f.markUser(c, causesOf(c, rules), now)
	}
	for _, a := range changes.Accounts {
		f.touch(f.documentOf(a.Namespace, f.names.note(a.User)), nil, now)
	}
	for _, o := range changes.Objects {
		f.enqueue(statusOf(o))
	}
	if f.leads() {
		f.Audit.note(changes.Users, rules, f.Roster)
	}
}

// yieldEvery is after how many users marking yields: a worker that was woken has begun by then.
const yieldEvery = 64

// markApplications touches the application documents, each once on account of all that changes it, and before any user
// document: a worker that is free begins with what workloads wait for, and has nothing to render a second time.
func (f *Feed) markApplications(changes *roster.Changes, rules map[string][]roster.Object, now time.Time) {
	causes := map[Output]map[roster.Object]struct{}{}
	note := func(o Output, why []roster.Object) {
		if causes[o] == nil {
			causes[o] = map[roster.Object]struct{}{}
		}
		for _, cause := range why {
			causes[o][cause] = struct{}{}
		}
	}
	for _, o := range changes.Applications {
		note(Output{ApplicationDocument, o.Namespace, o.Name}, []roster.Object{o})
	}
	if f.leads() {
		applications := map[string][]string{} // by organization
		for i := range changes.Users {
			c := &changes.Users[i]
			if _, listed := applications[c.Organization]; !listed {
				applications[c.Organization] = f.Roster.ApplicationAccesses(c.Organization)
			}
			why := causesOf(c, rules)
			changed := roster.ChangedApplications(c.Before, c.After, applications[c.Organization])
			f.effects.add(why, c.User, changed)
			for _, application := range changed {
				note(Output{ApplicationDocument, c.Organization, application}, why)
			}
		}
	}
	for o, why := range causes {
		f.touch(o, slices.Collect(maps.Keys(why)), now)
	}
}

// causesOf are the causes of a changed decision, those of a change of rules in the organization included.
func causesOf(c *roster.UserChange, rules map[string][]roster.Object) []roster.Object {
	if of := rules[c.Organization]; len(of) > 0 {
		return slices.Concat(c.Causes, of)
	}
	return c.Causes
}

func (f *Feed) markUser(c *roster.UserChange, causes []roster.Object, now time.Time) {
	name := f.names.note(c.User)
	if !f.leads() {
		return
	}
	f.touch(Output{UserDocument, c.Organization, name}, causes, now)
	if !sameEntry(c.Before, c.After) {
		f.touch(Output{OrganizationsDocument, f.Roster.SystemNamespace(), name}, nil, now)
	}
}

// markRules touches every document of the organization; where only an application more or less is named, the user
// documents in which it shows although nothing is said of that user: those of users with a default role.
//
// Where an organization begins, no status of its is written before all of its documents are there.
func (f *Feed) markRules(c *roster.RulesChange, now time.Time) {
	causes := c.Causes
	if c.Began {
		causes = append(slices.Clone(causes), sweep(c.Organization))
	}
	if c.Rules {
		for _, application := range f.Roster.ApplicationAccesses(c.Organization) {
			f.touch(Output{ApplicationDocument, c.Organization, application}, causes, now)
		}
	}
	f.Roster.EachDecision(c.Organization, func(user string, d *resolve.Decision) {
		if c.Rules || d.Default.GivesAccess() {
			f.touch(Output{UserDocument, c.Organization, f.names.note(user)}, causes, now)
		}
	})
}

// documentOf is the document that the user's UserAccess in the namespace owns.
func (f *Feed) documentOf(namespace, name string) Output {
	if namespace == f.Roster.SystemNamespace() {
		return Output{OrganizationsDocument, namespace, name}
	}
	return Output{UserDocument, namespace, name}
}

func sameEntry(before, after *resolve.Decision) bool {
	if before == nil || after == nil || before.Enters != after.Enters {
		enters := func(d *resolve.Decision) bool { return d != nil && d.Enters }
		return enters(before) == enters(after)
	}
	return before.OrganizationRole.Role == after.OrganizationRole.Role && before.EntersNotAfter.Equal(after.EntersNotAfter)
}

func (f *Feed) touch(o Output, causes []roster.Object, now time.Time) {
	if !f.leads() {
		return
	}
	f.tracker.touch(o, causes, false, now)
	f.enqueue(o)
}

package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// mark puts everything into the queue that the changes touch.
func (r *Reconciler) mark(changes *roster.Changes, now time.Time) {
	rules := map[string][]roster.Object{}
	for i := range changes.Rules {
		r.markRules(&changes.Rules[i], now)
		if changes.Rules[i].Rules {
			rules[changes.Rules[i].Organization] = changes.Rules[i].Causes
		}
	}
	r.markApplications(changes, rules, now)
	var m moment
	defer m.end()
	for i := range changes.Users {
		if i%yieldEvery == yieldEvery-1 {
			r.precedence.yield(&m)
		}
		c := &changes.Users[i]
		r.markUser(c, causesOf(c, rules), now)
	}
	for _, a := range changes.Accounts {
		r.touch(r.documentOf(a.Namespace, r.names.note(a.User)), touch{}, now)
	}
	r.Concern(changes.Objects)
	for _, o := range changes.Renewed {
		if status := statusOf(roster.ObjectOf(o)); !r.expectations.isOwn(status, o.GetResourceVersion()) {
			r.enqueue(status)
		}
	}
	if r.leads() {
		r.Audit.note(changes.Users, rules, r.view())
	}
}

// yieldEvery is after how many users marking yields: a worker that was woken has begun by then.
const yieldEvery = 64

// markApplications touches the application documents, each once on account of all that changes it, and before any user
// document: a worker that is free begins with what workloads wait for, and has nothing to render a second time.
func (r *Reconciler) markApplications(changes *roster.Changes, rules map[string][]roster.Object, now time.Time) {
	causes := map[Output]map[roster.Object]bool{} // whether the cause takes something from a user
	note := func(o Output, why []roster.Object, lowers bool) {
		if causes[o] == nil {
			causes[o] = map[roster.Object]bool{}
		}
		for _, cause := range why {
			causes[o][cause] = causes[o][cause] || lowers
		}
	}
	for _, o := range changes.Applications {
		note(Output{ApplicationDocument, o.Namespace, o.Name}, []roster.Object{o}, false)
	}
	if r.leads() {
		applications := map[string][]string{} // by organization
		for i := range changes.Users {
			c := &changes.Users[i]
			if _, listed := applications[c.Organization]; !listed {
				applications[c.Organization] = r.view().ApplicationAccesses(c.Organization)
			}
			why := causesOf(c, rules)
			changed := roster.ChangedApplications(c.Before, c.After, applications[c.Organization])
			r.effects.add(why, c.User, changed)
			for _, application := range changed {
				note(Output{ApplicationDocument, c.Organization, application}, why, lowersApplication(c, application))
			}
		}
	}
	for o, why := range causes {
		var lowering []roster.Object
		for cause, lowers := range why {
			if lowers {
				lowering = append(lowering, cause)
			}
		}
		r.touch(o, touch{causes: slices.Collect(maps.Keys(why)), lowering: lowering}, now)
	}
}

// causesOf are the causes of a changed decision, those of a change of rules in the organization included.
func causesOf(c *roster.UserChange, rules map[string][]roster.Object) []roster.Object {
	if of := rules[c.Organization]; len(of) > 0 {
		return slices.Concat(c.Causes, of)
	}
	return c.Causes
}

func (r *Reconciler) markUser(c *roster.UserChange, causes []roster.Object, now time.Time) {
	name := r.names.note(c.User)
	if !r.leads() {
		return
	}
	why := touch{causes: causes}
	if lowersAnything(c) {
		why.lowering = causes
	}
	r.touch(Output{UserDocument, c.Organization, name}, why, now)
	if !sameEntry(c.Before, c.After) {
		r.touch(Output{OrganizationsDocument, r.view().SystemNamespace(), name}, touch{}, now)
	}
}

// markRules touches every document of the organization; where only an application more or less is named, the user
// documents in which it shows although nothing is said of that user: those of users with a default role.
//
// Where an organization begins, no status of its is written before all of its documents are there.
func (r *Reconciler) markRules(c *roster.RulesChange, now time.Time) {
	why := touch{causes: c.Causes, awaited: c.Began}
	if c.Rules {
		why.lowering = c.Causes // a role may have lost a permission, or its place on the ladder
	}
	if c.Rules {
		for _, application := range r.view().ApplicationAccesses(c.Organization) {
			r.touch(Output{ApplicationDocument, c.Organization, application}, why, now)
		}
	}
	r.view().EachDecision(c.Organization, func(user string, d *resolve.Decision) {
		if c.Rules || d.Default.GivesAccess() {
			r.touch(Output{UserDocument, c.Organization, r.names.note(user)}, why, now)
		}
	})
}

// documentOf is the document that the user's UserAccess in the namespace owns.
func (r *Reconciler) documentOf(namespace, name string) Output {
	if namespace == r.view().SystemNamespace() {
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

// touch notes that the document may have to change, and enqueues it.
func (r *Reconciler) touch(o Output, why touch, now time.Time) {
	if !r.leads() {
		return
	}
	r.tracker.touch(o, why, now)
	r.enqueue(o)
}

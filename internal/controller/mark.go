package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// mark puts everything into the queue that the changes touch.
func (r *Reconciler) mark(changes *roster.Changes, now time.Time) {
	rules := map[string][]roster.Object{}
	for i := range changes.Rules {
		if changes.Rules[i].Rules {
			rules[changes.Rules[i].Organization] = changes.Rules[i].Causes
		}
	}
	r.markApplications(changes, rules, now)
	for i := range changes.Rules {
		r.markRules(&changes.Rules[i], now)
	}
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

// applicationTouch is all that touches an application document in one settling.
type applicationTouch struct {
	shards  publish.ShardSet
	causes  map[roster.Object]bool // whether the cause takes something from a user
	awaited bool
}

// applicationTouches are the touches of one settling by application document.
type applicationTouches map[Output]*applicationTouch

func (t applicationTouches) note(o Output, shards publish.ShardSet, causes []roster.Object, lowers bool) *applicationTouch {
	is := t[o]
	if is == nil {
		is = &applicationTouch{causes: map[roster.Object]bool{}}
		t[o] = is
	}
	is.shards |= shards
	for _, cause := range causes {
		is.causes[cause] = is.causes[cause] || lowers
	}
	return is
}

// markApplications touches the application documents before any user document is touched: a worker that is free begins with
// what workloads wait for. Each document is touched once on account of all that changes it, so that it is not rendered a
// second time.
func (r *Reconciler) markApplications(changes *roster.Changes, rules map[string][]roster.Object, now time.Time) {
	if !r.leads() {
		return
	}
	touches := applicationTouches{}
	for i := range changes.Rules {
		c := &changes.Rules[i]
		if !c.Rules {
			continue
		}
		for application := range r.view().Index().Namespace(c.Organization).Applications() {
			o := Output{ApplicationDocument, c.Organization, application}
			is := touches.note(o, publish.EveryShard, c.Causes, true) // a role may have lost a permission, or its place on the ladder
			is.awaited = c.Began
		}
	}
	for _, o := range changes.Applications {
		touches.note(Output{ApplicationDocument, o.Namespace, o.Name}, publish.EveryShard, []roster.Object{o}, false)
	}
	applications := map[string][]string{} // by organization
	for i := range changes.Users {
		c := &changes.Users[i]
		if _, listed := applications[c.Organization]; !listed {
			applications[c.Organization] = slices.Collect(r.view().Index().Namespace(c.Organization).Applications())
		}
		why := causesOf(c, rules)
		changed := roster.ChangedApplications(c.Before, c.After, applications[c.Organization])
		r.effects.add(why, c.User, changed)
		shard := publish.ShardOf(c.User)
		for _, application := range changed {
			touches.note(Output{ApplicationDocument, c.Organization, application}, shard, why, lowersApplication(c, application))
		}
	}
	for o, is := range touches {
		why := touch{shards: is.shards, causes: slices.Collect(maps.Keys(is.causes)), awaited: is.awaited}
		for cause, lowers := range is.causes {
			if lowers {
				why.lowering = append(why.lowering, cause)
			}
		}
		r.touch(o, why, now)
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

// markRules touches the user documents of the organization. Where only the list of named applications changed, it touches
// those in which an application shows although nothing is said of that user: the documents of users with a default role.
//
// Where an organization begins, no status of its is written before all of its documents are there.
func (r *Reconciler) markRules(c *roster.RulesChange, now time.Time) {
	why := touch{causes: c.Causes, awaited: c.Began}
	if c.Rules {
		why.lowering = c.Causes
	}
	for user, d := range r.view().Decisions(c.Organization) {
		if c.Rules || d.Default.GivesAccess() {
			r.touch(Output{UserDocument, c.Organization, r.names.note(user)}, why, now)
		}
	}
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

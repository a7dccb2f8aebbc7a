package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// mark enqueues every output that the changes touch.
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
	var limit yieldLimit
	defer limit.end()
	for i := range changes.Users {
		if i%yieldEvery == yieldEvery-1 {
			r.precedence.yield(&limit)
		}
		c := &changes.Users[i]
		r.markUser(c, causesOf(c, rules), now)
	}
	for _, a := range changes.Accounts {
		r.touch(r.documentOf(a.Namespace, r.names.note(a.User)), touch{}, now)
	}
	r.Concern(changes.Objects)
	for _, o := range changes.Renewed {
		if status := statusOf(roster.ObjectOf(o)); !r.expectations.hasOwn(status, o.GetResourceVersion()) {
			r.enqueue(status)
		}
	}
	if r.isLeader() {
		r.Audit.note(changes.Users, rules, r.view())
	}
}

// yieldEvery is the number of users after which marking yields. By then a worker that was woken has started.
const yieldEvery = 64

// applicationTouch collects the reasons of one settlement to touch an application document.
type applicationTouch struct {
	shards  publish.ShardSet
	causes  map[roster.Object]bool // whether the cause reduces the access of a user
	awaited bool
}

// applicationTouches are the touches of one settlement by application document.
type applicationTouches map[Output]*applicationTouch

func (t applicationTouches) note(o Output, shards publish.ShardSet, causes []roster.Object, lowers bool) *applicationTouch {
	touched := t[o]
	if touched == nil {
		touched = &applicationTouch{causes: map[roster.Object]bool{}}
		t[o] = touched
	}
	touched.shards |= shards
	for _, cause := range causes {
		touched.causes[cause] = touched.causes[cause] || lowers
	}
	return touched
}

// markApplications touches the application documents before any user document, so that a free worker starts with the
// documents that workloads wait for. It touches each document once for all changes, so that the document is not
// rendered twice.
func (r *Reconciler) markApplications(changes *roster.Changes, rules map[string][]roster.Object, now time.Time) {
	if !r.isLeader() {
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
			touched := touches.note(o, publish.EveryShard, c.Causes, true) // a role may have lost a permission, or its place on the ladder
			touched.awaited = c.Began
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
	for o, touched := range touches {
		why := touch{shards: touched.shards, causes: slices.Collect(maps.Keys(touched.causes)), awaited: touched.awaited}
		for cause, lowers := range touched.causes {
			if lowers {
				why.lowering = append(why.lowering, cause)
			}
		}
		r.touch(o, why, now)
	}
}

// causesOf returns the causes of a changed decision, including those of a change of rules in the organization.
func causesOf(c *roster.UserChange, rules map[string][]roster.Object) []roster.Object {
	if rulesCauses := rules[c.Organization]; len(rulesCauses) > 0 {
		return slices.Concat(c.Causes, rulesCauses)
	}
	return c.Causes
}

func (r *Reconciler) markUser(c *roster.UserChange, causes []roster.Object, now time.Time) {
	name := r.names.note(c.User)
	if !r.isLeader() {
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

// markRules touches the user documents of the organization. If only the list of named applications changed, it touches
// only the documents of users with a default role, because an application can appear in these without a grant for the
// user.
//
// When a namespace becomes an organization, none of its statuses is written before all of its documents exist.
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

// documentOf returns the document that the user's UserAccess in the namespace owns.
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

// touch records that the document may have to change, and enqueues it. On a replica that is not the leader it does
// nothing.
func (r *Reconciler) touch(o Output, why touch, now time.Time) {
	if !r.isLeader() {
		return
	}
	r.tracker.touch(o, why, now)
	r.enqueue(o)
}

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
func (f *Feed) mark(changes *roster.Changes, now time.Time) {
	rules := map[string][]roster.Object{}
	for i := range changes.Rules {
		if changes.Rules[i].Rules {
			rules[changes.Rules[i].Organization] = changes.Rules[i].Causes
		}
	}
	f.markApplications(changes, rules, now)
	for i := range changes.Rules {
		f.markRules(&changes.Rules[i], now)
	}
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

// applicationTouch is all that touches an application document in one settling.
type applicationTouch struct {
	shards publish.ShardSet
	causes map[roster.Object]bool // whether the cause takes something from a user
}

// applicationTouches are the touches of one settling by application document.
type applicationTouches map[Output]*applicationTouch

func (t applicationTouches) note(o Output, shards publish.ShardSet, causes []roster.Object, lowers bool) {
	touch := t[o]
	if touch == nil {
		touch = &applicationTouch{causes: map[roster.Object]bool{}}
		t[o] = touch
	}
	touch.shards |= shards
	for _, cause := range causes {
		touch.causes[cause] = touch.causes[cause] || lowers
	}
}

// markApplications touches the application documents before any user document is touched: a worker that is free begins with
// what workloads wait for. Each document is touched once on account of all that changes it, so that it is not rendered a
// second time.
func (f *Feed) markApplications(changes *roster.Changes, rules map[string][]roster.Object, now time.Time) {
	if !f.leads() {
		return
	}
	touches := applicationTouches{}
	for i := range changes.Rules {
		c := &changes.Rules[i]
		if !c.Rules {
			continue
		}
		for _, application := range f.Roster.ApplicationAccesses(c.Organization) {
			o := Output{ApplicationDocument, c.Organization, application}
			touches.note(o, publish.EveryShard, c.Causes, true) // a role may have lost a permission, or its place on the ladder
			touches.note(o, publish.EveryShard, beginning(c), false)
		}
	}
	for _, o := range changes.Applications {
		touches.note(Output{ApplicationDocument, o.Namespace, o.Name}, publish.EveryShard, []roster.Object{o}, false)
	}
	applications := map[string][]string{} // by organization
	for i := range changes.Users {
		c := &changes.Users[i]
		if _, listed := applications[c.Organization]; !listed {
			applications[c.Organization] = f.Roster.ApplicationAccesses(c.Organization)
		}
		why := causesOf(c, rules)
		changed := roster.ChangedApplications(c.Before, c.After, applications[c.Organization])
		f.effects.add(why, c.User, changed)
		shard := publish.ShardOf(c.User)
		for _, application := range changed {
			touches.note(Output{ApplicationDocument, c.Organization, application}, shard, why, lowersApplication(c, application))
		}
	}
	for o, touch := range touches {
		var lowering []roster.Object
		for cause, lowers := range touch.causes {
			if lowers {
				lowering = append(lowering, cause)
			}
		}
		f.touchShards(o, touch.shards, slices.Collect(maps.Keys(touch.causes)), lowering, now)
	}
}

// beginning returns the cause for which statuses wait where an organization begins: no status of its is written before all
// of its documents are there.
func beginning(c *roster.RulesChange) []roster.Object {
	if !c.Began {
		return nil
	}
	return []roster.Object{sweep(c.Organization)}
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
	var lowering []roster.Object
	if lowersAnything(c) {
		lowering = causes
	}
	f.touchLowering(Output{UserDocument, c.Organization, name}, causes, lowering, now)
	if !sameEntry(c.Before, c.After) {
		f.touch(Output{OrganizationsDocument, f.Roster.SystemNamespace(), name}, nil, now)
	}
}

// markRules touches the user documents of the organization. Where only the list of named applications changed, it touches
// those in which an application shows although nothing is said of that user: the documents of users with a default role.
func (f *Feed) markRules(c *roster.RulesChange, now time.Time) {
	causes, lowering := slices.Concat(c.Causes, beginning(c)), []roster.Object(nil)
	if c.Rules {
		lowering = c.Causes
	}
	f.Roster.EachDecision(c.Organization, func(user string, d *resolve.Decision) {
		if c.Rules || d.Default.GivesAccess() {
			f.touchLowering(Output{UserDocument, c.Organization, f.names.note(user)}, causes, lowering, now)
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
	f.touchLowering(o, causes, nil, now)
}

// touchLowering touches the document on account of the causes, of which those in lowering take something from a user.
func (f *Feed) touchLowering(o Output, causes, lowering []roster.Object, now time.Time) {
	f.touchShards(o, publish.EveryShard, causes, lowering, now)
}

// touchShards is touchLowering for a change that regards only users of the shards.
func (f *Feed) touchShards(o Output, shards publish.ShardSet, causes, lowering []roster.Object, now time.Time) {
	if !f.leads() {
		return
	}
	f.tracker.lower(o, lowering)
	f.tracker.touchShards(o, shards, causes, false, now)
	f.enqueue(o)
}

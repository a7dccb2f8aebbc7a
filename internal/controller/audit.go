package controller

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// everyOther stands for all applications that the decision of a user does not name.
const everyOther = "*"

// mostUnaudited bounds the number of users whose changes wait to be logged, and so the memory that they take.
const mostUnaudited = 200_000

// mostCauses bounds the causes in one line: a burst of changes can have any number of causes.
const mostCauses = 5

// Audit counts every change of a user's access to an application. It also logs each change: the user, the organization,
// the application, the role before and after, and the object that caused it. It works in its own goroutine, so the feed
// never waits for it. It runs on the leader only.
type Audit struct {
	// Log receives the lines. With a logger that is disabled, Audit only counts changes.
	Log logr.Logger
	// Requesters returns the users that admission reviews named as requesters of this version of the object. It returns
	// nothing if no review is known. The version is empty for an object that has been deleted. Reviews can be forged,
	// so a line states what the review named and does not state who made the request.
	Requesters func(roster.Object, roster.Version) []string
	Metrics    *Metrics

	mu      sync.Mutex
	waiting []settled
	users   int // number of users in waiting
	dropped int
	wake    chan struct{}
}

// settled is the result of one settlement of the roster.
type settled struct {
	users    []roster.UserChange
	rules    map[string][]roster.Object
	versions map[roster.Object]roster.Version
}

// cause describes, in a line, an object that led to a change.
type cause struct {
	Object     string `json:"object"`
	UID        string `json:"uid,omitempty"`
	Generation int64  `json:"generation,omitempty"` // zero if the object has been deleted
	// RequestersByReview are the users that reviews named. They are not proven.
	RequestersByReview []string `json:"requestersByReview,omitempty"`
}

// NewAudit returns an Audit that has nothing to write yet.
func NewAudit(log logr.Logger, requesters func(roster.Object, roster.Version) []string, metrics *Metrics) *Audit {
	return &Audit{Log: log, Requesters: requesters, Metrics: metrics, wake: make(chan struct{}, 1)}
}

// note queues the changes of one settlement. It only looks up the versions of the causes, which is cheap.
func (a *Audit) note(changes []roster.UserChange, rules map[string][]roster.Object, v *roster.View) {
	if a == nil || len(changes) == 0 {
		return
	}
	s := settled{users: changes, rules: rules, versions: map[roster.Object]roster.Version{}}
	look := func(causes []roster.Object) {
		for _, each := range causes {
			if _, known := s.versions[each]; !known {
				s.versions[each], _ = v.Index().Version(each)
			}
		}
	}
	for i := range changes {
		look(changes[i].Causes)
	}
	for _, causes := range rules {
		look(causes)
	}
	a.mu.Lock()
	if a.users+len(changes) > mostUnaudited {
		a.dropped += len(changes)
	} else {
		a.waiting = append(a.waiting, s)
		a.users += len(changes)
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// auditRest delays the lines of a burst. The documents that the same change touches need the same processors, and they
// go first.
const auditRest = 250 * time.Millisecond

// Start writes lines until the context ends. It then writes the lines that are still queued.
func (a *Audit) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			a.drain()
			return nil
		case <-a.wake:
			rest, cancel := context.WithTimeout(ctx, auditRest)
			<-rest.Done()
			cancel()
			a.drain()
		}
	}
}

func (a *Audit) drain() {
	a.mu.Lock()
	waiting, dropped := a.waiting, a.dropped
	a.waiting, a.dropped = nil, 0
	a.mu.Unlock()
	for i := range waiting {
		a.write(&waiting[i])
		a.mu.Lock()
		a.users -= len(waiting[i].users)
		a.mu.Unlock()
	}
	if dropped > 0 {
		a.Metrics.unaudited.Add(float64(dropped))
		a.Log.Info("Access changes were dropped from the audit log, because too many came at once", "users", dropped)
	}
}

func (a *Audit) write(s *settled) {
	for i := range s.users {
		c := &s.users[i]
		log := a.Log.WithValues("organization", c.Organization, "user", c.User)
		if a.Log.Enabled() {
			log = log.WithValues("causes", a.causes(s, causesOf(c, s.rules)))
		}
		before, after := given(c.Before), given(c.After)
		record := func(application string, previous, current *resolve.Access) {
			if change := previous.ChangeTo(current); change != resolve.ChangeNone {
				a.Metrics.changes.WithLabelValues(string(change)).Inc()
				log.Info("Access changed", "application", application, "change", change,
					"before", previous.Role, "after", current.Role, "rule", current.Rule, "source", current.Source)
			}
		}
		resolve.EachApplication(before, after, record)
		record(everyOther, &before.Default, &after.Default)
		previous, current := &before.OrganizationRole, &after.OrganizationRole
		if change := previous.ChangeTo(current); change != resolve.ChangeNone {
			log.Info("Organization role changed", "change", change,
				"before", previous.Role, "after", current.Role, "rule", current.Rule, "source", current.Source)
		}
	}
}

// given returns the decision. It returns the decision without access if d is nil.
func given(d *resolve.Decision) *resolve.Decision {
	if d == nil {
		return resolve.Nothing()
	}
	return d
}

// causes describes the objects that led to a change. The result is empty if only time led to it.
func (a *Audit) causes(s *settled, objects []roster.Object) []cause {
	described := make([]cause, 0, min(len(objects), mostCauses))
	for _, each := range objects {
		if len(described) == mostCauses {
			break
		}
		if each == (roster.Object{}) || slices.ContainsFunc(described, func(c cause) bool { return c.Object == each.String() }) {
			continue
		}
		version := s.versions[each]
		entry := cause{Object: each.String(), UID: string(version.UID), Generation: version.Generation}
		if a.Requesters != nil {
			entry.RequestersByReview = a.Requesters(each, version)
		}
		described = append(described, entry)
	}
	return described
}

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

// everyOther stands for the applications of which nothing is said for the user.
const everyOther = "*"

// mostUnaudited bounds the users whose changes wait for their lines, and what these keep in memory.
const mostUnaudited = 200_000

// mostCauses bounds a line: a burst may have any number of causes.
const mostCauses = 5

// Audit counts every change of a user's access to an application, and writes a line to the log for it: who, where, from
// what, to what, and by which object. It does so behind the feed, which never waits for it, and on the leader only.
type Audit struct {
	// Log takes the lines. Without a sink, changes are only counted.
	Log logr.Logger
	// Requesters returns whom reviews named as requesters of that version of the object, or nothing where that is not known.
	// Of an object that is gone, the version is empty. Reviews can be forged: lines say that reviews named these, and that
	// they asked is not said.
	Requesters func(roster.Object, roster.Version) []string
	Metrics    *Metrics

	mu      sync.Mutex
	waiting []settled
	users   int // in waiting
	dropped int
	wake    chan struct{}
}

// settled is what came of one settling.
type settled struct {
	users    []roster.UserChange
	rules    map[string][]roster.Object
	versions map[roster.Object]roster.Version
}

// cause is how a line names an object that led to a change.
type cause struct {
	Object     string `json:"object"`
	UID        string `json:"uid,omitempty"`
	Generation int64  `json:"generation,omitempty"` // none where the object is gone
	// RequestersByReview are whom reviews named, which is no proof.
	RequestersByReview []string `json:"requestersByReview,omitempty"`
}

// NewAudit returns an audit without anything to say.
func NewAudit(log logr.Logger, requesters func(roster.Object, roster.Version) []string, metrics *Metrics) *Audit {
	return &Audit{Log: log, Requesters: requesters, Metrics: metrics, wake: make(chan struct{}, 1)}
}

// note takes in what came of a settling. It costs little more than a look at the causes.
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

// auditRest is how long lines wait: the documents that a change touches need the same processors, and go first.
const auditRest = 250 * time.Millisecond

// Start writes lines until the context ends. What is noted by then is written.
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
		a.tell(&waiting[i])
		a.mu.Lock()
		a.users -= len(waiting[i].users)
		a.mu.Unlock()
	}
	if dropped > 0 {
		a.Metrics.unaudited.Add(float64(dropped))
		a.Log.Info("Changes of access are not told: too many at once", "users", dropped)
	}
}

func (a *Audit) tell(s *settled) {
	for i := range s.users {
		c := &s.users[i]
		log := a.Log.WithValues("organization", c.Organization, "user", c.User)
		if a.Log.Enabled() {
			log = log.WithValues("causes", a.causes(s, causesOf(c, s.rules)))
		}
		before, after := given(c.Before), given(c.After)
		tell := func(application string, was, is *resolve.Access) {
			if change := was.ChangeTo(is); change != resolve.ChangeNone {
				a.Metrics.changes.WithLabelValues(string(change)).Inc()
				log.Info("Access changed", "application", application, "change", change,
					"before", was.Role, "after", is.Role, "rule", is.Rule, "source", is.Source)
			}
		}
		resolve.EachApplication(before, after, tell)
		tell(everyOther, &before.Default, &after.Default)
		was, is := &before.OrganizationRole, &after.OrganizationRole
		if change := was.ChangeTo(is); change != resolve.ChangeNone {
			log.Info("Organization role changed", "change", change,
				"before", was.Role, "after", is.Role, "rule", is.Rule, "source", is.Source)
		}
	}
}

// given is what the rules give, also where there is nothing to decide.
func given(d *resolve.Decision) *resolve.Decision {
	if d == nil {
		return resolve.Nothing()
	}
	return d
}

// causes is how a line tells what led to a change: nothing but the time, where there is none.
func (a *Audit) causes(s *settled, objects []roster.Object) []cause {
	told := make([]cause, 0, min(len(objects), mostCauses))
	for _, each := range objects {
		if len(told) == mostCauses {
			break
		}
		if each == (roster.Object{}) || slices.ContainsFunc(told, func(c cause) bool { return c.Object == each.String() }) {
			continue
		}
		version := s.versions[each]
		made := cause{Object: each.String(), UID: string(version.UID), Generation: version.Generation}
		if a.Requesters != nil {
			made.RequestersByReview = a.Requesters(each, version)
		}
		told = append(told, made)
	}
	return told
}

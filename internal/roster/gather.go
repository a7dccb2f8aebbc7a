package roster

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/usher-dev/usher/internal/resolve"
)

// resolveAll decides for the users, side by side where they are many. Nothing of the roster changes meanwhile but what
// is bound. What it returns is in the order of the users; nil stands for nothing to decide, now or later.
func (r *Roster) resolveAll(n *namespace, users []string) []*record {
	records := make([]*record, len(users))
	if !n.organization || len(users) == 0 {
		return records
	}
	r.bindGroups(n)
	sideBySide(len(users), func() func(i int) {
		var g gatherer
		return func(i int) { records[i] = r.resolve(n, users[i], &g) }
	})
	return records
}

// sideBySide has each of the numbers below n worked on once, on all processors where they are many. Every goroutine
// begins with a worker of its own.
func sideBySide(n int, begin func() (work func(i int))) {
	const share = 64 // numbers at a time: fewer are not worth handing over
	var next atomic.Int64
	some := func() {
		work := begin()
		for {
			end := int(next.Add(share))
			for i := end - share; i < min(end, n); i++ {
				work(i)
			}
			if end >= n {
				return
			}
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+share-1)/share) - 1 {
		others.Go(some)
	}
	some()
	others.Wait()
}

// resolve returns nil where there is nothing to decide, now or later.
func (r *Roster) resolve(n *namespace, user string, g *gatherer) *record {
	made := &record{}
	u := r.gather(n, user, g)
	made.note(g.own.found, r.now)
	var decision resolve.Decision
	previous := n.records[user]
	if _, dirty := n.dirty[user]; dirty || previous == nil {
		decision = n.compiled.Resolve(&u, r.now)
	} else {
		decision = n.compiled.Resume(previous.decision, &u, r.now, nil) // only time has passed
	}
	made.decision = &decision
	if len(decision.HiddenRows) > 0 {
		made.noteContributors(g.own.found, r.now)
	}
	if made.next.IsZero() || (!decision.Next.IsZero() && decision.Next.Before(made.next)) {
		made.next = decision.Next
	}
	if !decision.Exists && made.next.IsZero() {
		return nil
	}
	return made
}

// gatherer is where what bears on a user is gathered, for one user after the other. Its zero value is ready.
type gatherer struct {
	own, above walk // memberships in the organization, and in the system namespace
	// sources are those that the user has, whether they say something about the organization or not.
	sources  []*resolve.Source
	holdings []resolve.Holding
	bars     []resolve.Bar
}

// gather returns what the organization and the system namespace say of the user. It stands until the gatherer is used
// again.
func (r *Roster) gather(n *namespace, user string, g *gatherer) resolve.User {
	n.walk(&g.own, user)
	r.system.walk(&g.above, user)
	g.sources, g.holdings = g.sources[:0], g.holdings[:0]
	for _, found := range [][]membership{g.own.found, g.above.found} {
		for i := range found {
			g.hold(n, found[i].group.source, found[i].windows)
		}
	}
	for _, a := range []*account{n.accounts[user], r.system.accounts[user]} {
		if a != nil && a.source != nil {
			g.hold(n, a.source, nil)
		}
	}
	g.bars = n.appendBars(g.bars[:0], user)
	u := resolve.User{Declared: len(g.bars) > 0}
	g.bars = r.system.appendBars(g.bars, user)
	u.Bars, u.Holdings, u.Named = g.bars, g.holdings, n.applicable
	return u
}

func (g *gatherer) hold(n *namespace, s *resolve.Source, windows []resolve.Window) {
	g.sources = append(g.sources, s)
	b, bound := n.bound[s]
	if !bound {
		b = n.compiled.Bind(s)
	}
	if b != nil {
		g.holdings = append(g.holdings, resolve.Holding{Source: b, Windows: windows})
	}
}

// bindGroups looks the roles of every group that speaks of the organization up on its ladders, once. What a UserAccess
// gives regards one user, and is looked up when that user is decided for.
func (r *Roster) bindGroups(n *namespace) {
	for _, at := range []*namespace{n, r.system} {
		for _, g := range at.groups {
			if g.inert {
				continue
			}
			if _, bound := n.bound[g.source]; !bound {
				n.bound[g.source] = n.compiled.Bind(g.source)
			}
		}
	}
}

// appendBars adds one bar for every declared UserAccess of the user.
func (n *namespace) appendBars(bars []resolve.Bar, user string) []resolve.Bar {
	a := n.accounts[user]
	if a == nil {
		return bars
	}
	for _, ua := range a.declared {
		bars = append(bars, resolve.Bar{
			Source:    Object{KindUserAccess, n.name, ua.Name}.String(),
			AtSystem:  n.atSystem,
			Suspended: ua.Spec.State == "Suspended",
			Window:    window(ua.Spec.NotBefore, ua.Spec.NotAfter),
		})
	}
	return bars
}

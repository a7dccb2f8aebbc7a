package roster

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// resolveAll decides for the users, side by side where they are many. What it returns is in the order of the users; nil
// stands for nothing to decide, now or later. Those from the place unfinished on have decisions that are to be finished, and
// are left as they are where the budget for that is spent.
func (s *settlement) resolveAll(n *index.Namespace, o *organization, users []string, unfinished int) []*record {
	records := make([]*record, len(users))
	if o.rules == nil || len(users) == 0 {
		return records
	}
	o.bound = Bind(s.index, n, o.rules, o.bound)
	sources := Sources{Index: s.index, Namespace: n, Rules: o.rules, Applications: o.applications, Bound: o.bound}
	touched := s.touched.Namespace(n.Name()).Users
	sideBySide(len(users), func() func(i int) {
		g := Gatherer{Sources: &sources}
		return func(i int) {
			_, dirty := touched[users[i]]
			switch {
			case i < unfinished:
				records[i] = s.resolve(o, users[i], dirty, &g, s.budgets.changed)
			case s.budgets.unfinished.IsSpent():
				records[i] = o.records.Get(users[i])
			default:
				records[i] = s.resolve(o, users[i], dirty, &g, s.budgets.unfinished)
			}
		}
	})
	return records
}

// budgets bound what one settling spends on the ends of entries: of users for whom something has changed, and of those
// whose decision is unfinished, so that neither holds up the other.
type budgets struct{ changed, unfinished *resolve.Budget }

func newBudgets(evaluations int) budgets {
	if evaluations == 0 {
		return budgets{}
	}
	return budgets{resolve.NewBudget(evaluations), resolve.NewBudget(evaluations / 2)}
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

// resolve returns nil where there is nothing to decide, now or later. A user who is not dirty has the same sources as before:
// nothing or only time has passed.
func (s *settlement) resolve(o *organization, user string, dirty bool, g *Gatherer, b *resolve.Budget) *record {
	made := &record{}
	u := g.Gather(user)
	made.note(g.own, s.now)
	var previous *resolve.Decision
	if old := o.records.Get(user); old != nil && !dirty {
		previous = old.decision
	}
	decision := o.rules.Resume(previous, &u, s.now, b)
	made.decision = &decision
	if len(decision.HiddenRows) > 0 {
		made.noteContributors(g.own, s.now)
	}
	if made.next.IsZero() || (!decision.Next.IsZero() && decision.Next.Before(made.next)) {
		made.next = decision.Next
	}
	if !decision.Exists && made.next.IsZero() {
		return nil
	}
	return made
}

// Sources is where the grants of an organization's users come from.
type Sources struct {
	Index     *index.Index
	Namespace *index.Namespace
	Rules     *resolve.Organization
	// Applications are those named in the organization.
	Applications []string
	// Bound is what sources give in the organization, as [Bind] returns it.
	Bound Bindings
}

// Bindings is what the groups that speak of an organization give in it.
type Bindings struct {
	of     map[*resolve.Source]*resolve.Bound
	labels uint64 // index.Namespace.LabelRevision of the labels by which sources with selectors were bound
}

// Bind looks the roles of every group that speaks of the organization up on its ladders, once. known is what was looked up on
// the same ladders before; it is not changed. Sources with selectors are looked up again when labels have changed. What a
// UserAccess gives regards one user, and is looked up when that user is decided for.
func Bind(x *index.Index, n *index.Namespace, rules *resolve.Organization, known Bindings) Bindings {
	count, missing := 0, false
	at, relabelled := n.Place(), known.labels != n.LabelRevision()
	lookUp := func(s *resolve.Source) (*resolve.Bound, bool) {
		b, bound := known.of[s]
		return b, bound && !(relabelled && s.HasSelectors())
	}
	each := func(yield func(*resolve.Source)) {
		for _, at := range []*index.Namespace{n, x.System()} {
			for _, g := range at.Groups() {
				if !g.Inert {
					yield(g.Source)
				}
			}
		}
	}
	each(func(s *resolve.Source) {
		_, bound := lookUp(s)
		missing = missing || !bound
		count++
	})
	if !missing && len(known.of) <= 2*count {
		return Bindings{known.of, n.LabelRevision()}
	}
	made := make(map[*resolve.Source]*resolve.Bound, count)
	each(func(s *resolve.Source) {
		b, bound := lookUp(s)
		if !bound {
			b = rules.Bind(s, at)
		}
		made[s] = b
	})
	return Bindings{made, n.LabelRevision()}
}

// BindOne returns what the source gives in the organization; nil: nothing.
func (s *Sources) BindOne(source *resolve.Source) *resolve.Bound {
	if b, bound := s.Bound.of[source]; bound {
		return b
	}
	return s.Rules.Bind(source, s.Namespace.Place())
}

// BindFor returns what the source gives the user in the organization; nil: nothing.
func (s *Sources) BindFor(user string, source *resolve.Source) *resolve.Bound {
	return s.BindOne(source).For(s.attributes(user))
}

// attributes returns those of the user in the organization and in the system namespace.
func (s *Sources) attributes(user string) (own, atSystem resolve.Attributes) {
	return attributesOf(s.Namespace, user), attributesOf(s.Index.System(), user)
}

func attributesOf(n *index.Namespace, user string) resolve.Attributes {
	if a := n.Account(user); a != nil {
		return a.Attributes
	}
	return nil
}

// Gatherer gathers what bears on a user, for one user after the other.
type Gatherer struct {
	*Sources

	ownWalk, aboveWalk index.Walk
	own                []index.Membership // in the organization
	// All are the sources that the user has, whether they say something about the organization or not.
	All      []*resolve.Source
	holdings []resolve.Holding
	bars     []resolve.Bar
	// Of the user, in the organization and in the system namespace.
	attributesHere, attributesAbove resolve.Attributes
}

// Gather returns what the organization and the system namespace say of the user. It stands until the gatherer is used again.
func (g *Gatherer) Gather(user string) resolve.User {
	system := g.Index.System()
	g.own = g.ownWalk.Memberships(g.Namespace, user)
	above := g.aboveWalk.Memberships(system, user)
	g.attributesHere, g.attributesAbove = g.attributes(user)
	g.All, g.holdings = g.All[:0], g.holdings[:0]
	for _, found := range [][]index.Membership{g.own, above} {
		for i := range found {
			g.hold(found[i].Group.Source, found[i].Windows)
		}
	}
	for _, n := range []*index.Namespace{g.Namespace, system} {
		if a := n.Account(user); a != nil && a.Source != nil {
			g.hold(a.Source, nil)
		}
	}
	g.bars = g.Namespace.AppendBars(g.bars[:0], user)
	u := resolve.User{Declared: len(g.bars) > 0}
	g.bars = system.AppendBars(g.bars, user)
	u.Bars, u.Holdings, u.Named = g.bars, g.holdings, g.Applications
	return u
}

// Attributes returns those of the user who was gathered last, in the organization and in the system namespace.
func (g *Gatherer) Attributes() (own, atSystem resolve.Attributes) {
	return g.attributesHere, g.attributesAbove
}

func (g *Gatherer) hold(s *resolve.Source, windows []resolve.Window) {
	g.All = append(g.All, s)
	if b := g.BindOne(s).For(g.attributesHere, g.attributesAbove); b != nil {
		g.holdings = append(g.holdings, resolve.Holding{Source: b, Windows: windows})
	}
}

// Sources returns where the grants of the organization's users come from.
func (v *View) Sources(organization string) *Sources {
	o := v.at(organization)
	return &Sources{
		Index: v.index, Namespace: v.index.Namespace(organization), Rules: o.rules, Applications: o.applications, Bound: o.bound,
	}
}

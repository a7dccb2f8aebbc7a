package roster

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// resolveAll decides for the users, in parallel if there are many. It returns one record for each user, in the
// same order. A nil record means that there is nothing to decide, now or later. The users from index unfinished
// on have unfinished decisions. These decisions stay as they are when their budget is spent.
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

// budgets limit how many ends of entries one settling computes. Users with a change and users with an unfinished
// decision have separate budgets, so that neither delays the other.
type budgets struct{ changed, unfinished *resolve.Budget }

func newBudgets(evaluations int) budgets {
	if evaluations == 0 {
		return budgets{}
	}
	return budgets{resolve.NewBudget(evaluations), resolve.NewBudget(evaluations / 2)}
}

// sideBySide calls work once for each number below n, on all processors if n is large. Each goroutine calls
// begin once to get its own work function.
func sideBySide(n int, begin func() (work func(i int))) {
	const share = 64 // numbers per batch; a smaller batch is not worth a goroutine
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

// resolve decides for the user. It returns nil if there is nothing to decide, now or later. A user who is not
// dirty has the same sources as before: nothing changed, or only time passed.
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

// Sources holds the origins of the grants of an organization's users.
type Sources struct {
	Index     *index.Index
	Namespace *index.Namespace
	Rules     *resolve.Organization
	// Applications are the applications named in the organization.
	Applications []string
	// Bound holds the grants of the sources in the organization, as [Bind] returns them.
	Bound Bindings
}

// Bindings holds the grants of the groups that speak of an organization, bound to its ladders.
type Bindings struct {
	of     map[*resolve.Source]*resolve.Bound
	labels uint64 // index.Namespace.LabelRevision of the labels with which sources with selectors were bound
}

// Bind looks up the roles of each group that speaks of the organization on the organization's ladders, once.
// known holds earlier lookups on the same ladders, and Bind does not change it. Bind looks up sources with
// selectors again when labels have changed. It skips UserAccess sources: each concerns one user, and is looked
// up with the decision for that user.
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

// BindOne returns the grants of the source in the organization, or nil if there are none.
func (s *Sources) BindOne(source *resolve.Source) *resolve.Bound {
	if b, bound := s.Bound.of[source]; bound {
		return b
	}
	return s.Rules.Bind(source, s.Namespace.Place())
}

// BindFor returns the grants of the source to the user in the organization, or nil if there are none.
func (s *Sources) BindFor(user string, source *resolve.Source) *resolve.Bound {
	return s.BindOne(source).For(s.attributes(user))
}

// attributes returns the attributes of the user in the organization and in the system namespace.
func (s *Sources) attributes(user string) (own, atSystem resolve.Attributes) {
	return attributesOf(s.Namespace, user), attributesOf(s.Index.System(), user)
}

func attributesOf(n *index.Namespace, user string) resolve.Attributes {
	if a := n.Account(user); a != nil {
		return a.Attributes
	}
	return nil
}

// Gatherer collects the grants, bars and attributes of one user at a time. It reuses its memory for the next
// user.
type Gatherer struct {
	*Sources

	ownWalk, aboveWalk index.Walk
	own                []index.Membership // memberships in the organization
	// All are the user's sources, including those that do not concern the organization.
	All      []*resolve.Source
	holdings []resolve.Holding
	bars     []resolve.Bar
	// Attributes of the user, in the organization and in the system namespace.
	attributesHere, attributesAbove resolve.Attributes
}

// Gather returns what the organization and the system namespace declare for the user. The result is valid until
// the next use of the gatherer.
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

// Memberships returns the memberships of the user of the last Gather in the organization. The result is valid until
// the next use of the gatherer.
func (g *Gatherer) Memberships() []index.Membership { return g.own }

// Attributes returns the attributes of the user of the last Gather, in the organization and in the system
// namespace.
func (g *Gatherer) Attributes() (own, atSystem resolve.Attributes) {
	return g.attributesHere, g.attributesAbove
}

func (g *Gatherer) hold(s *resolve.Source, windows []resolve.Window) {
	g.All = append(g.All, s)
	if b := g.BindOne(s).For(g.attributesHere, g.attributesAbove); b != nil {
		g.holdings = append(g.holdings, resolve.Holding{Source: b, Windows: windows})
	}
}

// Sources returns the origins of the grants of the organization's users.
func (v *View) Sources(organization string) *Sources {
	o := v.at(organization)
	return &Sources{
		Index: v.index, Namespace: v.index.Namespace(organization), Rules: o.rules, Applications: o.applications, Bound: o.bound,
	}
}

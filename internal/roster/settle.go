package roster

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// UserChange is a change of one user's decision.
type UserChange struct {
	Difference
	// Causes are the objects whose change caused this change. They do not include the causes of a rules change in
	// the organization. Causes is empty if only time passed.
	Causes []Object
}

// RulesChange is a change that applies to all users of an organization: to its list of named applications and,
// if Rules is set, also to its rules or to whether it is an organization at all.
type RulesChange struct {
	Organization string
	Rules        bool
	// Began reports whether the namespace became an organization, or ceased to be one.
	Began  bool
	Causes []Object
}

// Changes holds the effects of all objects set, and of the time passed, since the last call of [Roster.Settle].
type Changes struct {
	// View is the new view.
	View  *View
	Users []UserChange
	Rules []RulesChange
	// Applications are the ApplicationAccess objects that were created, changed or deleted.
	Applications []Object
	// Accounts are the users whose UserAccess objects were created, changed or deleted.
	Accounts []Account
	// Objects are the objects whose status may differ, sorted.
	Objects []Object
	// Renewed are the current versions of the objects that were set again with the same spec, in no particular
	// order. Their metadata or status differs.
	Renewed []client.Object
}

// clockUnrest is the largest step back of the clock that the roster ignores.
const clockUnrest = 2 * time.Second

// Settle decides for all users that are affected by the objects set since the last call, or by a window that
// opens or closes by the instant now. The result becomes the [View] of the roster. The cost grows with the
// number of these users. A panic ends the process even if the caller recovers panics. Otherwise the record of
// what the objects affect would be lost.
func (r *Roster) Settle(now time.Time) Changes {
	r.settling.Lock()
	defer r.settling.Unlock()
	defer func() {
		if failure := recover(); failure != nil {
			go panic(failure)
			select {}
		}
	}()
	r.mu.Lock()
	touched, objects := r.layer.Take(), r.layer.Freeze()
	r.mu.Unlock()

	s := newSettlement(r.View(), objects, touched)
	if r.limitFirst || !s.now.IsZero() {
		s.budgets = newBudgets(r.evaluations)
	}
	s.setTime(now.UTC().Truncate(time.Second)) // the resolution of windows
	s.settle()
	r.view.Store(s.changes.View)
	if len(s.empty) > 0 {
		r.mu.Lock()
		for _, name := range s.empty {
			r.layer.Forget(name)
		}
		r.mu.Unlock()
	}
	return s.changes
}

// settlement computes the next view.
type settlement struct {
	View
	budgets budgets
	mine    map[string]struct{} // organizations that no view shares yet
	touched *index.Touched
	woken   map[string]map[string]struct{} // by namespace: users with a window that has opened or closed
	empty   []string                       // namespaces without any remaining data
	changes Changes
}

func newSettlement(before *View, objects *index.Index, touched *index.Touched) *settlement {
	s := &settlement{
		View: *before, mine: map[string]struct{}{}, touched: touched, woken: map[string]map[string]struct{}{},
	}
	s.organizations.Share()
	s.entered.Share()
	s.conflicts.Share()
	s.timed.Share()
	s.unfinished.Share()
	s.index = objects
	if s.index.System().Known() && !before.index.System().Known() {
		// The system namespace now exists, so the documents in it can be written.
		for user := range s.entered.Keys() {
			touched.Accounts.Add(Account{Namespace: s.SystemNamespace(), User: user})
		}
	}
	return s
}

// setTime marks the users with a window that has opened or closed by the given instant.
func (s *settlement) setTime(now time.Time) {
	before := s.now
	if back := s.now.Sub(now); back > clockUnrest {
		s.decideAllAgain() // the clock went back, so a closed window may be open again
		before = now
		s.touchReviewed(now, s.now)
	} else if back > 0 {
		now = s.now
	}
	if !s.now.IsZero() { // the first settling touches every object anyway
		s.touchReviewed(before, now)
	}
	s.now = now
	for t := range s.timed.All() {
		if t.at.After(now) {
			break
		}
		if s.woken[t.namespace] == nil {
			s.woken[t.namespace] = map[string]struct{}{}
		}
		s.woken[t.namespace][t.user] = struct{}{}
	}
}

// touchReviewed marks the groups whose review becomes due or stops being due after the first instant and not
// after the second.
func (s *settlement) touchReviewed(after, until time.Time) {
	for at, group := range s.index.Reviews(after) {
		if at.After(until) {
			return
		}
		s.touched.TouchReviewed(s.index, group)
	}
}

func (s *settlement) decideAllAgain() {
	for name, n := range s.index.Namespaces() {
		for user := range s.candidates(n) {
			s.touched.Namespace(name).User(user, nil)
		}
	}
}

func (s *settlement) settle() {
	s.settleMemberships()
	for _, name := range s.involved() {
		if n := s.index.Namespace(name); n != nil && !n.AtSystem() {
			s.settleOrganization(n)
		}
	}
	view := s.View
	s.changes.View = &view
	s.changes.Applications = slices.SortedFunc(maps.Keys(s.touched.Applications), Object.Compare)
	s.changes.Accounts = slices.SortedFunc(maps.Keys(s.touched.Accounts), Account.Compare)
	s.changes.Renewed = slices.Collect(maps.Values(s.touched.Renewed))
	s.changes.Objects = slices.SortedFunc(maps.Keys(s.touched.Objects), Object.Compare)
}

// involved lists the namespaces with something to decide, sorted. Only a touched namespace can become an
// organization or cease to be one.
func (s *settlement) involved() []string {
	names := map[string]struct{}{}
	for name := range s.touched.Namespaces {
		names[name] = struct{}{}
	}
	for name := range s.woken {
		names[name] = struct{}{}
	}
	for a := range s.unfinished.All() {
		names[a.Namespace] = struct{}{}
	}
	return slices.Sorted(maps.Keys(names))
}

// own returns the namespace's decisions for modification. It clones them if an earlier view shares them.
func (s *settlement) own(name string) *organization {
	o := s.at(name)
	if _, mine := s.mine[name]; !mine {
		o = o.clone()
		s.organizations.Set(name, o)
		s.mine[name] = struct{}{}
	}
	return o
}

func (s *settlement) settleOrganization(n *index.Namespace) {
	name := n.Name()
	is, was := s.index.IsOrganization(n), s.at(name).rules != nil
	o, t := s.own(name), s.touched.Namespace(name)
	if is != was {
		if is {
			s.organizationCount++
		} else {
			s.organizationCount--
		}
		t.Rules = true
		s.touched.TouchAll(n)
		s.touched.TouchAll(s.index.System()) // their status depends on the set and the number of organizations
	}
	if t.Rules || t.Names {
		s.settleRules(n, o, t, is != was)
	}
	users := slices.Collect(maps.Keys(t.Users))
	for user := range s.woken[name] {
		if _, touched := t.Users[user]; !touched {
			users = append(users, user)
		}
	}
	changed := len(users)
	for user := range s.unfinishedIn(name) {
		_, touched := t.Users[user]
		if _, woken := s.woken[name][user]; !touched && !woken {
			users = append(users, user)
		}
	}
	for i, made := range s.resolveAll(n, o, users, changed) {
		s.decided(n, o, users[i], made)
	}
	if o.rules == nil && o.records.Len() == 0 {
		s.organizations.Delete(name)
		delete(s.mine, name)
		if !n.Known() && n.IsEmpty() {
			s.empty = append(s.empty, name)
		}
	}
}

// unfinishedIn iterates over the users of the organization who have unfinished decisions, sorted.
func (s *settlement) unfinishedIn(organization string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for a := range s.unfinished.From(Account{Namespace: organization}) {
			if a.Namespace != organization || !yield(a.User) {
				return
			}
		}
	}
}

// settleRules rebuilds the organization's rules and its list of applications.
func (s *settlement) settleRules(n *index.Namespace, o *organization, t *index.TouchedNamespace, began bool) {
	rulesChanged := t.Rules && (s.compile(n, o) || began)
	if rulesChanged {
		for user := range s.candidates(n) {
			t.User(user, nil)
		}
	}
	if t.Rules {
		s.touched.TouchAll(n)
	}
	changed := rulesChanged
	if names := s.applicationsOf(n, o); !slices.Equal(names, o.applications) {
		o.applications = names
		changed = true
		touchHidden(o, t)
	}
	if changed {
		causes := slices.SortedFunc(maps.Keys(t.Causes), Object.Compare)
		s.changes.Rules = append(s.changes.Rules, RulesChange{n.Name(), rulesChanged, began, causes})
	}
}

// touchHidden marks the users who lose rows to the bound of docs/rules.md R7. The bound processes the named
// applications in order, so another application may hide other rows.
func touchHidden(o *organization, t *index.TouchedNamespace) {
	for user, rec := range o.records.All() {
		if rec.decision == nil || len(rec.decision.HiddenRows) == 0 { // the system namespace has no decisions
			continue
		}
		t.User(user, nil)
		for cause := range t.Causes {
			t.User(user, index.Causes{cause})
		}
	}
}

// compile rebuilds the organization's rules and reports whether they differ. Other parts of a policy, such as
// its notification channels, do not affect decisions.
func (s *settlement) compile(n *index.Namespace, o *organization) bool {
	publishes := s.index.PublishesUsers(n)
	if !s.index.IsOrganization(n) {
		changed := o.rules != nil
		o.rules, o.publishes, o.bound = nil, publishes, Bindings{}
		return changed
	}
	made := s.index.Rules(n)
	if o.rules != nil && o.publishes == publishes && reflect.DeepEqual(*o.rules.Rules(), made) {
		return false
	}
	o.rules, o.publishes, o.bound = resolve.NewOrganization(made), publishes, Bindings{}
	return true
}

// applicationsOf lists the applications named in the organization.
func (s *settlement) applicationsOf(n *index.Namespace, o *organization) []string {
	if o.rules == nil {
		return nil
	}
	return ApplicationsNamed(s.index, n, o.rules)
}

// ApplicationsNamed lists the applications that objects or rules name in the namespace, sorted.
func ApplicationsNamed(x *index.Index, n *index.Namespace, rules *resolve.Organization) []string {
	names := x.Applications(n)
	for _, e := range rules.Rules().ExclusiveAccess {
		for _, application := range e.Applications {
			names[application] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// candidates returns the users who have, or may have, a decision in the namespace.
func (s *settlement) candidates(n *index.Namespace) map[string]struct{} {
	users := map[string]struct{}{}
	if s.index.IsOrganization(n) || n.AtSystem() {
		users = s.index.Candidates(n)
	}
	for user := range s.Records(n.Name()) {
		users[user] = struct{}{}
	}
	return users
}

// settleMemberships updates the active members of the system namespace, which has no decisions.
func (s *settlement) settleMemberships() {
	n := s.index.System()
	users := s.woken[n.Name()]
	if users == nil {
		users = map[string]struct{}{}
	}
	if t := s.touched.Namespaces[n.Name()]; t != nil {
		for user := range t.Users {
			users[user] = struct{}{}
		}
	}
	if len(users) == 0 {
		return
	}
	o := s.own(n.Name())
	var walk index.Walk
	for user := range users {
		made := &record{}
		made.note(walk.Memberships(n, user), s.now)
		if len(made.groups) == 0 && made.next.IsZero() {
			made = nil
		}
		s.record(n, o, user, made)
	}
}

// decided stores the new record of one user of an organization, and records what differs.
func (s *settlement) decided(n *index.Namespace, o *organization, user string, made *record) {
	var before, after *resolve.Decision
	if old := o.records.Get(user); old != nil && old.decision.Exists {
		before = old.decision
	}
	if made != nil && made.decision.Exists {
		after = made.decision
	}
	if made != nil && made.decision != before && before != nil && same(before, after) && made.decision.Identical(before) {
		// Others refer to before. A decision that was left as it is already belongs to the last view.
		made.decision = before
	}
	s.record(n, o, user, made)
	if same(before, after) {
		return
	}
	s.users += exists(after) - exists(before)
	s.changes.Users = append(s.changes.Users, UserChange{
		Difference{n.Name(), user, before, after}, s.touched.Namespace(n.Name()).Users[user],
	})
	s.noteEntry(n.Name(), user, before, after)
	s.noteConflicts(n.Name(), user, before, after)
	s.touched.TouchUserAccess(n, user)
	if holdsTop(o, before) || holdsTop(o, after) {
		s.touched.TouchPolicy(s.index, n)
	}
}

func exists(d *resolve.Decision) int {
	if d == nil {
		return 0
	}
	return 1
}

func same(a, b *resolve.Decision) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Equal(b))
}

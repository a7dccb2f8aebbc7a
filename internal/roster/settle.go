package roster

import (
	"cmp"
	"container/heap"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/resolve"
)

// UserChange is a decision that changed.
type UserChange struct {
	Difference
	// Causes are the objects whose change led to it, beside those of a change of rules in the organization; none where
	// only time passed.
	Causes []Object
}

// RulesChange says that what holds for all users of an organization changed: the list of its named applications, and
// where Rules is set also its rules, or whether it is an organization at all.
type RulesChange struct {
	Organization string
	Rules        bool
	// Began says that the namespace became an organization, or ceased to be one.
	Began  bool
	Causes []Object
}

// Changes is what came of the objects set, and of the time passed, since the last call of [Roster.Settle].
type Changes struct {
	Users []UserChange
	Rules []RulesChange
	// Applications are the ApplicationAccess objects that came, went or changed.
	Applications []Object
	// Accounts are the users whose UserAccess objects came, went or changed.
	Accounts []Account
	// Objects are those whose status may differ, sorted.
	Objects []Object
	// Renewed are the objects that were set again with the spec that they had, in no order: only their metadata and status
	// can differ.
	Renewed []client.Object
}

// Account is a user as a namespace knows one.
type Account struct {
	Namespace string
	User      string
}

// clockUnrest is how far a clock may step back without meaning it.
const clockUnrest = 2 * time.Second

// Settle decides for everybody whom the objects set since the last call touch, and whose windows open or close by the
// instant now. The cost grows with these users.
func (r *Roster) Settle(now time.Time) Changes {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = now.UTC().Truncate(time.Second) // the resolution of windows
	if back := r.now.Sub(now); back > clockUnrest {
		r.decideAllAgain() // the clock went back: a window that has closed may be open again
	} else if back > 0 {
		now = r.now
	}
	r.now = now
	for len(r.windows) > 0 && !r.windows[0].at.After(now) {
		if w := heap.Pop(&r.windows).(timedUser); w.stands() {
			w.namespace.woken[w.user] = struct{}{}
		}
	}
	var changes Changes
	r.settleMemberships(r.system)
	for _, n := range r.namespaces {
		if n.atSystem {
			continue
		}
		r.settleOrganization(n, &changes)
		if n.isEmpty() {
			delete(r.namespaces, n.name)
		}
	}
	changes.Applications = drain(r.published, Object.compare)
	changes.Accounts = drain(r.accounts, func(a, b Account) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.User, b.User))
	})
	changes.Objects = drain(r.touched, Object.compare)
	changes.Renewed = slices.Collect(maps.Values(r.renewed))
	clear(r.renewed)
	return changes
}

// Next returns the next instant at which the roster must settle again although no object changes; zero: none.
func (r *Roster) Next() time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.windows) == 0 {
		return time.Time{}
	}
	return r.windows[0].at
}

func drain[T comparable](noted set[T], compare func(a, b T) int) []T {
	all := slices.SortedFunc(maps.Keys(noted), compare)
	clear(noted)
	return all
}

func (r *Roster) decideAllAgain() {
	for _, n := range r.namespaces {
		for user := range r.candidates(n) {
			n.dirty[user] = n.dirty[user].with(nil)
		}
	}
}

func (o Object) compare(p Object) int {
	return cmp.Or(strings.Compare(o.Namespace, p.Namespace), strings.Compare(string(o.Kind), string(p.Kind)),
		strings.Compare(o.Name, p.Name))
}

func (r *Roster) settleOrganization(n *namespace, changes *Changes) {
	is := r.isOrganization(n)
	began := is != n.organization
	if began {
		n.organization = is
		n.dirtyRules(Object{})
		r.touchAll(n)
		r.touchAll(r.system) // what is resolved "in some organization", and how many there are
	}
	if n.rulesDirty || n.namesDirty {
		r.settleRules(n, began, changes)
	}
	users := slices.Collect(maps.Keys(n.dirty))
	for user := range n.woken {
		if _, dirty := n.dirty[user]; !dirty {
			users = append(users, user)
		}
	}
	for i, made := range r.resolveAll(n, users) {
		r.decided(n, users[i], made, changes)
	}
	clear(n.dirty)
	clear(n.woken)
}

// settleRules makes the organization's rules and list of applications anew.
func (r *Roster) settleRules(n *namespace, began bool, changes *Changes) {
	rulesChanged := n.rulesDirty && (r.compile(n) || began)
	if rulesChanged {
		for user := range r.candidates(n) {
			n.dirty[user] = n.dirty[user].with(nil)
		}
	}
	if n.rulesDirty {
		r.touchAll(n)
	}
	changed := rulesChanged
	if names := r.applicationsOf(n); !slices.Equal(names, n.applicable) {
		n.applicable = names
		changed = true
		n.touchHidden()
	}
	if changed {
		delete(n.ruleCauses, Object{}) // the namespace itself
		causes := slices.SortedFunc(maps.Keys(n.ruleCauses), Object.compare)
		changes.Rules = append(changes.Rules, RulesChange{n.name, rulesChanged, began, causes})
	}
	n.rulesDirty, n.namesDirty = false, false
	clear(n.ruleCauses)
}

// touchHidden marks the users from whom the bound of docs/rules.md R7 takes rows: it takes the named applications one after
// the other, so another one may hide other rows.
func (n *namespace) touchHidden() {
	for user, rec := range n.records {
		if rec.decision == nil || len(rec.decision.HiddenRows) == 0 { // nothing is decided in the system namespace
			continue
		}
		n.dirty[user] = n.dirty[user].with(nil)
		for cause := range n.ruleCauses {
			n.dirty[user] = n.dirty[user].with(causes{cause})
		}
	}
}

// compile makes the organization's rules anew and says whether they differ. What a policy says besides, such as its
// notification channels, is no reason to decide for anybody.
func (r *Roster) compile(n *namespace) bool {
	publishes := r.publishesUsers(n)
	if !n.organization {
		changed := n.compiled != nil
		n.compiled, n.publishes = nil, publishes
		clear(n.bound)
		return changed
	}
	made := r.rulesOf(n)
	if n.compiled != nil && n.publishes == publishes && reflect.DeepEqual(*n.compiled.Rules(), made) {
		return false
	}
	n.compiled, n.publishes = resolve.NewOrganization(made), publishes
	clear(n.bound)
	return true
}

// isOrganization says whether the namespace is one by what is known now; n.organization is what it was at the last
// settling.
func (r *Roster) isOrganization(n *namespace) bool {
	return !n.atSystem && n.declared > 0 && r.selects(n)
}

func (r *Roster) selects(n *namespace) bool {
	return r.options.Organizations.Empty() || (n.known && r.options.Organizations.Matches(n.labels))
}

func (r *Roster) rulesOf(n *namespace) resolve.Rules {
	made := rules(n.name, n.policy, r.system.policy)
	for name, a := range n.applications {
		if hidesUnmatched(a) {
			made.HideUnmatched = append(made.HideUnmatched, name)
		}
	}
	slices.Sort(made.HideUnmatched)
	return made
}

// applicationsOf lists the applications named in the organization.
func (r *Roster) applicationsOf(n *namespace) []string {
	if !n.organization {
		return nil
	}
	names := maps.Clone(n.named)
	for s := range r.spanning {
		sourceApplications(s, n.name, func(application string) { names[application]++ })
	}
	for _, e := range n.compiled.Rules().ExclusiveAccess {
		for _, application := range e.Applications {
			names[application]++
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// candidates returns everybody for whom there may be something to decide in the organization.
func (r *Roster) candidates(n *namespace) set[string] {
	users := set[string]{}
	for user := range n.records {
		users[user] = struct{}{}
	}
	if !n.organization && !n.atSystem {
		return users
	}
	for user := range n.members {
		users[user] = struct{}{}
	}
	for user := range n.accounts {
		users[user] = struct{}{}
	}
	if n.atSystem {
		return users
	}
	for name, g := range r.system.groups {
		if !g.inert && g.source.Entry(n.name) != nil {
			maps.Copy(users, r.system.transitiveMembers(name))
		}
	}
	for user, a := range r.system.accounts {
		if a.source != nil && a.source.Entry(n.name) != nil {
			users[user] = struct{}{}
		}
	}
	return users
}

// settleMemberships notes who is an active member in the system namespace, where nothing is decided.
func (r *Roster) settleMemberships(n *namespace) {
	users := maps.Clone(n.woken)
	for user := range n.dirty {
		users[user] = struct{}{}
	}
	for user := range users {
		made := &record{}
		made.note(n.memberships(user), r.now)
		if len(made.groups) == 0 && made.next.IsZero() {
			made = nil
		}
		r.record(n, user, made)
	}
	clear(n.dirty)
	clear(n.woken)
}

// decided takes in what was resolved for one user of an organization, and notes what differs.
func (r *Roster) decided(n *namespace, user string, made *record, changes *Changes) {
	var before, after *resolve.Decision
	if old := n.records[user]; old != nil && old.decision.Exists {
		before = old.decision
	}
	if made != nil && made.decision.Exists {
		after = made.decision
	}
	r.record(n, user, made)
	if same(before, after) {
		if made != nil && before != nil && made.decision.Identical(before) {
			made.decision = before // which others hold on to
		}
		return
	}
	if more := exists(after) - exists(before); more != 0 {
		r.users += more
		n.sorted.Store(nil)
	} else if s := n.sorted.Load(); s != nil && s.current {
		n.sorted.Store(&sortedDecisions{s.decisions, false})
	}
	changes.Users = append(changes.Users, UserChange{Difference{n.name, user, before, after}, n.dirty[user]})
	r.noteEntry(n, user, before, after)
	r.noteConflicts(n, user, before, after)
	r.touchUserAccess(n, user)
	if holdsTop(n, before) || holdsTop(n, after) {
		r.touchPolicy(n)
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

package roster

import (
	"maps"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// What follows reads what the last Settle found. Returned objects and decisions are shared and must not be changed.

// SystemNamespace returns the name of the system namespace.
func (r *Roster) SystemNamespace() string { return r.options.SystemNamespace }

// Organizations lists the organizations, sorted.
func (r *Roster) Organizations() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var names []string
	for name, n := range r.namespaces {
		if n.organization {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Organization returns the compiled rules of the organization; nil where the namespace is none.
func (r *Roster) Organization(name string) *resolve.Organization {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[name]; n != nil {
		return n.compiled
	}
	return nil
}

// Applications lists the applications named in the organization, sorted.
func (r *Roster) Applications(organization string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[organization]; n != nil {
		return n.applicable
	}
	return nil
}

// ApplicationAccesses lists the names of the namespace's ApplicationAccess objects, sorted.
func (r *Roster) ApplicationAccesses(namespace string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return slices.Sorted(maps.Keys(n.applications))
	}
	return nil
}

// ApplicationAccess returns the object; nil where there is none.
func (r *Roster) ApplicationAccess(namespace, name string) *accessv1alpha1.ApplicationAccess {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return n.applications[name]
	}
	return nil
}

// UserAccess returns the object; nil where there is none.
func (r *Roster) UserAccess(namespace, name string) *accessv1alpha1.UserAccess {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return n.userAccess[name]
	}
	return nil
}

// Decision returns what the user may do in the organization; nil where there is nothing to decide.
func (r *Roster) Decision(organization, user string) *resolve.Decision {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.decision(organization, user)
}

func (r *Roster) decision(organization, user string) *resolve.Decision {
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return nil
	}
	if rec := n.records[user]; rec != nil && rec.decision.Exists {
		return rec.decision
	}
	return nil
}

// EachDecision calls yield for every user of the organization, in no order. It must not call the roster.
func (r *Roster) EachDecision(organization string, yield func(user string, d *resolve.Decision)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return
	}
	for user, rec := range n.records {
		if rec.decision.Exists {
			yield(user, rec.decision)
		}
	}
}

// Users lists everybody for whom there is something to decide in the organization, sorted.
func (r *Roster) Users(organization string) []string {
	var users []string
	r.EachDecision(organization, func(user string, _ *resolve.Decision) { users = append(users, user) })
	slices.Sort(users)
	return users
}

// Groups lists the AccessGroups of the namespace that the user is an active member of, sorted.
func (r *Roster) Groups(namespace, user string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil && n.records[user] != nil {
		return n.records[user].groups
	}
	return nil
}

// Entry is an organization that a user can enter.
type Entry struct {
	Organization     string
	OrganizationRole string
	NotAfter         time.Time
}

// Entries lists the organizations that the user can enter, sorted.
func (r *Roster) Entries(user string) []Entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entries(user)
}

func (r *Roster) entries(user string) []Entry {
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(r.entered[user])) {
		d := r.entered[user][name].decision
		entries = append(entries, Entry{name, d.OrganizationRole.Role, d.EntersNotAfter})
	}
	return entries
}

// Accounts lists the users of whom the namespace has a UserAccess, sorted.
func (r *Roster) Accounts(namespace string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil {
		return slices.Sorted(maps.Keys(n.accounts))
	}
	return nil
}

// Ownership says whose documents a namespace should hold of a user, and who owns them.
type Ownership struct {
	// Reason says whether there is a reason for a document: in an organization a decision, in the system namespace two
	// or more organizations to enter.
	Reason bool
	// Materialize says whether a UserAccess is to be materialized: there is a reason beside a declared UserAccess, and
	// no declared one.
	Materialize bool
	// Owner is the UserAccess that owns the documents: the declared one that counts, else the materialized one.
	Owner *accessv1alpha1.UserAccess
	// Materialized is the materialized UserAccess, where there is one.
	Materialized *accessv1alpha1.UserAccess
	// Terminating says whether the namespace is being deleted.
	Terminating bool
}

// Ownership returns what is to be done about the user's documents in the namespace.
func (r *Roster) Ownership(namespace, user string) Ownership {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil {
		return Ownership{}
	}
	o := Ownership{Terminating: n.terminating}
	held := false
	if n.atSystem {
		o.Reason = len(r.entered[user]) >= 2
		held = o.Reason
	} else if d := r.decision(namespace, user); d != nil {
		o.Reason, held = true, d.Held
	}
	a := n.accounts[user]
	o.Materialize = held && !a.takesOver()
	if a == nil {
		return o
	}
	o.Materialized = a.materialized
	switch counting := a.counting(); {
	case a.takesOver():
		o.Owner = counting
	case a.materialized != nil && a.materialized.DeletionTimestamp == nil:
		o.Owner = a.materialized
	case counting != nil && !o.Materialize:
		o.Owner = counting
	}
	return o
}

// PublishesUsers says whether user documents are published in the organization.
func (r *Roster) PublishesUsers(organization string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil {
		return false
	}
	p := n.policy
	if p == nil {
		p = r.system.policy
	}
	return p == nil || p.Spec.UserConfigMaps != accessv1alpha1.UserConfigMapsDisabled
}

// Terminating says whether the namespace is being deleted.
func (r *Roster) Terminating(namespace string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	return n != nil && n.terminating
}

package roster

import accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"

// Ownership says whose documents a namespace should hold of a user, and who owns them.
type Ownership struct {
	// Reason says whether there is a reason for a document: in an organization a decision, in the system namespace two
	// or more organizations to enter.
	Reason bool
	// Materialize says whether a UserAccess is to be materialized: there is a reason beside a declared UserAccess, and
	// no declared one.
	Materialize bool
	// Owner is the UserAccess that owns the documents: the declared one that counts, else the materialized one; one that
	// is being deleted only where there is no other.
	Owner *accessv1alpha1.UserAccess
	// Materialized is the materialized UserAccess, where there is one.
	Materialized *accessv1alpha1.UserAccess
}

// Ownership returns what is to be done about the user's documents in the namespace.
func (r *Roster) Ownership(namespace, user string) Ownership {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil {
		return Ownership{}
	}
	var o Ownership
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
	case counting != nil:
		o.Owner = counting
	default:
		o.Owner = a.materialized
	}
	return o
}

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
func (v *View) Ownership(namespace, user string) Ownership {
	n := v.index.Namespace(namespace)
	if n == nil {
		return Ownership{}
	}
	var o Ownership
	held := false
	if n.AtSystem() {
		o.Reason = len(v.entered.Get(user)) >= 2
		held = o.Reason
	} else if d := v.Decision(namespace, user); d != nil {
		o.Reason, held = true, d.Held
	}
	a := n.Account(user)
	o.Materialize = held && !a.TakesOver()
	if a == nil {
		return o
	}
	o.Materialized = a.Materialized
	switch counting := a.Counting(); {
	case a.TakesOver():
		o.Owner = counting
	case a.Materialized != nil && a.Materialized.DeletionTimestamp == nil:
		o.Owner = a.Materialized
	case counting != nil:
		o.Owner = counting
	default:
		o.Owner = a.Materialized
	}
	return o
}

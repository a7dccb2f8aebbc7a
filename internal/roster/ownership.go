package roster

import accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"

// Ownership is the desired state of a user's documents in a namespace: whether to publish them, and which object
// owns them.
type Ownership struct {
	// Reason reports whether the user needs documents. An organization needs a decision for the user. The system
	// namespace needs two or more organizations that the user can enter.
	Reason bool
	// Materialize reports whether to materialize a UserAccess: the user needs documents for a reason other than a
	// declared UserAccess, and no UserAccess is declared.
	Materialize bool
	// Owner is the UserAccess that owns the documents: the declared one that counts, else the materialized one. An
	// object that is being deleted is the owner only if there is no other.
	Owner *accessv1alpha1.UserAccess
	// Materialized is the materialized UserAccess, or nil if there is none.
	Materialized *accessv1alpha1.UserAccess
}

// Ownership returns the desired state of the user's documents in the namespace.
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

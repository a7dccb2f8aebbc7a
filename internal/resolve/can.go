package resolve

import (
	"slices"
	"time"
)

// Question asks whether a user may do something in an application: whether the user has the permission, or where Role is
// set, whether the user has that role or a higher one.
type Question struct {
	Application string
	Permission  string
	Role        string
}

// Reason says why the answer to a [Question] is as it is.
type Reason string

// The reasons. Of those that hold the first is given; all but ReasonHeld are denials.
const (
	// ReasonNothing: nothing is decided for the user in the organization.
	ReasonNothing Reason = "Nothing"
	// ReasonNoAccess: the user has no access to the application. Rule and Source of the answer say why.
	ReasonNoAccess Reason = "NoAccess"
	// ReasonEnded: NotAfter of the access has come, and nothing was decided since.
	ReasonEnded Reason = "Ended"
	// ReasonUnknown: the application ladder has no such permission, or no such role above NoAccess.
	ReasonUnknown Reason = "Unknown"
	// ReasonNotHeld: the user's role does not have the permission, or is below the role that is asked for.
	ReasonNotHeld Reason = "NotHeld"
	// ReasonHeld: the user's role has the permission, or is the role that is asked for or a higher one.
	ReasonHeld Reason = "Held"
)

// Answer is the answer to a [Question].
type Answer struct {
	Allowed bool
	Reason  Reason
	// Access is what the user has in the application: role, rule, source, filters and NotAfter. An answer that allows
	// something does so for the rows that pass every filter, and before NotAfter. Where nothing is decided for the user,
	// Access is that of [Nothing]. It must not be changed.
	Access *Access
}

// Can answers whether a user may do something in the organization at the instant t. It is the one place that does.
//
// The decision is the user's in this organization, and nil where there is none. It stands until something that bears on it
// changes, but no access outlives its NotAfter: then the answer is no, as with readers of documents. An application of which
// the decision says nothing has the default access; whether anything names it is for the caller to know. Whether any row
// is left is not asked: see [ShowNoRow].
//
// In doubt the answer is no. The cost is that of finding the application and the permission.
func (o *Organization) Can(d *Decision, q Question, t time.Time) Answer {
	if d == nil || !d.Exists {
		return Answer{Reason: ReasonNothing, Access: &Nothing().Default}
	}
	answer := Answer{Access: d.Application(q.Application)}
	switch {
	case !answer.Access.GivesAccess():
		answer.Reason = ReasonNoAccess
	case answer.Access.hasEnded(t):
		answer.Reason = ReasonEnded
	case !o.knows(q):
		answer.Reason = ReasonUnknown
	case !o.answers(answer.Access.Role, q):
		answer.Reason = ReasonNotHeld
	default:
		answer.Allowed, answer.Reason = true, ReasonHeld
	}
	return answer
}

// knows reports whether the application ladder has what is asked for.
func (o *Organization) knows(q Question) bool {
	if q.Role != "" {
		return q.Role != NoAccess && o.HasApplicationRole(q.Role)
	}
	return o.HasPermission(q.Permission)
}

// answers reports whether the role has the permission, or is the role that is asked for or a higher one. A role that is not
// on the ladder, which has changed since the decision, has and is nothing.
func (o *Organization) answers(role string, q Question) bool {
	if q.Role != "" {
		return o.HasApplicationRole(role) && o.applicationRung(role) <= o.applicationRung(q.Role)
	}
	return holds(o.Permissions(role), q.Permission)
}

// HasPermission reports whether a role of the application ladder has the permission.
func (o *Organization) HasPermission(permission string) bool {
	return len(o.permissions) > 0 && holds(o.permissions[0], permission) // the highest role has all of them
}

// holds reports whether the list, which is sorted, has the permission.
func holds(sorted []string, permission string) bool {
	_, found := slices.BinarySearch(sorted, permission)
	return found
}

// hasEnded reports whether NotAfter has come at the instant t.
func (o *Outcome) hasEnded(t time.Time) bool { return !o.NotAfter.IsZero() && !t.Before(o.NotAfter) }

// ShowNoRow reports whether one of the filters lets no row pass.
func ShowNoRow(filters []Filter) bool {
	return slices.ContainsFunc(filters, func(f Filter) bool { return len(f.AnyOf) == 0 })
}

package resolve

import (
	"slices"
	"time"
)

// Question asks whether a user may do something in an application. If Role is set, it asks whether the user has
// that role or a higher one. Otherwise it asks whether the user has the permission.
type Question struct {
	Application string
	Permission  string
	Role        string
}

// Reason is the reason of the answer to a [Question].
type Reason string

// The reasons. If several hold, the first one is reported. All but ReasonHeld are denials.
const (
	// ReasonNothing is given if nothing is decided for the user in the organization.
	ReasonNothing Reason = "Nothing"
	// ReasonNoAccess is given if the user has no access to the application. Rule and Source of the answer's Access
	// give the reason.
	ReasonNoAccess Reason = "NoAccess"
	// ReasonEnded is given if NotAfter of the access has passed and no newer decision exists.
	ReasonEnded Reason = "Ended"
	// ReasonUnknown is given if the application ladder has no such permission, or no such role above NoAccess.
	ReasonUnknown Reason = "Unknown"
	// ReasonNotHeld is given if the user's role does not have the permission, or is below the requested role.
	ReasonNotHeld Reason = "NotHeld"
	// ReasonHeld is given if the user's role has the permission, or is the requested role or a higher one.
	ReasonHeld Reason = "Held"
)

// Answer is the answer to a [Question].
type Answer struct {
	Allowed bool
	Reason  Reason
	// Access is the user's access to the application: role, rule, source, filters and NotAfter. A positive answer
	// covers the rows that pass every filter, until NotAfter. If nothing is decided for the user, Access is the
	// default access of [Nothing]. It must not be changed.
	Access *Access
}

// Can answers whether the user may do something in the organization at the instant t. All such questions are
// answered here and nowhere else.
//
// The decision is the user's decision in this organization, or nil if there is none. It is valid until something
// that affects it changes, but no access is valid from its NotAfter on. Then the answer is no, as it is for
// readers of documents. An application that the decision does not list has the default access. The caller must
// know whether anything names the application. Can does not check whether any row is visible: see [ShowNoRow].
//
// In doubt the answer is no. The cost is one lookup of the application and one of the permission.
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

// knows reports whether the application ladder has the requested role or permission.
func (o *Organization) knows(q Question) bool {
	if q.Role != "" {
		return q.Role != NoAccess && o.HasApplicationRole(q.Role)
	}
	return o.HasPermission(q.Permission)
}

// answers reports whether the role has the permission, or is the requested role or a higher one. It returns false
// for a role that is no longer on the ladder because the ladder has changed since the decision.
func (o *Organization) answers(role string, q Question) bool {
	if q.Role != "" {
		return o.HasApplicationRole(role) && o.applicationRung(role) <= o.applicationRung(q.Role)
	}
	return holds(o.Permissions(role), q.Permission)
}

// HasPermission reports whether any role of the application ladder has the permission.
func (o *Organization) HasPermission(permission string) bool {
	return len(o.permissions) > 0 && holds(o.permissions[0], permission) // the highest role has all of them
}

// holds reports whether the sorted list contains the permission.
func holds(sorted []string, permission string) bool {
	_, found := slices.BinarySearch(sorted, permission)
	return found
}

// hasEnded reports whether NotAfter has passed at the instant t.
func (o *Outcome) hasEnded(t time.Time) bool { return !o.NotAfter.IsZero() && !t.Before(o.NotAfter) }

// ShowNoRow reports whether one of the filters lets no row pass.
func ShowNoRow(filters []Filter) bool {
	return slices.ContainsFunc(filters, func(f Filter) bool { return len(f.AnyOf) == 0 })
}

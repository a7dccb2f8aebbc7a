package notify

import (
	"maps"
	"slices"
	"time"
)

// ChangeKind says what became of a role.
type ChangeKind string

// The kinds of changes. A role that stays as it is and is only told of is Unchanged.
const (
	Granted   ChangeKind = "Granted"
	Changed   ChangeKind = "Changed"
	Revoked   ChangeKind = "Revoked"
	Expiring  ChangeKind = "Expiring"
	Unchanged ChangeKind = "Unchanged"
)

// Scope says where a role holds.
type Scope string

// The scopes of roles.
const (
	ScopeOrganization Scope = "Organization"
	ScopeApplication  Scope = "Application"
	ScopeDefault      Scope = "OtherApplications"
)

// Change is what became of one role of a user.
type Change struct {
	Kind  ChangeKind `json:"kind"`
	Scope Scope      `json:"scope"`
	// Application is set in the scope of one.
	Application string `json:"application,omitempty"`
	// Title is what to call the application; empty: its name.
	Title string `json:"-"`
	// Before and After are names of roles, NoAccess where there was or is none. What a role that is about to end falls to
	// is not known yet: After is empty.
	Before string `json:"before"`
	After  string `json:"after,omitempty"`
	// Until is when the role that there is ends, UntilBefore when the one that there was would have; zero: never.
	Until       time.Time `json:"until,omitzero"`
	UntilBefore time.Time `json:"untilBefore,omitzero"`
	// Source is what gives the role that there is, or gave the one that there was: Kind/namespace/name.
	Source string `json:"source,omitempty"`
}

// changes lists what differs between two accesses, in the order in which it is told: the organization, applications by
// name, all others. Which object gives a role is no difference, nor which rows it extends to.
func changes(before, after *Access) []Change {
	var found []Change
	note := func(scope Scope, application string, was, is Role) {
		if kind := kindOf(was, is); kind != Unchanged {
			found = append(found, change(kind, scope, application, was, is))
		}
	}
	note(ScopeOrganization, "", before.Organization, after.Organization)
	names := map[string]struct{}{}
	for _, a := range []*Access{before, after} {
		for name := range a.Applications {
			names[name] = struct{}{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		note(ScopeApplication, name, before.in(name), after.in(name))
	}
	note(ScopeDefault, "", before.Default, after.Default)
	return found
}

func kindOf(was, is Role) ChangeKind {
	switch {
	case was.name() == is.name() && was.Until.Equal(is.Until):
		return Unchanged
	case was.name() == noAccess:
		return Granted
	case is.name() == noAccess:
		return Revoked
	default:
		return Changed
	}
}

func change(kind ChangeKind, scope Scope, application string, was, is Role) Change {
	c := Change{
		Kind: kind, Scope: scope, Application: application, Before: was.name(), After: is.name(),
		Until: is.Until, UntilBefore: was.Until, Source: is.Source,
	}
	if kind == Revoked {
		c.Source = was.Source
	}
	return c
}

// standing lists every role that gives access, as it is.
func standing(a *Access) []Change {
	found := changes(none, a)
	for i := range found {
		found[i].Kind, found[i].Before, found[i].UntilBefore = Unchanged, found[i].After, found[i].Until
	}
	return found
}

// expiring lists the roles that end after one instant and not after the other.
func expiring(a *Access, after, until time.Time) []Change {
	found := standing(a)
	found = slices.DeleteFunc(found, func(c Change) bool { return !c.Until.After(after) || c.Until.After(until) })
	for i := range found {
		found[i].Kind, found[i].After = Expiring, ""
	}
	return found
}

package notify

import (
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/delivery"
)

// changes lists the differences between two accesses: the organization, applications by name, all other applications. The
// objects that grant a role make no difference.
func changes(before, after *Access) []delivery.Change {
	var found []delivery.Change
	add := func(scope delivery.Scope, application string, before, after Role) {
		kind := kindOf(before, after)
		if kind == delivery.Unchanged {
			return
		}
		c := delivery.Change{
			Kind: kind, Scope: scope, Application: application, Before: before.name(), After: after.name(),
			Until: after.Until, UntilBefore: before.Until, Source: after.Source,
		}
		if kind == delivery.Revoked {
			c.Source = before.Source
		}
		found = append(found, c)
	}
	add(delivery.ScopeOrganization, "", before.Organization, after.Organization)
	names := slices.AppendSeq(slices.Collect(maps.Keys(before.Applications)), maps.Keys(after.Applications))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		add(delivery.ScopeApplication, name, before.in(name), after.in(name))
	}
	add(delivery.ScopeDefault, "", before.Default, after.Default)
	return found
}

func kindOf(before, after Role) delivery.ChangeKind {
	switch {
	case before.name() == after.name() && before.Until.Equal(after.Until):
		return delivery.Unchanged
	case before.name() == delivery.NoAccess:
		return delivery.Granted
	case after.name() == delivery.NoAccess:
		return delivery.Revoked
	default:
		return delivery.Changed
	}
}

// roles lists the roles that give access.
func roles(a *Access) []delivery.Change {
	found := changes(none, a)
	for i := range found {
		found[i].Kind, found[i].Before, found[i].UntilBefore = delivery.Unchanged, found[i].After, found[i].Until
	}
	return found
}

// expiring lists the roles that end after one instant and not after the other.
func expiring(a *Access, after, until time.Time) []delivery.Change {
	found := slices.DeleteFunc(roles(a), func(c delivery.Change) bool { return !c.Until.After(after) || c.Until.After(until) })
	for i := range found {
		found[i].Kind, found[i].After = delivery.Expiring, ""
	}
	return found
}

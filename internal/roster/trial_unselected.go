package roster

import (
	"maps"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// reachUnselected marks the users whom a change in the system namespace touches in namespaces that are no organization:
// those that hold objects, and those that a source of one of the users names. What is given there counts as soon as the
// namespace is one, and nobody is asked then.
func (t *trial) reachUnselected() {
	if t.object.Namespace != t.system.name || len(t.system.dirty) == 0 {
		return
	}
	named := t.namedBySystem()
	delete(named, resolve.AnyApplication)
	for name := range named {
		t.namespace(name) // it need not exist
	}
	for _, n := range t.namespaces {
		if n.atSystem || n.organization {
			continue
		}
		if _, is := named[n.name]; n.declared > 0 || is {
			maps.Copy(n.dirty, t.system.dirty)
		}
	}
}

// namedBySystem returns the namespaces that an entry of an object in the system namespace names, before or after the
// change.
func (t *trial) namedBySystem() set[string] {
	named := set[string]{}
	var before []accessv1alpha1.SystemGrant
	switch was := t.before.(type) {
	case *accessv1alpha1.AccessGroup:
		before = was.Spec.SystemAccess
	case *accessv1alpha1.UserAccess:
		before = was.Spec.SystemAccess
	}
	for i := range before {
		named[string(before[i].Organization)] = struct{}{}
	}
	for _, g := range t.system.groups {
		for i := range g.source.System {
			named[g.source.System[i].Organization] = struct{}{}
		}
	}
	for _, a := range t.system.accounts {
		if a.source == nil {
			continue
		}
		for i := range a.source.System {
			named[a.source.System[i].Organization] = struct{}{}
		}
	}
	return named
}

// candidatesAsIf returns everybody for whom there may be something to decide if the namespace were an organization.
func (t *trial) candidatesAsIf(n *namespace) set[string] {
	organization := n.organization
	n.organization = true
	defer func() { n.organization = organization }()
	return t.candidates(n)
}

package preview

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// reachUnselected marks the users that a change in the system namespace affects in namespaces that are not
// organizations. These are the namespaces that hold objects, and those that a source of one of the users names.
// Grants there take effect as soon as the namespace becomes an organization, and no admission
// review takes place at that time.
func (p *preview) reachUnselected(layer *index.Layer) {
	system := p.view.SystemNamespace()
	touched := layer.Touched()
	if t := touched.Namespaces[system]; p.object.Namespace != system || t == nil || len(t.Users) == 0 {
		return
	}
	named := p.namedBySystem(layer)
	delete(named, resolve.AnyApplication)
	delete(named, "") // entries with a selector name no organization
	for name := range named {
		layer.Ensure(name) // the namespace need not exist
	}
	users := touched.Namespaces[system].Users
	for name, n := range layer.Namespaces() {
		if n.AtSystem() || p.view.Organization(name) != nil {
			continue
		}
		if _, is := named[name]; n.HasDeclared() || is {
			for user, causes := range users {
				touched.Namespace(name).User(user, causes)
			}
		}
	}
}

// namedBySystem returns the namespaces that an entry of an object in the system namespace names, before or after the
// change.
func (p *preview) namedBySystem(layer *index.Layer) map[string]struct{} {
	named := map[string]struct{}{}
	var before []accessv1alpha1.SystemGrant
	switch was := p.was.(type) {
	case *accessv1alpha1.AccessGroup:
		before = was.Spec.SystemAccess
	case *accessv1alpha1.UserAccess:
		before = was.Spec.SystemAccess
	}
	for i := range before {
		named[string(before[i].Organization)] = struct{}{}
	}
	note := func(s *resolve.Source) {
		for i := range s.System {
			named[s.System[i].Organization] = struct{}{}
		}
	}
	for _, g := range layer.System().Groups() {
		note(g.Source)
	}
	for _, a := range layer.System().Accounts() {
		if a.Source != nil {
			note(a.Source)
		}
	}
	return named
}

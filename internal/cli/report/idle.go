package report

import (
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// addIdle lists the selectors that select nothing and the attributes that no member of a group has.
func (a *Audit) addIdle(w *source.World, namespaces []string) {
	for i := range w.Set.Objects {
		if o := w.Set.Objects[i].Object; slices.Contains(namespaces, o.GetNamespace()) {
			a.Hints = append(a.Hints, idle(w, o)...)
		}
	}
}

// idle returns remarks on probable mistakes in the selectors and attributes that the object refers to: a selector
// that selects nothing, and an attribute that no active member of the group has.
func idle(w *source.World, o client.Object) []query.Remark {
	f := &idleFinder{world: w, object: o}
	switch each := o.(type) {
	case *accessv1alpha1.AccessGroup:
		f.sources(each.Spec.Type == accessv1alpha1.GroupTypeSystem, each.Spec.ApplicationSelectors, each.Spec.SystemAccess,
			each.Spec.SystemAccessSelectors)
		if each.Spec.Type != accessv1alpha1.GroupTypeSystem {
			f.attributes(each)
		}
	case *accessv1alpha1.UserAccess:
		f.sources(each.Namespace == w.SystemNamespace(), each.Spec.ApplicationSelectors, each.Spec.SystemAccess,
			each.Spec.SystemAccessSelectors)
	}
	return f.found
}

// idleFinder collects the remarks on one object.
type idleFinder struct {
	world  *source.World
	object client.Object
	found  []query.Remark
}

func (f *idleFinder) add(field, format string, args ...any) {
	f.found = append(f.found, query.Remark{Object: objects.Name(f.object), Field: field, Message: fmt.Sprintf(format, args...)})
}

func (f *idleFinder) sources(
	atSystem bool, own []accessv1alpha1.ApplicationSelectorGrant, entries []accessv1alpha1.SystemGrant,
	selectors []accessv1alpha1.SystemSelectorGrant,
) {
	if !atSystem {
		f.applications("spec", own, []string{f.object.GetNamespace()})
		return
	}
	if f.world.IsPartial() {
		return // most organizations were not read
	}
	all := f.world.Organizations()
	for i := range entries {
		e := &entries[i]
		in := all
		if e.Organization != accessv1alpha1.All {
			in = []string{string(e.Organization)}
		}
		f.applications(fmt.Sprintf("spec.systemAccess[%s]", e.Organization), e.ApplicationSelectors, in)
	}
	for i := range selectors {
		e := &selectors[i]
		path := fmt.Sprintf("spec.systemAccessSelectors[%d]", i)
		var in []string
		for _, organization := range all {
			if f.world.Selects(&e.Selector, f.world.Index().Namespace(organization).Labels()) {
				in = append(in, organization)
			}
		}
		if len(in) == 0 {
			f.organizations(path, &e.Selector)
			continue
		}
		f.applications(path, e.ApplicationSelectors, in)
	}
}

// organizations adds a remark for a selector that selects no organization. Files without Namespace objects contain
// no labels to check.
func (f *idleFinder) organizations(path string, s *accessv1alpha1.LabelSelector) {
	known := false
	for _, n := range f.world.Index().Namespaces() {
		known = known || n.Known()
	}
	if known {
		f.add(path+".selector", "%s: no namespace of an organization has such labels, so the entry gives nothing; "+
			"correct the selector, or label the namespaces", query.SelectorText(s))
	}
}

func (f *idleFinder) applications(path string, grants []accessv1alpha1.ApplicationSelectorGrant, in []string) {
	for i := range grants {
		s := &grants[i].Selector
		if !slices.ContainsFunc(in, func(organization string) bool { return selectsIn(f.world, organization, s) }) {
			f.add(fmt.Sprintf("%s.applicationSelectors[%d].selector", path, i),
				"%s: no ApplicationAccess in %s has such labels, so the entry gives nothing; correct the selector, or label the "+
					"ApplicationAccess objects", query.SelectorText(s), words.Some(in))
		}
	}
}

// selectsIn reports whether the selector selects an application of the organization.
func selectsIn(w *source.World, organization string, s *accessv1alpha1.LabelSelector) bool {
	namespace := w.Index().Namespace(organization)
	for name := range namespace.Applications() {
		if w.Selects(s, namespace.Application(name).Labels) {
			return true
		}
	}
	return false
}

// attributes adds a remark for each attribute that no active member of the group has.
func (f *idleFinder) attributes(g *accessv1alpha1.AccessGroup) {
	var members []string
	read := false
	for i := range g.Spec.DataPermissions {
		p := &g.Spec.DataPermissions[i]
		for _, name := range slices.Sorted(maps.Keys(query.AttributeNames(p))) {
			if !read {
				members, read = f.world.ActiveMembers(roster.ObjectOf(g)), true
			}
			has := func(user string) bool { return query.AttributeOf(f.world, g.Namespace, user, name).Source != "" }
			if len(members) > 0 && !slices.ContainsFunc(members, has) {
				f.add(fmt.Sprintf("spec.dataPermissions[%s]", p.Application), "userAttribute %s: none of %s has this attribute, so they "+
					"see no row by it; correct the name, or add the attribute to spec.attributes of their UserAccess", name,
					words.Counted(len(members), "member", "members"))
			}
		}
	}
}

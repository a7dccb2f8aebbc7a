package validation

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// selections maps the text of a selector to its terms. The text is the selector as kubectl writes it.
type selections map[string][]string

// textOf returns the text of the selector, and whether it selects anything. A nil selector selects everything and
// has an empty text.
func (s selections) textOf(selector resolve.Selector) (text string, selects bool) {
	if selector == nil {
		return "", true
	}
	terms, is := selector.(interface {
		Requirements() (labels.Requirements, bool)
	})
	if !is {
		return "", false
	}
	requirements, selects := terms.Requirements()
	if !selects || len(requirements) == 0 {
		return "", false // a selector without terms selects nothing
	}
	text = labels.NewSelector().Add(requirements...).String()
	if _, known := s[text]; !known {
		s[text] = termsOf(requirements)
	}
	return text, true
}

// covers reports whether the first grant gives the role wherever the second does. In doubt it returns false.
func (s selections) covers(wide, narrow grant) bool {
	return wide.organization == narrow.organization && wide.resource == narrow.resource &&
		wide.application == narrow.application && wide.role == narrow.role &&
		s.within(narrow.organizations, wide.organizations) && s.within(narrow.applications, wide.applications)
}

// within reports whether the wide selector selects everything that the narrow one selects. It compares term by
// term: a selector with all terms of another one selects no more than that one.
func (s selections) within(narrow, wide string) bool {
	switch {
	case narrow == wide || wide == "":
		return true
	case narrow == "":
		return false
	default:
		return !slices.ContainsFunc(s[wide], func(term string) bool { return !slices.Contains(s[narrow], term) })
	}
}

func termsOf(requirements labels.Requirements) []string {
	terms := make([]string, len(requirements))
	for i := range requirements {
		terms[i] = requirements[i].String()
	}
	return terms
}

// organizationsOf returns the organizations that a source in the system namespace names or currently selects.
func (d *declarer) organizationsOf(s *resolve.Source) []string {
	if known, is := d.named[s]; is {
		return known
	}
	var names []string
	for i := range s.System {
		e := &s.System[i]
		if e.Selector == nil {
			names = append(names, e.Organization)
			continue
		}
		for name, n := range d.view.Index().Namespaces() {
			if !n.AtSystem() && e.Selector.Selects(n.Labels()) {
				names = append(names, name)
			}
		}
	}
	d.named[s] = names
	return names
}

// labelled requires the rights to the roles that selectors give in the application by its labels after the change,
// but not before it. It also covers roles that something hides from the user at the moment: what hides them may
// end at the same time.
func (d *declarer) labelled(u *preview.Affected) {
	before := d.inApplication(u.Before.Declared, d.request.Old != nil, d.oldLabels())
	after := d.inApplication(u.After.Declared, d.request.New != nil, d.newLabels())
	for _, each := range after {
		var had []resolve.Window
		for _, other := range before {
			if other.role == each.role {
				had = append(had, other.windows...)
			}
		}
		if slices.ContainsFunc(each.windows, func(w resolve.Window) bool { return !covered(w, had) }) {
			d.requireDeclared(u, grant{
				organization: d.object.Namespace, resource: ResourceApplicationRoles, application: d.object.Name, role: each.role,
			}, each.source)
		}
	}
}

func (d *declarer) newLabels() map[string]string {
	if d.request.New == nil {
		return nil
	}
	return d.request.New.GetLabels()
}

// inApplication is a role that a source gives in the application of the request, with its windows.
type inApplication struct {
	source  *resolve.Source
	role    string
	windows []resolve.Window
}

// inApplication returns the roles that the sources give in the application by its name and, if it exists, by its
// labels.
func (d *declarer) inApplication(declared []preview.Declaration, exists bool, of map[string]string) []inApplication {
	var all []inApplication
	for i := range declared {
		s := declared[i].Source
		for w := range s.WrittenIn(d.placeOf(d.object.Namespace)) {
			bySelector := w.Applications != nil && exists && w.Applications.Selects(of)
			if gives(w.Role) && (bySelector || (w.Applications == nil && w.Application == d.object.Name)) {
				all = append(all, inApplication{s, w.Role, opened(w.Window, declared[i].Windows)})
			}
		}
	}
	return all
}

package query

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Selection describes how an entry of a source selects an application or an organization by labels. Its JSON is a
// contract.
type Selection struct {
	// Field is the selector in the source, such as spec.applicationSelectors[0].selector.
	Field    string `json:"field"`
	Selector string `json:"selector"`
	// Object is the selected object: an ApplicationAccess or a Namespace.
	Object string `json:"object"`
	// Labels are the labels of the object that the selector refers to.
	Labels map[string]string `json:"labels"`
}

// LabelsText returns the labels of the object that the selector refers to, as text.
func (s *Selection) LabelsText() string {
	if len(s.Labels) == 0 {
		return "no such label"
	}
	return labels.FormatLabels(s.Labels)
}

// Name returns the name of the object, without its kind and namespace.
func (s *Selection) Name() string { return s.Object[strings.LastIndex(s.Object, "/")+1:] }

// SelectorText returns the selector in the syntax of the kubectl flag --selector. A selector without terms selects
// nothing.
func SelectorText(s *accessv1alpha1.LabelSelector) string {
	return cmp.Or(roster.Selector(s).String(), "no labels")
}

func newSelection(field string, s *accessv1alpha1.LabelSelector, object string, of map[string]string) *Selection {
	made := &Selection{Field: field, Selector: SelectorText(s), Object: object, Labels: map[string]string{}}
	note := func(key string) {
		if value, has := of[key]; has {
			made.Labels[key] = value
		}
	}
	for key := range s.MatchLabels {
		note(key)
	}
	for i := range s.MatchExpressions {
		note(string(s.MatchExpressions[i].Key))
	}
	return made
}

// giving is an entry of a source that applies in an organization: an entry of a group of the organization, of a
// UserAccess, or an entry for the organization in the system namespace.
type giving struct {
	path             string
	role             accessv1alpha1.RoleName
	organizationRole accessv1alpha1.RoleName
	applications     []accessv1alpha1.ApplicationGrant
	selectors        []accessv1alpha1.ApplicationSelectorGrant
	by               *Selection // the organization, if it is selected by labels
}

// givings returns the entries of the source that apply in the organization (docs/rules.md R2).
func givings(w *source.World, source client.Object, organization string) []giving {
	switch o := source.(type) {
	case *accessv1alpha1.AccessGroup:
		s := &o.Spec
		if s.Type == accessv1alpha1.GroupTypeSystem {
			return systemGivings(w, organization, s.SystemAccess, s.SystemAccessSelectors)
		}
		return []giving{{"spec", "", s.OrganizationRole, s.ApplicationAccess, s.ApplicationSelectors, nil}}
	case *accessv1alpha1.UserAccess:
		s := &o.Spec
		if o.Namespace == w.SystemNamespace() {
			return systemGivings(w, organization, s.SystemAccess, s.SystemAccessSelectors)
		}
		return []giving{{"spec", "", s.OrganizationRole, s.ApplicationAccess, s.ApplicationSelectors, nil}}
	default:
		return nil
	}
}

// systemGivings returns the entry that names the organization. If there is none, it returns all entries that select
// the organization, or else the entry for all organizations.
func systemGivings(
	w *source.World, organization string, entries []accessv1alpha1.SystemGrant, selectors []accessv1alpha1.SystemSelectorGrant,
) []giving {
	named := func(name string) []giving {
		for i := range entries {
			if e := &entries[i]; string(e.Organization) == name {
				return []giving{{
					"spec.systemAccess[" + name + "]", e.Role, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors, nil,
				}}
			}
		}
		return nil
	}
	if found := named(organization); found != nil {
		return found
	}
	var found []giving
	of := w.Index().Namespace(organization).Labels()
	for i := range selectors {
		e := &selectors[i]
		if !w.Selects(&e.Selector, of) {
			continue
		}
		path := fmt.Sprintf("spec.systemAccessSelectors[%d]", i)
		found = append(found, giving{
			path, e.Role, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors,
			newSelection(path+".selector", &e.Selector, "Namespace/"+organization, of),
		})
	}
	if found == nil {
		found = named(accessv1alpha1.All)
	}
	return found
}

// selectedBy returns the labels by which the grant selects the organization and the application. It returns nil if
// the source names both.
func selectedBy(w *source.World, organization string, g *resolve.ExplainedGrant) []Selection {
	key, ok := roster.ParseObject(g.Source)
	if !ok || (g.Scope != resolve.ScopeApplication && key.Namespace != w.SystemNamespace()) {
		return nil
	}
	var found []Selection
	for _, each := range givings(w, w.Index().Lookup(key), organization) {
		gives, by := gives(w, &each, organization, g)
		if gives && each.by != nil {
			found = append(found, *each.by)
		}
		found = append(found, by...)
	}
	return found
}

// gives reports whether the entry gives the grant, and returns the labels by which it selects the application.
func gives(w *source.World, e *giving, organization string, g *resolve.ExplainedGrant) (gives bool, by []Selection) {
	switch g.Scope {
	case resolve.ScopeSystem:
		return string(e.role) == g.Role, nil
	case resolve.ScopeOrganization:
		return string(e.organizationRole) == g.Role, nil
	}
	application := g.Application
	if g.Scope == resolve.ScopeBroad {
		application = accessv1alpha1.All
	}
	gives = slices.ContainsFunc(e.applications, func(a accessv1alpha1.ApplicationGrant) bool {
		return string(a.Application) == application && string(a.Role) == g.Role && sameWindow(a.NotBefore, a.NotAfter, g.Window)
	})
	aa := w.Index().Namespace(organization).Application(application)
	if aa == nil {
		return gives, nil
	}
	for i := range e.selectors {
		s := &e.selectors[i]
		if string(s.Role) != g.Role || !sameWindow(s.NotBefore, s.NotAfter, g.Window) || !w.Selects(&s.Selector, aa.Labels) {
			continue
		}
		by = append(by, *newSelection(fmt.Sprintf("%s.applicationSelectors[%d].selector", e.path, i), &s.Selector,
			ObjectName(roster.KindApplicationAccess, organization, application), aa.Labels))
	}
	return gives || len(by) > 0, by
}

func sameWindow(notBefore, notAfter *metav1.Time, w resolve.Window) bool {
	return sameInstant(notBefore, w.NotBefore) && sameInstant(notAfter, w.NotAfter)
}

func sameInstant(a *metav1.Time, b time.Time) bool {
	if a == nil {
		return b.IsZero()
	}
	return a.Time.Equal(b)
}

// Attribute is a user attribute that a row requirement refers to by userAttribute. Its JSON is a contract.
type Attribute struct {
	Name string `json:"name"`
	// Values are the values of the user. If there are none, the requirement matches no row.
	Values []string `json:"values"`
	// Source is the UserAccess that has the attribute; empty if there is none.
	Source string `json:"source,omitempty"`
	// SingleValued are the operators of requirements that match no row because the user has several values.
	SingleValued []string `json:"singleValued,omitempty"`
}

// Text describes the attribute in words.
func (a *Attribute) Text() string {
	if a.Source == "" {
		return fmt.Sprintf("attribute %s: the user has none, so the requirement matches no row", a.Name)
	}
	text := fmt.Sprintf("attribute %s of %s: %s", a.Name, a.Source, strings.Join(a.Values, ", "))
	if len(a.SingleValued) > 0 {
		text += fmt.Sprintf("; %s takes one value and the user has %d, so the requirement matches no row",
			strings.Join(a.SingleValued, " or "), len(a.Values))
	}
	return text
}

// AttributeOf returns the value of the user's attribute in the organization (docs/rules.md R7).
func AttributeOf(w *source.World, organization, user, name string) Attribute {
	made := Attribute{Name: name, Values: []string{}}
	for _, namespace := range []string{organization, w.SystemNamespace()} {
		ua := w.Index().Namespace(namespace).Account(user).Counting()
		if ua == nil {
			continue
		}
		for i := range ua.Spec.Attributes {
			if a := &ua.Spec.Attributes[i]; string(a.Name) == name {
				made.Source = ObjectName(roster.KindUserAccess, namespace, ua.Name)
				for _, value := range a.Values {
					made.Values = append(made.Values, string(value))
				}
				slices.Sort(made.Values)
				return made
			}
		}
	}
	return made
}

// attributesOf returns the user attributes that a group's row entry refers to, sorted by name.
func attributesOf(w *source.World, organization, user string, rows *resolve.ContributedRows) []Attribute {
	operators := map[string][]string{} // by attribute
	for _, alternative := range rows.Written.AnyOf {
		for _, r := range alternative.AllOf {
			if r.UserAttribute != "" {
				operators[r.UserAttribute] = append(operators[r.UserAttribute], r.Operator)
			}
		}
	}
	var all []Attribute
	for _, name := range slices.Sorted(maps.Keys(operators)) {
		a := AttributeOf(w, organization, user, name)
		if len(a.Values) > 1 {
			a.SingleValued = slices.DeleteFunc(operators[name], func(operator string) bool {
				return operator != string(accessv1alpha1.DataOperatorGreaterThan) && operator != string(accessv1alpha1.DataOperatorLessThan)
			})
			slices.Sort(a.SingleValued)
			a.SingleValued = slices.Compact(a.SingleValued)
		}
		all = append(all, a)
	}
	return all
}

// AttributeNames returns the names of the user attributes that the entry refers to.
func AttributeNames(p *accessv1alpha1.DataPermission) map[string]bool {
	names := map[string]bool{}
	for i := range p.AnyOf {
		for j := range p.AnyOf[i].AllOf {
			if name := p.AnyOf[i].AllOf[j].UserAttribute; name != "" {
				names[string(name)] = true
			}
		}
	}
	return names
}

package validation

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// applicationAccess checks a list of roles in applications of the organization.
func (h *hinter) applicationAccess(path, organization string, was, is []accessv1alpha1.ApplicationGrant) {
	before := make(map[accessv1alpha1.ApplicationSelector]*accessv1alpha1.ApplicationGrant, len(was))
	for i := range was {
		before[was[i].Application] = &was[i]
	}
	for i := range is {
		e := &is[i]
		at, old := fmt.Sprintf("%s.applicationAccess[%s]", path, e.Application), before[e.Application]
		if old == nil {
			h.application(at, organization, string(e.Application))
		}
		if old == nil || !old.NotAfter.Equal(e.NotAfter) {
			h.ended(at, e.NotAfter, "the entry gives nothing")
		}
	}
}

// ended checks whether the end of an entry has passed.
func (h *hinter) ended(at string, end *metav1.Time, so string) {
	if end != nil && !end.After(h.now) {
		h.say(HintEnded, at+".notAfter", "%s has passed; %s", end.UTC().Format(time.RFC3339), so)
	}
}

// application checks the name of an application. A name that nothing declares is legal. It is probably a mistake
// only if no other object uses it and an existing application has a similar name.
func (h *hinter) application(at, organization, name string) {
	if name == accessv1alpha1.All || organization == h.view.SystemNamespace() {
		return
	}
	v := h.view
	if organization != h.self.Namespace {
		v = h.elsewhere
	}
	for _, other := range v.Applications(organization) {
		if !isSlipOf(name, other) {
			continue
		}
		by := h.others(v.Index().NamingApplication(organization, other))
		if len(by) == 0 {
			continue // the object itself names both
		}
		if len(h.others(v.Index().NamingApplication(organization, name))) > 0 {
			return
		}
		hint := &Hint{
			Kind: HintApplication, Field: at,
			Message: fmt.Sprintf("nothing else in %s names the application %s; %s", organization, name, words.Meant([]string{other})),
		}
		h.mayTell(hint, by[0])
		h.add(hint)
		return
	}
}

// others removes the checked object from the objects.
func (h *hinter) others(objects []roster.Object) []roster.Object {
	return slices.DeleteFunc(objects, func(o roster.Object) bool { return o == h.self })
}

// systemAccess checks the entries for organizations.
func (h *hinter) systemAccess(namespace string, was, is []accessv1alpha1.SystemGrant) {
	if namespace != h.view.SystemNamespace() {
		return // has no effect there, and another warning says so
	}
	before := make(map[accessv1alpha1.OrganizationSelector]*accessv1alpha1.SystemGrant, len(was))
	for i := range was {
		before[was[i].Organization] = &was[i]
	}
	for i := range is {
		e := &is[i]
		at, old := fmt.Sprintf("spec.systemAccess[%s]", e.Organization), before[e.Organization]
		var grants []accessv1alpha1.ApplicationGrant
		var selectors []accessv1alpha1.ApplicationSelectorGrant
		if old != nil {
			grants, selectors = old.ApplicationAccess, old.ApplicationSelectors
		} else {
			h.organization(at, string(e.Organization))
		}
		organization := string(e.Organization)
		if organization == accessv1alpha1.All {
			organization = namespace // names cannot be checked for all organizations at once
		}
		h.applicationAccess(at, organization, grants, e.ApplicationAccess)
		h.applicationSelectors(at, selectors, e.ApplicationSelectors)
	}
}

// organization checks the name of an organization. It does not report unknown organizations as long as there are
// none at all: the first objects of a cluster, and files of the system namespace alone, have nothing to compare
// with.
func (h *hinter) organization(at, name string) {
	if name == accessv1alpha1.All {
		return
	}
	if name == h.view.SystemNamespace() {
		h.say(HintOrganization, at, "%s is the system namespace, which is never an organization; the entry has no effect", name)
		return
	}
	all := h.everyOrganization()
	if _, found := slices.BinarySearch(all, name); found || len(all) == 0 || h.Partial {
		return
	}
	without := fmt.Sprintf("there is no organization %s", name)
	const until = " The entry has no effect until it exists"
	hint := &Hint{Kind: HintOrganization, Field: at, Message: without + "." + until}
	if near := Nearest(name, all); len(near) > 0 {
		hint.Otherwise, hint.Message = hint.Message, without+"; "+words.Meant(near[:1])+until
		hint.Right = reading(roster.KindAccessGroup, near[0])
	}
	h.add(hint)
}

func (h *hinter) everyOrganization() []string {
	if !h.haveOrganization {
		h.organizations, h.haveOrganization = h.elsewhere.Organizations(), true
	}
	return h.organizations
}

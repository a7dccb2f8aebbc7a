package validation_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// The oracle implements docs/admission.md a second time, in the simplest way: it looks at every user,
// organization, application and minute, whatever that costs. It shares nothing with the code that it checks. It
// takes effective roles from newly built rosters, which have an oracle of their own.

// objects has all existing objects, by rostertest.Key.
type objects map[string]client.Object

func (o objects) sorted() []client.Object {
	all := make([]client.Object, 0, len(o))
	for _, key := range slices.Sorted(maps.Keys(o)) {
		all = append(all, o[key])
	}
	return all
}

// with returns the objects with the given one replaced, or removed if it is nil.
func (o objects) with(key string, object client.Object) objects {
	changed := maps.Clone(o)
	if delete(changed, key); object != nil {
		changed[key] = object
	}
	return changed
}

// tuple is one role that the objects declare for a user. The organization "*" means every organization that
// nothing names. An organization or an application that begins with [labelled] means every one with these labels.
type tuple struct{ user, organization, resource, application, role string }

// labelled is the prefix of a name that means everything with the labels after it. byText is the prefix of a name
// that means everything that a selector selects. For byText, the oracle may assume that another selector selects
// more. bySelector is the prefix of the name of an application that a selector selects: a grant that names the
// application is more than that, because the application may lose the label.
const (
	labelled   = "labelled "
	byText     = labelled + "as "
	bySelector = "selected "
)

// labelSets are sets of labels, some of which selectors distinguish.
var labelSets = map[string]map[string]string{
	labelled + "nothing":  nil,
	labelled + "team one": {"team": "one"}, labelled + "team two": {"team": "two"}, labelled + "team three": {"team": "three"},
	labelled + "stage prod": {"stage": "prod"}, labelled + "stage test": {"stage": "test"}, labelled + "stage other": {"stage": "other"},
}

const (
	onApplications  = "applicationroles"
	onOrganizations = "organizationroles"
	onSystem        = "systemroles"
)

// declaration is what the objects of one namespace declare at one instant. somebody is a user whom no object
// names: a member of the group through, even if that group does not exist.
type declaration struct {
	objects   objects
	namespace string
	at        time.Time
	through   string
	coming    string // a group that the change creates: before it, nobody has what it will lead to
}

const somebody = "somebody"

// tuples returns the declared roles. Suspension, Fallback, precedence and duplicates do not hide any of them.
func (d *declaration) tuples() map[tuple]bool {
	said := map[tuple]bool{}
	members := d.members()
	for _, object := range d.objects {
		if object.GetNamespace() != d.namespace || object.GetDeletionTimestamp() != nil {
			continue
		}
		switch o := object.(type) {
		case *accessv1alpha1.AccessGroup:
			if o.Spec.Privileges == accessv1alpha1.GroupPrivilegesDisabled || d.inert(o) {
				continue
			}
			if d.missed(o) {
				continue
			}
			for user := range members[o.Name] {
				d.say(said, user, givenByGroup(o))
			}
		case *accessv1alpha1.UserAccess:
			if !roster.IsMaterialized(o) {
				d.say(said, string(o.Spec.User), givenByUser(o))
			}
		}
	}
	return said
}

func (d *declaration) inert(g *accessv1alpha1.AccessGroup) bool {
	return (g.Spec.Type == accessv1alpha1.GroupTypeSystem) != (d.namespace == rostertest.System)
}

// members returns the members of every group, as the groups and the users declare them. It repeats until nested
// groups add no more.
func (d *declaration) members() map[string]map[string]bool {
	members := map[string]map[string]bool{}
	var groups []*accessv1alpha1.AccessGroup
	for _, object := range d.objects {
		g, is := object.(*accessv1alpha1.AccessGroup)
		if is && g.Namespace == d.namespace && !d.inert(g) {
			groups = append(groups, g)
			members[g.Name] = d.directMembers(g)
		}
	}
	for _, object := range d.objects { // a group that does not exist has those who name it, as soon as it does
		ua, is := object.(*accessv1alpha1.UserAccess)
		if !is || ua.Namespace != d.namespace || roster.IsMaterialized(ua) {
			continue
		}
		for _, name := range ua.Spec.Groups {
			if string(name) != d.coming && d.objects[rostertest.Key(&accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: string(name)}})] == nil {
				if members[string(name)] == nil {
					members[string(name)] = map[string]bool{}
				}
				members[string(name)][string(ua.Spec.User)] = true
			}
		}
	}
	if d.through != "" && members[d.through] == nil {
		if d.objects[rostertest.Key(&accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: d.through}})] == nil {
			members[d.through] = map[string]bool{}
		}
	}
	if members[d.through] != nil {
		members[d.through][somebody] = true
	}
	for range rostertest.Groups { // no path is longer
		for _, g := range groups {
			for _, inner := range g.Spec.MemberGroups {
				maps.Copy(members[g.Name], members[string(inner)])
			}
		}
	}
	return members
}

func (d *declaration) directMembers(g *accessv1alpha1.AccessGroup) map[string]bool {
	direct := map[string]bool{}
	for _, m := range g.Spec.Members {
		if isOpen(m.NotBefore, m.NotAfter, d.at) {
			direct[string(m.User)] = true
		}
	}
	for _, object := range d.objects {
		ua, is := object.(*accessv1alpha1.UserAccess)
		if !is || ua.Namespace != d.namespace || roster.IsMaterialized(ua) {
			continue
		}
		if slices.Contains(ua.Spec.Groups, accessv1alpha1.GroupName(g.Name)) || selects(g.Spec.MemberSelector, ua.Labels) {
			direct[string(ua.Spec.User)] = true
		}
	}
	return direct
}

func selects(selector *metav1.LabelSelector, set map[string]string) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector) // nil selects nothing
	return err == nil && parsed.Matches(labels.Set(set))
}

func isOpen(notBefore, notAfter *metav1.Time, at time.Time) bool {
	return (notBefore == nil || !at.Before(notBefore.Time)) && (notAfter == nil || at.Before(notAfter.Time))
}

// missed reports whether the group has lost its access because a review is due.
func (d *declaration) missed(g *accessv1alpha1.AccessGroup) bool {
	if g.Spec.Review.IfMissed != accessv1alpha1.MissedReviewEnd {
		return false
	}
	reviewed := g.CreationTimestamp.Time
	if at := g.Spec.ReviewedAt; at != nil && !at.After(d.at.Add(5*time.Minute)) {
		reviewed = at.Time
	}
	return !d.at.Before(reviewed.Add(time.Duration(g.Spec.Review.EveryDays) * 24 * time.Hour))
}

// given is what a group or a UserAccess gives. For a systemAccess entry, organization or labels selects the
// organizations.
type given struct {
	organization     string
	labels           *accessv1alpha1.LabelSelector
	systemRole       accessv1alpha1.RoleName
	organizationRole accessv1alpha1.RoleName
	applications     []accessv1alpha1.ApplicationGrant
	selectors        []accessv1alpha1.ApplicationSelectorGrant
	across           []given
}

func givenByGroup(g *accessv1alpha1.AccessGroup) given {
	return given{
		organizationRole: g.Spec.OrganizationRole, applications: g.Spec.ApplicationAccess, selectors: g.Spec.ApplicationSelectors,
		across: givenAcross(g.Spec.SystemAccess, g.Spec.SystemAccessSelectors),
	}
}

func givenByUser(ua *accessv1alpha1.UserAccess) given {
	return given{
		organizationRole: ua.Spec.OrganizationRole, applications: ua.Spec.ApplicationAccess, selectors: ua.Spec.ApplicationSelectors,
		across: givenAcross(ua.Spec.SystemAccess, ua.Spec.SystemAccessSelectors),
	}
}

func givenAcross(named []accessv1alpha1.SystemGrant, selected []accessv1alpha1.SystemSelectorGrant) []given {
	var all []given
	for i := range named {
		e := &named[i]
		all = append(all, given{
			organization: string(e.Organization), systemRole: e.Role, organizationRole: e.OrganizationRole,
			applications: e.ApplicationAccess, selectors: e.ApplicationSelectors,
		})
	}
	for i := range selected {
		e := &selected[i]
		all = append(all, given{
			labels: &e.Selector, systemRole: e.Role, organizationRole: e.OrganizationRole,
			applications: e.ApplicationAccess, selectors: e.ApplicationSelectors,
		})
	}
	return all
}

// in returns the entries that apply to the organization: the one that names it, else those that select it, else
// the one for all.
func (g *given) in(organization string, set map[string]string) []given {
	var named, selected, all []given
	for _, e := range g.across {
		switch {
		case e.labels != nil && matches(e.labels, set):
			selected = append(selected, e)
		case e.labels != nil:
		case e.organization == organization:
			named = append(named, e)
		case e.organization == "*":
			all = append(all, e)
		}
	}
	switch {
	case len(named) > 0:
		return named
	case len(selected) > 0:
		return selected
	default:
		return all
	}
}

// matches reports whether the selector matches the labels.
func matches(selector *accessv1alpha1.LabelSelector, set map[string]string) bool {
	for key, wanted := range selector.MatchLabels {
		if value, has := set[key]; !has || value != string(wanted) {
			return false
		}
	}
	for _, e := range selector.MatchExpressions {
		value, has := set[string(e.Key)]
		listed := has && slices.Contains(e.Values, accessv1alpha1.LabelValue(value))
		holds := map[metav1.LabelSelectorOperator]bool{"In": listed, "NotIn": !listed, "Exists": has, "DoesNotExist": !has}[e.Operator]
		if !holds {
			return false
		}
	}
	return len(selector.MatchLabels)+len(selector.MatchExpressions) > 0
}

func (d *declaration) say(said map[tuple]bool, user string, g given) {
	if d.namespace != rostertest.System {
		d.sayIn(said, user, d.namespace, g)
		return
	}
	for _, organization := range append(slices.Clone(rostertest.Namespaces[1:]), "*") {
		for _, e := range g.in(organization, d.labelsOf(organization)) {
			d.sayAcross(said, user, organization, e)
		}
	}
	for _, e := range g.across {
		for of, set := range labelSets {
			if e.organization == "*" || e.labels != nil && matches(e.labels, set) {
				d.sayAcross(said, user, of, e)
			}
		}
		if e.labels != nil {
			d.sayAcross(said, user, byText+fmt.Sprint(*e.labels), e)
		}
	}
}

func (d *declaration) labelsOf(namespace string) map[string]string {
	if n := d.objects[rostertest.Key(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})]; n != nil {
		return n.GetLabels()
	}
	return nil
}

func (d *declaration) sayAcross(said map[tuple]bool, user, organization string, e given) {
	if e.systemRole != "" && e.systemRole != "NoAccess" {
		said[tuple{user, organization, onSystem, "", string(e.systemRole)}] = true
	}
	d.sayIn(said, user, organization, e)
}

func (d *declaration) sayIn(said map[tuple]bool, user, organization string, g given) {
	if role := g.organizationRole; role != "" && role != "NoAccess" {
		said[tuple{user, organization, onOrganizations, "", string(role)}] = true
	}
	for _, a := range g.applications {
		if a.Role == "NoAccess" || !isOpen(a.NotBefore, a.NotAfter, d.at) {
			continue
		}
		said[tuple{user, organization, onApplications, string(a.Application), string(a.Role)}] = true
		for of := range labelSets {
			if a.Application == "*" {
				said[tuple{user, organization, onApplications, of, string(a.Role)}] = true
			}
		}
	}
	for i := range g.selectors {
		e := &g.selectors[i]
		if e.Role == "NoAccess" || !isOpen(e.NotBefore, e.NotAfter, d.at) {
			continue
		}
		for of, set := range labelSets {
			if matches(&e.Selector, set) {
				said[tuple{user, organization, onApplications, of, string(e.Role)}] = true
			}
		}
		said[tuple{user, organization, onApplications, byText + fmt.Sprint(e.Selector), string(e.Role)}] = true
		for _, object := range d.objects {
			if a, is := object.(*accessv1alpha1.ApplicationAccess); is && a.Namespace == organization && matches(&e.Selector, a.Labels) {
				said[tuple{user, organization, onApplications, bySelector + a.Name, string(e.Role)}] = true
			}
		}
	}
}

// byName returns the tuple for an application that a selector selects as if the application were named.
func (t tuple) byName() tuple {
	t.application = strings.TrimPrefix(t.application, bySelector)
	return t
}

// isByText reports whether the tuple means what a selector selects, known by its text alone.
func (t tuple) isByText() bool {
	return strings.HasPrefix(t.organization, byText) || strings.HasPrefix(t.application, byText)
}

// newlyDeclared returns what is declared at any minute, including past ones, at which it was not declared before.
func newlyDeclared(before, after objects, namespace, throughBefore, through string) map[tuple]bool {
	fresh := map[tuple]bool{}
	coming := ""
	for key, object := range after {
		if g, is := object.(*accessv1alpha1.AccessGroup); is && before[key] == nil && g.Namespace == namespace {
			coming = g.Name
		}
	}
	start := rostertest.NewWorld(0, 0).Start
	var instants []time.Time
	for at := start.Add(-time.Minute); !at.After(start.Add(rostertest.Horizon + time.Minute)); at = at.Add(time.Minute) {
		instants = append(instants, at)
	}
	for _, at := range append(instants, dueAfter(start.Add(rostertest.Horizon), before, after)...) {
		is := declaration{after, namespace, at, through, ""}
		was := declaration{before, namespace, at, throughBefore, coming}
		had := was.tuples()
		for t := range is.tuples() {
			if !had[t] && !had[t.byName()] {
				fresh[t] = true
			}
		}
	}
	return fresh
}

// givenToWhoeverBelongs returns what a change to a group gives to the members of the group, of groups that it
// newly takes in, and to newly selected users, even if there are none yet.
func givenToWhoeverBelongs(before, after objects, was, is *accessv1alpha1.AccessGroup) map[tuple]bool {
	if is == nil {
		return nil
	}
	fresh := newlyDeclared(before, after, is.Namespace, is.Name, is.Name)
	for _, inner := range is.Spec.MemberGroups {
		if was == nil || !slices.Contains(was.Spec.MemberGroups, inner) {
			maps.Copy(fresh, newlyDeclared(before, after, is.Namespace, string(inner), string(inner)))
		}
	}
	return fresh
}

// givenToTheSelected returns what users get whom the group selects after the change but did not select before.
func givenToTheSelected(before, after objects, was, is *accessv1alpha1.AccessGroup) map[tuple]bool {
	if is == nil || is.Spec.MemberSelector == nil {
		return nil
	}
	for _, set := range []map[string]string{nil, {"team": "one"}, {"team": "two"}, {"team": "three"}, {"other": "one"}} {
		if selects(is.Spec.MemberSelector, set) && (was == nil || !selects(was.Spec.MemberSelector, set)) {
			return newlyDeclared(before, after, is.Namespace, "", is.Name)
		}
	}
	return nil
}

func (t tuple) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s/%s %s @%s", t.user, t.resource, t.application, t.role, t.organization))
}

func mustSet(t *testing.T, r *roster.Roster, all objects) {
	t.Helper()
	for _, o := range all.sorted() {
		if err := r.Set(o); err != nil {
			t.Fatal(err)
		}
	}
}

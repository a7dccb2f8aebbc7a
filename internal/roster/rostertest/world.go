package rostertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
)

// Horizon is how long after the start the last window may close.
const Horizon = 40 * time.Minute

// System is the system namespace of the worlds.
const System = "access-system"

// The names that the objects of a world have and use.
var (
	Namespaces   = []string{System, "acme", "globex", "initech"}
	Users        = []string{"ana", "ben", "cy", "dee", "eve"}
	Groups       = []string{"g1", "g2", "g3", "g4"}
	Applications = []string{"red", "blue", "green"}

	roles       = []string{"Administrator", "Editor", "Viewer", "NoAccess", "Owner", "Typo"}
	systemRoles = []string{"SystemAdministrator", "Observer", "NoAccess", "Typo"}
	teams       = []string{"one", "two"}
	stages      = []string{"prod", "test"}
	countries   = []accessv1alpha1.AttributeValue{"France", "Germany"}

	// Large are values of attributes. Two of the first, or one of the second, are more than the filters of a user may be together.
	Large = []accessv1alpha1.AttributeValue{
		accessv1alpha1.AttributeValue(strings.Repeat("x", 40<<10)), accessv1alpha1.AttributeValue(strings.Repeat("y", 66<<10)),
	}
)

// World makes random objects.
type World struct {
	*rand.Rand
	Start time.Time
}

// NewWorld returns a world that makes the same objects for the same numbers.
func NewWorld(seed, stream uint64) *World {
	return &World{rand.New(rand.NewPCG(seed, stream)), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
}

// Pick returns one of the list.
func Pick[T any](w *World, from []T) T { return from[w.IntN(len(from))] }

// Chance is true in so many cases of a hundred.
func (w *World) Chance(percent int) bool { return w.IntN(100) < percent }

func (w *World) window() (notBefore, notAfter *metav1.Time) {
	half := int(Horizon / time.Minute / 2)
	if w.Chance(15) {
		t := metav1.NewTime(w.Start.Add(time.Duration(w.IntN(half)) * time.Minute))
		notBefore = &t
	}
	if w.Chance(15) {
		t := metav1.NewTime(w.Start.Add(time.Duration(half+w.IntN(half)) * time.Minute))
		notAfter = &t
	}
	return notBefore, notAfter
}

func (w *World) grants() []accessv1alpha1.ApplicationGrant {
	var grants []accessv1alpha1.ApplicationGrant
	for _, application := range append(slices.Clone(Applications), accessv1alpha1.All) {
		if w.Chance(25) {
			g := accessv1alpha1.ApplicationGrant{
				Application: accessv1alpha1.ApplicationSelector(application), Role: accessv1alpha1.RoleName(Pick(w, roles)),
			}
			g.NotBefore, g.NotAfter = w.window()
			grants = append(grants, g)
		}
	}
	return grants
}

// labelSelector selects by the label of the key, which has one of the values or is absent.
func (w *World) labelSelector(key accessv1alpha1.LabelKey, values []string) accessv1alpha1.LabelSelector {
	value := accessv1alpha1.LabelValue(Pick(w, values))
	switch w.IntN(5) {
	case 0:
		return accessv1alpha1.LabelSelector{MatchExpressions: []accessv1alpha1.LabelSelectorRequirement{{
			Key: key, Operator: metav1.LabelSelectorOpNotIn, Values: []accessv1alpha1.LabelValue{value},
		}}}
	case 1:
		return accessv1alpha1.LabelSelector{MatchExpressions: []accessv1alpha1.LabelSelectorRequirement{{
			Key: key, Operator: metav1.LabelSelectorOpDoesNotExist,
		}}}
	default:
		return accessv1alpha1.LabelSelector{MatchLabels: map[string]accessv1alpha1.LabelValue{string(key): value}}
	}
}

func (w *World) applicationSelectors() []accessv1alpha1.ApplicationSelectorGrant {
	var grants []accessv1alpha1.ApplicationSelectorGrant
	for w.Chance(20) {
		g := accessv1alpha1.ApplicationSelectorGrant{
			Selector: w.labelSelector("team", teams), Role: accessv1alpha1.RoleName(Pick(w, roles)),
		}
		g.NotBefore, g.NotAfter = w.window()
		grants = append(grants, g)
	}
	return grants
}

func (w *World) systemSelectors() []accessv1alpha1.SystemSelectorGrant {
	var grants []accessv1alpha1.SystemSelectorGrant
	for w.Chance(20) {
		g := accessv1alpha1.SystemSelectorGrant{
			Selector: w.labelSelector("stage", stages), Role: accessv1alpha1.RoleName(Pick(w, systemRoles)),
		}
		if w.Chance(30) {
			g.ApplicationAccess = w.grants()
		}
		if w.Chance(30) {
			g.ApplicationSelectors = w.applicationSelectors()
		}
		if w.Chance(20) {
			g.OrganizationRole = accessv1alpha1.RoleName(Pick(w, roles))
		}
		grants = append(grants, g)
	}
	return grants
}

func (w *World) systemGrants() []accessv1alpha1.SystemGrant {
	var grants []accessv1alpha1.SystemGrant
	for _, organization := range append(slices.Clone(Namespaces[1:]), accessv1alpha1.All) {
		if !w.Chance(30) {
			continue
		}
		g := accessv1alpha1.SystemGrant{
			Organization: accessv1alpha1.OrganizationSelector(organization),
			Role:         accessv1alpha1.RoleName(Pick(w, systemRoles)),
		}
		if w.Chance(30) {
			g.ApplicationAccess = w.grants()
		}
		if w.Chance(30) {
			g.ApplicationSelectors = w.applicationSelectors()
		}
		if w.Chance(20) {
			g.OrganizationRole = accessv1alpha1.RoleName(Pick(w, roles))
		}
		grants = append(grants, g)
	}
	return grants
}

func (w *World) meta(namespace, name string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: namespace, Name: name}
	if w.Chance(50) {
		m.Labels = map[string]string{"team": Pick(w, teams)}
	}
	if w.Chance(5) {
		deleted := metav1.NewTime(w.Start)
		m.DeletionTimestamp, m.Finalizers = &deleted, []string{"example.com/hold"}
	}
	return m
}

func (w *World) group(namespace, name string) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: w.meta(namespace, name)}
	atSystem := g.Namespace == System
	if atSystem != w.Chance(10) {
		g.Spec.Type = accessv1alpha1.GroupTypeSystem
		g.Spec.SystemAccess = w.systemGrants()
		g.Spec.SystemAccessSelectors = w.systemSelectors()
	} else {
		g.Spec.ApplicationAccess = w.grants()
		g.Spec.ApplicationSelectors = w.applicationSelectors()
		if w.Chance(30) {
			g.Spec.OrganizationRole = accessv1alpha1.RoleName(Pick(w, roles))
		}
		if w.Chance(30) {
			g.Spec.DataPermissions = w.rows()
		}
	}
	for _, user := range Users {
		if w.Chance(35) {
			m := accessv1alpha1.Member{User: accessv1alpha1.UserName(user)}
			m.NotBefore, m.NotAfter = w.window()
			g.Spec.Members = append(g.Spec.Members, m)
		}
	}
	for _, name := range Groups {
		if w.Chance(15) {
			g.Spec.MemberGroups = append(g.Spec.MemberGroups, accessv1alpha1.GroupName(name))
		}
	}
	if w.Chance(20) {
		g.Spec.MemberSelector = w.selector()
	}
	if w.Chance(15) {
		g.Spec.Privileges = accessv1alpha1.GroupPrivilegesDisabled
	}
	w.review(g)
	return g
}

// review has some groups reviewed every day. The review is due within the horizon, or was; a few are said to have been made
// later than the world begins.
func (w *World) review(g *accessv1alpha1.AccessGroup) {
	const day = 24 * time.Hour
	// The same for every group: nothing else tells two groups of one name apart.
	g.CreationTimestamp = metav1.NewTime(w.Start.Add(7*time.Minute - day))
	if !w.Chance(25) {
		return
	}
	g.Spec.Review = accessv1alpha1.GroupReview{
		EveryDays: 1, IfMissed: Pick(w, []accessv1alpha1.MissedReview{"End", "End", "Keep"}),
	}
	minutes := int(Horizon / time.Minute)
	at := metav1.NewTime(w.Start.Add(time.Duration(w.IntN(minutes))*time.Minute - day))
	if w.Chance(20) {
		at = metav1.NewTime(w.Start.Add(time.Duration(w.IntN(minutes)) * time.Minute))
	}
	g.Spec.ReviewedAt = &at
}

func (w *World) selector() *metav1.LabelSelector {
	switch w.IntN(6) {
	case 0:
		return &metav1.LabelSelector{}
	case 1:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: "team", Operator: metav1.LabelSelectorOpNotIn, Values: []string{Pick(w, teams)},
		}}}
	case 2:
		return &metav1.LabelSelector{
			MatchLabels:      map[string]string{"team": "one"},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpExists}},
		}
	default:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"team": "one"}}
	}
}

func (w *World) rows() []accessv1alpha1.DataPermission {
	var all []accessv1alpha1.DataPermission
	for _, application := range append(slices.Clone(Applications[:1]), accessv1alpha1.All) {
		if !w.Chance(60) {
			continue
		}
		p := accessv1alpha1.DataPermission{Application: accessv1alpha1.ApplicationSelector(application)}
		for range 1 + w.IntN(2) {
			a := accessv1alpha1.RowAlternative{AllOf: []accessv1alpha1.RowRequirement{{
				Attribute: "country", Operator: "In", Values: []accessv1alpha1.AttributeValue{Pick(w, countries)},
			}}}
			if w.Chance(20) {
				a.AllOf[0].Operator = "NotIn"
			}
			if w.Chance(10) {
				a.AllOf[0].Values[0] = Pick(w, Large)
			}
			if w.Chance(25) {
				a.AllOf[0].Values, a.AllOf[0].UserAttribute = nil, "countries"
			}
			if w.Chance(10) {
				a.AllOf = append(a.AllOf, accessv1alpha1.RowRequirement{
					Attribute: "level", Operator: Pick(w, []accessv1alpha1.DataOperator{"LessThan", "GreaterThan"}), UserAttribute: "level",
				})
			}
			if w.Chance(20) {
				a.AllOf = append(a.AllOf, accessv1alpha1.RowRequirement{
					Attribute: "line", Operator: "In", Values: []accessv1alpha1.AttributeValue{"x"},
				})
			}
			p.AnyOf = append(p.AnyOf, a)
		}
		all = append(all, p)
	}
	return all
}

func (w *World) userAccess(namespace, name, user string) *accessv1alpha1.UserAccess {
	ua := &accessv1alpha1.UserAccess{ObjectMeta: w.meta(namespace, name)}
	ua.Spec.User = accessv1alpha1.UserName(user)
	if w.Chance(10) {
		ua.Spec.State = accessv1alpha1.UserStateSuspended
	}
	ua.Spec.NotBefore, ua.Spec.NotAfter = w.window()
	for _, name := range Groups {
		if w.Chance(15) {
			ua.Spec.Groups = append(ua.Spec.Groups, accessv1alpha1.GroupName(name))
		}
	}
	ua.Spec.ApplicationAccess, ua.Spec.ApplicationSelectors = w.grants(), w.applicationSelectors()
	ua.Spec.SystemAccess, ua.Spec.SystemAccessSelectors = w.systemGrants(), w.systemSelectors()
	ua.Spec.Attributes = w.attributes()
	if w.Chance(20) {
		ua.Spec.OrganizationRole = accessv1alpha1.RoleName(Pick(w, roles))
	}
	return ua
}

func (w *World) attributes() []accessv1alpha1.UserAttribute {
	var all []accessv1alpha1.UserAttribute
	if w.Chance(40) {
		values := append([]accessv1alpha1.AttributeValue{Pick(w, Large)}, countries...)
		from := w.IntN(len(values))
		all = append(all, accessv1alpha1.UserAttribute{Name: "countries", Values: values[from:]})
	}
	if w.Chance(40) {
		values := []accessv1alpha1.AttributeValue{"4", "3"}
		all = append(all, accessv1alpha1.UserAttribute{Name: "level", Values: values[w.IntN(2):]})
	}
	return all
}

// Namespace makes the Namespace object of an organization, with labels that select it or not.
func (w *World) Namespace() *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Pick(w, Namespaces[1:])}}
	if w.Chance(70) {
		n.Labels = map[string]string{"stage": Pick(w, stages)}
	}
	return n
}

// materialized returns what Usher writes for the user.
func materialized(namespace, user string) *accessv1alpha1.UserAccess {
	return &accessv1alpha1.UserAccess{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: identity.Name(user),
			Labels: map[string]string{accessv1alpha1.LabelMaterialized: accessv1alpha1.ValueTrue},
		},
		Spec: accessv1alpha1.UserAccessSpec{User: accessv1alpha1.UserName(user)},
	}
}

func (w *World) policy(namespace string) *accessv1alpha1.AccessPolicy {
	p := &accessv1alpha1.AccessPolicy{ObjectMeta: w.meta(namespace, accessv1alpha1.AccessPolicyName)}
	p.Spec.ConflictResolution = Pick(w, []accessv1alpha1.ConflictResolution{"MostRestrictive", "MostPermissive"})
	p.Spec.IndividualAccess = Pick(w, []accessv1alpha1.IndividualAccess{"Fallback", "Combined"})
	p.Spec.Administrators = Pick(w, []accessv1alpha1.Administrators{"Protected", "Unprotected"})
	p.Spec.CrossObjectChecks = Pick(w, []accessv1alpha1.CrossObjectChecks{"Warn", "Deny", "Deny", "Ignore"})
	if w.Chance(30) {
		p.Spec.ApplicationRoles = []accessv1alpha1.ApplicationRole{{Name: "Owner"}, {Name: "Viewer"}}
	}
	if w.Chance(30) {
		p.Spec.SystemRoles = []accessv1alpha1.SystemRole{{Name: "Observer", ApplicationRole: "Viewer"}, {Name: "Typo", ApplicationRole: "Viewer"}}
	}
	if w.Chance(30) {
		p.Spec.ExclusiveAccess = []accessv1alpha1.ExclusiveAccess{{
			Name: "x", Applications: []accessv1alpha1.ApplicationName{"red", Pick(w, []accessv1alpha1.ApplicationName{"yellow", "blue"})},
			MinimumRole: "Viewer",
		}}
	}
	if w.Chance(50) {
		most := int32(w.IntN(3))
		p.Spec.RevocationLimit.Users = &most
	}
	if w.Chance(30) {
		most := int32(w.IntN(70))
		p.Spec.RevocationLimit.Percent = &most
	}
	return p
}

func (w *World) application(namespace, name string) *accessv1alpha1.ApplicationAccess {
	aa := &accessv1alpha1.ApplicationAccess{ObjectMeta: w.meta(namespace, name)}
	aa.Spec.UnmatchedRows = Pick(w, []accessv1alpha1.UnmatchedRows{"All", "None"})
	return aa
}

// Object makes any object.
func (w *World) Object() client.Object {
	namespace := Pick(w, Namespaces)
	switch w.IntN(8) {
	case 0:
		return w.policy(namespace)
	case 1:
		return w.application(namespace, Pick(w, Applications))
	case 2, 3, 4:
		user := Pick(w, Users)
		if w.Chance(20) {
			return materialized(namespace, user)
		}
		return w.userAccess(namespace, fmt.Sprintf("%s-%d", user, w.IntN(2)), user)
	default:
		return w.group(namespace, Pick(w, Groups))
	}
}

// Another makes an object of the same kind, name, type and user that says something else.
func (w *World) Another(object client.Object) client.Object {
	namespace, name := object.GetNamespace(), object.GetName()
	switch o := object.(type) {
	case *accessv1alpha1.AccessGroup:
		for {
			if made := w.group(namespace, name); made.Spec.Type == o.Spec.Type {
				return made
			}
		}
	case *accessv1alpha1.UserAccess:
		return w.userAccess(namespace, name, string(o.Spec.User))
	case *accessv1alpha1.ApplicationAccess:
		return w.application(namespace, name)
	default:
		return w.policy(namespace)
	}
}

// Key tells objects of a world apart.
func Key(o client.Object) string { return fmt.Sprintf("%T/%s/%s", o, o.GetNamespace(), o.GetName()) }

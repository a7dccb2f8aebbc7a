package validation

import (
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// HintKind is the subject of a hint.
type HintKind string

// The kinds of hints.
const (
	// HintUser is about a user whose name differs only in case from that of another user.
	HintUser HintKind = "User"
	// HintBarsNobody is about a suspension or an end for a user without any membership or role.
	HintBarsNobody HintKind = "BarsNobody"
	// HintOrganization is about a namespace that is not an organization.
	HintOrganization HintKind = "Organization"
	// HintApplication is about an application name that no other object uses and that resembles an existing one.
	HintApplication HintKind = "Application"
	// HintEnded is about an entry whose end has passed.
	HintEnded HintKind = "Ended"
)

// Hint is a warning about a value that is valid but probably a mistake.
type Hint struct {
	Kind    HintKind
	Field   string
	Message string
	// Right, if set, is the right that a requester needs to see Message, because it names objects of another
	// namespace. Other requesters see Otherwise, or nothing if it is empty.
	Right     *Right
	Otherwise string
}

// Text returns the message, preceded by its field.
func (h *Hint) Text() string { return h.Field + ": " + h.Message }

// Hints returns hints about values of an object that are probably mistakes. It leaves out values that the old
// object, which may be nil, also has. The version of the object in the roster does not affect the result. There
// are at most ten hints of a kind, followed by one that counts the rest.
func (v *Validator) Hints(old, made client.Object, now time.Time) []Hint {
	h := &hinter{Validator: v, view: v.View(), now: now, self: roster.ObjectOf(made), counts: map[HintKind]int{}}
	if h.elsewhere = h.view; v.Elsewhere != nil {
		h.elsewhere = v.Elsewhere()
	}
	switch made := made.(type) {
	case *accessv1alpha1.AccessGroup:
		was, _ := old.(*accessv1alpha1.AccessGroup)
		if was == nil {
			was = &accessv1alpha1.AccessGroup{}
		}
		h.group(was, made)
	case *accessv1alpha1.UserAccess:
		was, _ := old.(*accessv1alpha1.UserAccess)
		if was == nil {
			was = &accessv1alpha1.UserAccess{}
		}
		if !roster.IsMaterialized(made) {
			h.userAccess(was, made, old == nil)
		}
	case *accessv1alpha1.AccessPolicy:
		was, _ := old.(*accessv1alpha1.AccessPolicy)
		if was == nil {
			was = &accessv1alpha1.AccessPolicy{}
		}
		h.policy(was, made)
	}
	h.conclude()
	return h.hints
}

// hinter collects the hints about one object.
type hinter struct {
	*Validator

	view      *roster.View
	elsewhere *roster.View // of all namespaces

	now    time.Time
	self   roster.Object
	hints  []Hint
	counts map[HintKind]int
	search []*roster.Namespace // see searched

	organizations    []string // all organizations, sorted; see everyOrganization
	haveOrganization bool
}

// add counts a hint and keeps it unless there are enough of its kind.
func (h *hinter) add(hint *Hint) {
	h.counts[hint.Kind]++
	if h.counts[hint.Kind] <= mostShown {
		h.hints = append(h.hints, *hint)
	}
}

func (h *hinter) say(kind HintKind, at, format string, args ...any) {
	h.add(&Hint{Kind: kind, Field: at, Message: fmt.Sprintf(format, args...)})
}

// conclude adds a hint with the number of omitted hints for each kind that has any.
func (h *hinter) conclude() {
	for _, kind := range []HintKind{HintUser, HintBarsNobody, HintOrganization, HintApplication, HintEnded} {
		if more := h.counts[kind] - mostShown; more > 0 {
			h.hints = append(h.hints, Hint{Kind: kind, Field: "spec", Message: fmt.Sprintf("%s: %d more", furtherOf[kind], more)})
		}
	}
}

var furtherOf = map[HintKind]string{
	HintUser:         "users whose names differ only in case from those of others",
	HintOrganization: "names of organizations that do not exist",
	HintApplication:  "names of applications that nothing else names",
	HintEnded:        "entries whose time has passed",
}

func (h *hinter) group(was, made *accessv1alpha1.AccessGroup) {
	h.members(was, made)
	h.review(was, made)
	h.applicationAccess("spec", made.Namespace, was.Spec.ApplicationAccess, made.Spec.ApplicationAccess)
	h.applicationSelectors("spec", was.Spec.ApplicationSelectors, made.Spec.ApplicationSelectors)
	for i := range made.Spec.DataPermissions {
		each := &made.Spec.DataPermissions[i]
		if !slices.ContainsFunc(was.Spec.DataPermissions, func(e accessv1alpha1.DataPermission) bool {
			return e.Application == each.Application
		}) {
			h.application(fmt.Sprintf("spec.dataPermissions[%s]", each.Application), made.Namespace, string(each.Application))
		}
	}
	h.systemAccess(made.Namespace, was.Spec.SystemAccess, made.Spec.SystemAccess)
	h.systemAccessSelectors(made.Namespace, was.Spec.SystemAccessSelectors, made.Spec.SystemAccessSelectors)
}

func (h *hinter) userAccess(was, made *accessv1alpha1.UserAccess, created bool) {
	h.user(was, made, created)
	h.applicationAccess("spec", made.Namespace, was.Spec.ApplicationAccess, made.Spec.ApplicationAccess)
	h.applicationSelectors("spec", was.Spec.ApplicationSelectors, made.Spec.ApplicationSelectors)
	h.systemAccess(made.Namespace, was.Spec.SystemAccess, made.Spec.SystemAccess)
	h.systemAccessSelectors(made.Namespace, was.Spec.SystemAccessSelectors, made.Spec.SystemAccessSelectors)
}

func (h *hinter) policy(was, made *accessv1alpha1.AccessPolicy) {
	for i := range made.Spec.ExclusiveAccess {
		rule := &made.Spec.ExclusiveAccess[i]
		var before []accessv1alpha1.ApplicationName
		for j := range was.Spec.ExclusiveAccess {
			if was.Spec.ExclusiveAccess[j].Name == rule.Name {
				before = was.Spec.ExclusiveAccess[j].Applications
			}
		}
		for _, application := range rule.Applications {
			if !slices.Contains(before, application) {
				h.application(fmt.Sprintf("spec.exclusiveAccess[%s].applications[%s]", rule.Name, application),
					made.Namespace, string(application))
			}
		}
	}
}

// reading returns the right to list the objects of the kind in a namespace. A requester who holds it may see what
// they name.
func reading(kind roster.Kind, namespace string) *Right {
	return &Right{AnyOf: []Attributes{{
		Verb: "list", Group: accessv1alpha1.GroupVersion.Group, Resource: kindResources[kind], Namespace: namespace,
	}}}
}

var kindResources = map[roster.Kind]string{
	roster.KindAccessGroup: "accessgroups", roster.KindUserAccess: "useraccesses",
	roster.KindApplicationAccess: "applicationaccesses", roster.KindAccessPolicy: "accesspolicies",
}

// mayTell sets the right that a requester needs to see a hint about an object of another namespace.
func (h *hinter) mayTell(hint *Hint, of roster.Object) {
	if of.Namespace != h.self.Namespace {
		hint.Right = reading(of.Kind, of.Namespace)
	}
}

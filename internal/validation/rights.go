package validation

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// The verbs, the API group and its resources that RBAC gives the right to grant by. There are no objects of these
// resources; they exist in roles only (docs/admission.md, the right to grant).
const (
	VerbGrant     = "grant"
	VerbJoin      = "join"
	VerbUnprotect = "unprotect"

	GrantsGroup               = "grants.access.usher.dev"
	ResourceApplicationRoles  = "applicationroles"
	ResourceOrganizationRoles = "organizationroles"
	ResourceSystemRoles       = "systemroles"
	ResourceDataPermissions   = "datapermissions"
)

// Right is something that the requester must be allowed to do: any one of AnyOf is enough. The first is the narrowest,
// and what a message names.
type Right struct {
	AnyOf []Attributes
	// Field is what in the object takes the right, Reason what the change would bring.
	Field  *field.Path
	Reason string
}

// Attributes are those of a SubjectAccessReview. An empty Namespace means all namespaces, an empty Name all names.
type Attributes struct {
	Verb, Group, Resource, Subresource, Namespace, Name string
}

// need tells rights apart. Application is "*" for all; source is set where a role becomes effective, and says by what.
type need struct{ resource, namespace, application, role, source string }

// require notes the right, unless it is noted already. The reason is made only where it is needed.
func (j *judge) require(n need, at *field.Path, more []Attributes, reason func() string) {
	if _, again := j.needed[n]; again {
		return
	}
	declared := n
	declared.source = ""
	if _, again := j.needed[declared]; again {
		return // what is declared takes at least as much
	}
	if declared.application != "" {
		declared.application = resolve.AnyApplication
		if _, again := j.needed[declared]; again {
			return // who may give the role everywhere may give it here
		}
	}
	j.requireAnyOf(n, Right{AnyOf: append(n.anyOf(), more...), Field: at, Reason: reason()})
}

// requireAnyOf notes the right as what the need takes.
func (j *judge) requireAnyOf(n need, right Right) {
	j.needed[n] = struct{}{}
	j.Rights = append(j.Rights, right)
}

func (n *need) anyOf() []Attributes {
	broad := Attributes{Verb: VerbGrant, Group: GrantsGroup, Resource: n.resource, Namespace: n.namespace, Name: n.role}
	if n.resource == ResourceApplicationRoles && n.application != resolve.AnyApplication {
		narrow := broad
		narrow.Subresource = n.application
		return []Attributes{narrow, broad}
	}
	return []Attributes{broad}
}

// exempting is the right of those whom cross-object checks only warn.
func (j *judge) exempting() Right {
	return Right{AnyOf: []Attributes{{
		Verb: VerbGrant, Group: GrantsGroup, Resource: ResourceSystemRoles, Namespace: j.view.SystemNamespace(),
		Name: j.view.Index().DefaultRules().SystemRoles[0].Name,
	}}}
}

// asWritten returns the rights to the roles that the source gives in the organization and that mean the role: who may
// grant what is written may also let it take effect.
func (j *judge) asWritten(s *resolve.Source, o *resolve.Organization, resource, role string) []Attributes {
	if s == nil {
		return nil
	}
	rules := o.Rules()
	var organizationRoles, systemRoles []string
	for g := range s.Grants(j.placeOf(rules.Organization)) {
		switch g.Scope {
		case resolve.ScopeSystem:
			systemRoles = append(systemRoles, g.Role)
		case resolve.ScopeOrganization:
			organizationRoles = append(organizationRoles, g.Role)
		}
	}
	var rights []Attributes
	for _, r := range rules.OrganizationRoles {
		if resource == ResourceApplicationRoles && slices.Contains(organizationRoles, r.Name) && r.ApplicationRole == role {
			rights = append(rights, Attributes{
				Verb: VerbGrant, Group: GrantsGroup, Resource: ResourceOrganizationRoles,
				Namespace: rules.Organization, Name: r.Name,
			})
		}
	}
	for _, r := range rules.SystemRoles {
		meaning := r.ApplicationRole
		if resource == ResourceOrganizationRoles {
			meaning = r.OrganizationRole
		}
		if slices.Contains(systemRoles, r.Name) && meaning == role {
			rights = append(rights, Attributes{
				Verb: VerbGrant, Group: GrantsGroup, Resource: ResourceSystemRoles,
				Namespace: j.view.SystemNamespace(), Name: r.Name,
			})
		}
	}
	return rights
}

// plurals are the resources of the kinds.
var plurals = map[roster.Kind]string{
	roster.KindAccessGroup:       "accessgroups",
	roster.KindUserAccess:        "useraccesses",
	roster.KindApplicationAccess: "applicationaccesses",
	roster.KindAccessPolicy:      "accesspolicies",
}

// objectRight is a right to the object itself.
func objectRight(verb string, o roster.Object) []Attributes {
	return []Attributes{{
		Verb: verb, Group: accessv1alpha1.GroupVersion.Group, Resource: plurals[o.Kind], Namespace: o.Namespace, Name: o.Name,
	}}
}

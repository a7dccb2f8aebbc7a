package validation

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// The verbs, the API group and the resources for the right to grant in RBAC. The resources have no objects. They
// exist only in RBAC roles (docs/admission.md, the right to grant).
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

// Right is a permission that the requester must have: any one of AnyOf is enough. The first one is the narrowest,
// and messages name it.
type Right struct {
	AnyOf []Attributes
	// Field is the field that requires the right. Reason says what the change would do.
	Field  *field.Path
	Reason string
}

// Attributes are the resource attributes of a SubjectAccessReview. An empty Namespace means all namespaces, an
// empty Name all names.
type Attributes struct {
	Verb        string `json:"verb"`
	Group       string `json:"group"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
}

// need identifies a right. Application is "*" for all applications. Source is set if a role becomes effective, and
// names what gives the role.
type need struct{ resource, namespace, application, role, source string }

// require adds the right, unless it was added already. It calls reason only for a right that it adds.
func (j *judge) require(n need, at *field.Path, more []Attributes, reason func() string) {
	if _, again := j.needed[n]; again {
		return
	}
	declared := n
	declared.source = ""
	if _, again := j.needed[declared]; again {
		return // a declared grant requires at least as much
	}
	if declared.application != "" {
		declared.application = resolve.AnyApplication
		if _, again := j.needed[declared]; again {
			return // the right to the role in every application includes this one
		}
	}
	j.requireAnyOf(n, Right{AnyOf: append(n.anyOf(), more...), Field: at, Reason: reason()})
}

// requireAnyOf adds the right for the need.
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

// exempting returns the right whose holders only get warnings from cross-object checks.
func (j *judge) exempting() Right {
	return Right{AnyOf: []Attributes{{
		Verb: VerbGrant, Group: GrantsGroup, Resource: ResourceSystemRoles, Namespace: j.view.SystemNamespace(),
		Name: j.view.Index().DefaultRules().SystemRoles[0].Name,
	}}}
}

// asWritten returns the rights to the roles that the source declares in the organization and that include the
// role. A requester who may grant a declared role may also let it take effect.
func (j *judge) asWritten(s *resolve.Source, o *resolve.Organization, resource, role string) []Attributes {
	if s == nil {
		return nil
	}
	rules := o.Rules()
	var organizationRoles, systemRoles []string
	oneEntry := s.Origin != resolve.SystemGroup && s.Origin != resolve.IndividualAtSystem
	for g := range s.Grants(j.placeOf(rules.Organization)) {
		if oneEntry && g.Scope == resolve.ScopeApplication {
			break // the grants of an entry for applications follow its other grants, and there may be hundreds
		}
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

// plurals maps each kind to its resource.
var plurals = map[roster.Kind]string{
	roster.KindAccessGroup:       "accessgroups",
	roster.KindUserAccess:        "useraccesses",
	roster.KindApplicationAccess: "applicationaccesses",
	roster.KindAccessPolicy:      "accesspolicies",
}

// objectRight returns the right to use the verb on the object.
func objectRight(verb string, o roster.Object) []Attributes {
	return []Attributes{{
		Verb: verb, Group: accessv1alpha1.GroupVersion.Group, Resource: plurals[o.Kind], Namespace: o.Namespace, Name: o.Name,
	}}
}

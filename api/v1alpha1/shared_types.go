package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const (
	// RoleNoAccess is the role below every ladder. It can be granted like any role, but not declared on a ladder.
	RoleNoAccess RoleName = "NoAccess"

	// All stands for every application, or for every organization, in fields that accept a name or "*".
	All = "*"
)

// UserName is an opaque, case-sensitive identity, such as an e-mail address or an OIDC subject.
//
// Valid: "amelie@acme.example", "auth0|5f7c8ec7", "Zoë". Not valid: "two words", "a,b", `"quoted"`, `acme\amelie`.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[^\p{Z}\p{Cc}\p{Cf},"\\]+$`
// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Z}\p{Cc}\p{Cf},"\\]')`,message="a user has no white space, no control or format character, no comma, double quote or backslash",messageExpression=`'it has ' + (self.contains(',') ? 'a comma' : self.contains('"') ? 'a double quote' : self.contains('\\') ? 'a backslash' : self.matches(r'\p{Z}') ? 'white space' : 'a control or format character') + ' in it; a user has no white space, no control or format character, no comma, double quote or backslash'`
type UserName string

// RoleName is a name on a ladder, or NoAccess.
//
// Valid: "Viewer", "release-manager", "tier.2". Not valid: "-", "read only", "Prüfer".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`
type RoleName string

// ApplicationName is the name of an application: a DNS-1123 label. If the common name of an application is not a label,
// such as crates.io, use crates-io, and put the common name into the displayName of the ApplicationAccess.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
// +kubebuilder:validation:XValidation:rule=`!self.matches('[^a-z0-9-]')`,message="an application is a DNS label: lower-case letters, digits and -",messageExpression=`'an application is a DNS label: lower-case letters, digits and -' + (self.lowerAscii().replace('.', '-').replace('_', '-').replace(' ', '-').replace('/', '-').matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$') ? '; write ' + self.lowerAscii().replace('.', '-').replace('_', '-').replace(' ', '-').replace('/', '-') + ', and give its ApplicationAccess the displayName ' + self : "")`
type ApplicationName string

// ApplicationSelector is the name of an application, or "*" for every application.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$`
// +kubebuilder:validation:XValidation:rule=`self == '*' || !self.matches('[^a-z0-9-]')`,message="an application is a DNS label: lower-case letters, digits and -",messageExpression=`'an application is a DNS label: lower-case letters, digits and -' + (self.lowerAscii().replace('.', '-').replace('_', '-').replace(' ', '-').replace('/', '-').matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$') ? '; write ' + self.lowerAscii().replace('.', '-').replace('_', '-').replace(' ', '-').replace('/', '-') + ', and give its ApplicationAccess the displayName ' + self : "")`
type ApplicationSelector string

// OrganizationName is the name of an organization: the name of its namespace.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
type OrganizationName string

// OrganizationSelector is the name of an organization, or "*" for every organization that no other entry names.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$`
type OrganizationSelector string

// GroupName is the name of an AccessGroup of the same namespace.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
type GroupName string

// ChannelName is the name of a notification channel of the organization's AccessPolicy.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
type ChannelName string

// SourceName names the object that a role comes from, as Kind/namespace/name.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=335
// +kubebuilder:validation:Pattern=`^[A-Za-z]+/[a-z0-9-]+/[a-z0-9.-]+$`
type SourceName string

// ApplicationGrant gives a role in one application, or in all.
//
// It is atomic: one field manager owns an entry as a whole, and a role is never combined with the window of another
// manager.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:rule="!has(self.notBefore) || !has(self.notAfter) || self.notBefore < self.notAfter",message="notBefore must be before notAfter",fieldPath=".notAfter",reason="FieldValueInvalid"
type ApplicationGrant struct {
	// application is the name of an application, or "*" for the role in every application that no other grant names.
	// +required
	Application ApplicationSelector `json:"application,omitempty"`

	// role is the role on the application ladder, or NoAccess.
	// +required
	Role RoleName `json:"role,omitempty"`

	// notBefore is the first instant at which the grant counts. Absent: it counts from the beginning.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?Z|[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotBefore *metav1.Time `json:"notBefore,omitempty"`

	// notAfter is the first instant at which the grant no longer counts. Absent: it does not end.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?Z|[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
}

// SystemGrant gives roles in one organization, or in all that no other entry names.
//
// +kubebuilder:validation:XValidation:rule="has(self.role) || has(self.organizationRole) || has(self.applicationAccess) || has(self.applicationSelectors)",message="at least one of role, organizationRole, applicationAccess and applicationSelectors must be given",reason="FieldValueRequired"
type SystemGrant struct {
	// organization is the name of an organization, or "*" for every organization that no other entry names.
	// +required
	Organization OrganizationSelector `json:"organization,omitempty"`

	// role is a role on the system ladder, or NoAccess. Absent: the entry gives no system role.
	// +optional
	Role RoleName `json:"role,omitempty"`

	// organizationRole is a role on the organization's ladder, or NoAccess. Absent: the entry gives no organization role.
	// +optional
	OrganizationRole RoleName `json:"organizationRole,omitempty"`

	// applicationAccess lists roles in applications of the organization. Absent: the entry gives none.
	// +optional
	// +listType=map
	// +listMapKey=application
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	ApplicationAccess []ApplicationGrant `json:"applicationAccess,omitempty"`

	// applicationSelectors lists roles in applications of the organization that are selected by label. Absent: the entry
	// gives none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	ApplicationSelectors []ApplicationSelectorGrant `json:"applicationSelectors,omitempty"`
}

// ReferenceKind is the kind of object that an unresolved reference names.
//
// +kubebuilder:validation:Enum=AccessGroup;ApplicationRole;OrganizationRole;SystemRole;NotificationChannel
type ReferenceKind string

// Kinds of references.
const (
	ReferenceAccessGroup         ReferenceKind = "AccessGroup"
	ReferenceApplicationRole     ReferenceKind = "ApplicationRole"
	ReferenceOrganizationRole    ReferenceKind = "OrganizationRole"
	ReferenceSystemRole          ReferenceKind = "SystemRole"
	ReferenceNotificationChannel ReferenceKind = "NotificationChannel"
)

// UnresolvedReference is a reference in a spec to an object that does not exist.
type UnresolvedReference struct {
	// field is the path of the reference in the object, such as spec.applicationAccess[finance].role.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	Field string `json:"field,omitempty"`

	// kind is the kind of the missing object.
	// +required
	Kind ReferenceKind `json:"kind,omitempty"`

	// name is the name of the missing object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	Name string `json:"name,omitempty"`

	// organization is the organization in which the name is missing. Absent: the object's own namespace, or, for a role
	// that an object of the system namespace gives in organizations that it does not name, every organization.
	// +optional
	Organization OrganizationName `json:"organization,omitempty"`
}

// ConflictScope is the scope in which the grants of a user conflict.
//
// +kubebuilder:validation:Enum=Application;Broad;Organization;System
type ConflictScope string

// Scopes of a conflict.
const (
	// ConflictScopeApplication: roles in the one application that the conflict names.
	ConflictScopeApplication ConflictScope = "Application"
	// ConflictScopeBroad: roles in all applications, by "*" or by the application roles of organization roles.
	ConflictScopeBroad ConflictScope = "Broad"
	// ConflictScopeOrganization: roles on the organization ladder.
	ConflictScopeOrganization ConflictScope = "Organization"
	// ConflictScopeSystem: the roles that system roles map to in the organization.
	ConflictScopeSystem ConflictScope = "System"
)

// ConflictingGrant is one side of a conflict.
type ConflictingGrant struct {
	// source is the object that gives the role.
	// +required
	Source SourceName `json:"source,omitempty"`

	// role is the role that it gives; in the broad and the system scope the role that it maps to.
	// +required
	Role RoleName `json:"role,omitempty"`
}

// Conflict says that grants of different sources give one user different roles in one scope.
type Conflict struct {
	// user is the user with conflicting grants. Absent in the status of a UserAccess, where it is the user of the
	// object.
	// +optional
	User UserName `json:"user,omitempty"`

	// organization is the organization of the conflict. Absent: the object's own namespace.
	// +optional
	Organization OrganizationName `json:"organization,omitempty"`

	// scope is the scope of the conflict.
	// +required
	Scope ConflictScope `json:"scope,omitempty"`

	// application is the application of the scope Application. Absent in every other scope.
	// +optional
	Application ApplicationName `json:"application,omitempty"`

	// grants lists the grants of the scope, the first five.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	Grants []ConflictingGrant `json:"grants,omitempty"`

	// result is the winning role of the scope.
	// +required
	Result RoleName `json:"result,omitempty"`
}

// DecisionRule is the rule that decided a role.
//
// +kubebuilder:validation:Enum=OnlyGrant;MostRestrictive;MostPermissive;SpecificApplication;ProtectedAdministrator;SystemBlock;SystemCap;SystemFloor;SystemGrant;Suspended;Expired;NotYetValid;ExclusiveAccess;NoGrant
type DecisionRule string

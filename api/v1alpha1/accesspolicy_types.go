package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AccessPolicyName is the required name of the AccessPolicy of a namespace.
const AccessPolicyName = "default"

// ConflictResolution says which of several roles counts.
//
// +kubebuilder:validation:Enum=MostRestrictive;MostPermissive
type ConflictResolution string

// Values of conflictResolution.
const (
	ConflictResolutionMostRestrictive ConflictResolution = "MostRestrictive"
	ConflictResolutionMostPermissive  ConflictResolution = "MostPermissive"
)

// IndividualAccess says when individual grants count.
//
// +kubebuilder:validation:Enum=Fallback;Combined
type IndividualAccess string

// Values of individualAccess.
const (
	IndividualAccessFallback IndividualAccess = "Fallback"
	IndividualAccessCombined IndividualAccess = "Combined"
)

// Administrators specifies whether individual grants of the top rung are protected.
//
// +kubebuilder:validation:Enum=Protected;Unprotected
type Administrators string

// Values of administrators.
const (
	AdministratorsProtected   Administrators = "Protected"
	AdministratorsUnprotected Administrators = "Unprotected"
)

// CrossObjectChecks says how admission answers the findings of cross-object checks.
//
// +kubebuilder:validation:Enum=Warn;Deny;Ignore
type CrossObjectChecks string

// Values of crossObjectChecks.
const (
	CrossObjectChecksWarn   CrossObjectChecks = "Warn"
	CrossObjectChecksDeny   CrossObjectChecks = "Deny"
	CrossObjectChecksIgnore CrossObjectChecks = "Ignore"
)

// UserConfigMaps specifies whether user documents are published.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type UserConfigMaps string

// Values of userConfigMaps.
const (
	UserConfigMapsEnabled  UserConfigMaps = "Enabled"
	UserConfigMapsDisabled UserConfigMaps = "Disabled"
)

// Permission is a permission of a role. The application defines its meaning.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?$`
type Permission string

// AccessPolicySpec defines the roles of an organization and how access is resolved. Policies are not merged: a field
// that a policy leaves out has its built-in value, never the value of the system namespace's policy.
//
// +kubebuilder:validation:MinProperties=0
// +kubebuilder:validation:XValidation:rule="!has(self.organizationRoles) || self.organizationRoles.all(o, !has(o.applicationRole) || o.applicationRole == 'NoAccess' || (has(self.applicationRoles) ? self.applicationRoles.exists(a, a.name == o.applicationRole) : o.applicationRole in ['Administrator', 'RulesAdmin', 'Editor', 'Viewer']))",message="every applicationRole must be NoAccess or the name of a role in applicationRoles (where that is absent: Administrator, RulesAdmin, Editor or Viewer)",fieldPath=".organizationRoles",reason="FieldValueInvalid"
// +kubebuilder:validation:XValidation:rule="!has(self.notificationChannels) || self.notificationChannels.map(c, has(c.smtp) && has(c.smtp.template) ? (has(c.smtp.template.subject) ? size(c.smtp.template.subject) : 0) + (has(c.smtp.template.text) ? size(c.smtp.template.text) : 0) + (has(c.smtp.template.html) ? size(c.smtp.template.html) : 0) : 0).sum() <= 32768",message="the templates of all channels may have 32768 characters together",fieldPath=".notificationChannels",reason="FieldValueInvalid"
type AccessPolicySpec struct {
	// applicationRoles is the application ladder, the most permissive role first. Absent: Administrator, RulesAdmin,
	// Editor, Viewer.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	ApplicationRoles []ApplicationRole `json:"applicationRoles,omitempty"`

	// organizationRoles is the organization ladder, the most permissive role first. Absent: Administrator, RulesAdmin,
	// Editor, Viewer, each mapped to the application role of the same name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	OrganizationRoles []OrganizationRole `json:"organizationRoles,omitempty"`

	// systemRoles is the system ladder, the most permissive role first. It has an effect only in the system namespace.
	// Absent: SystemAdministrator, mapped to Administrator, and Observer, mapped to Viewer.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	SystemRoles []SystemRole `json:"systemRoles,omitempty"`

	// conflictResolution says which of several roles counts: the lowest (MostRestrictive) or the highest
	// (MostPermissive). Defaults to MostRestrictive.
	// +optional
	// +kubebuilder:default="MostRestrictive"
	ConflictResolution ConflictResolution `json:"conflictResolution,omitempty"`

	// individualAccess says when the grants of a UserAccess count: only while no group of the organization with
	// privileges has the user as a member (Fallback), or in addition to those of groups (Combined). Defaults to
	// Fallback.
	// +optional
	// +kubebuilder:default="Fallback"
	IndividualAccess IndividualAccess `json:"individualAccess,omitempty"`

	// administrators specifies whether grants of the top rung of a ladder in a UserAccess always count. Defaults to
	// Protected.
	// +optional
	// +kubebuilder:default="Protected"
	Administrators Administrators `json:"administrators,omitempty"`

	// exclusiveAccess lists sets of applications. A user may hold a role in at most one application of each set. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	ExclusiveAccess []ExclusiveAccess `json:"exclusiveAccess,omitempty"`

	// revocationLimit is the number of users who may lose all access to an application within ten minutes. Absent: no
	// limit.
	// +optional
	RevocationLimit RevocationLimit `json:"revocationLimit,omitzero"`

	// crossObjectChecks says how admission answers role conflicts, broken rules of exclusive access, and a change that
	// leaves no administrator. Defaults to Warn.
	// +optional
	// +kubebuilder:default="Warn"
	CrossObjectChecks CrossObjectChecks `json:"crossObjectChecks,omitempty"`

	// userConfigMaps specifies whether Usher publishes a ConfigMap for every user. Defaults to Enabled.
	// +optional
	// +kubebuilder:default="Enabled"
	UserConfigMaps UserConfigMaps `json:"userConfigMaps,omitempty"`

	// notificationChannels lists the channels through which groups can notify their members. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	NotificationChannels []NotificationChannel `json:"notificationChannels,omitempty"`
}

// ApplicationRole is a rung of the application ladder.
type ApplicationRole struct {
	// name is the name of the role. NoAccess is built in and cannot be declared.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'NoAccess'",message="NoAccess is built in, below every ladder, and may not be declared"
	Name RoleName `json:"name,omitempty"`

	// permissions lists the permissions of the role. Every rung above has them too. Absent: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=200
	Permissions []Permission `json:"permissions,omitempty"`
}

// OrganizationRole is a rung of the organization ladder.
type OrganizationRole struct {
	// name is the name of the role. NoAccess is built in and cannot be declared.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'NoAccess'",message="NoAccess is built in, below every ladder, and may not be declared"
	Name RoleName `json:"name,omitempty"`

	// applicationRole is the role that it maps to in every application of the organization. Absent: it gives no role
	// there.
	// +optional
	ApplicationRole RoleName `json:"applicationRole,omitempty"`
}

// SystemRole is a rung of the system ladder.
type SystemRole struct {
	// name is the name of the role. NoAccess is built in and cannot be declared.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'NoAccess'",message="NoAccess is built in, below every ladder, and may not be declared"
	Name RoleName `json:"name,omitempty"`

	// organizationRole is the role that it maps to on the organization's ladder. Absent: it gives no role there.
	// +optional
	OrganizationRole RoleName `json:"organizationRole,omitempty"`

	// applicationRole is the role that it maps to in every application of the organization. Absent: it gives no role
	// there.
	// +optional
	ApplicationRole RoleName `json:"applicationRole,omitempty"`
}

// ExclusiveAccess is a rule for the separation of duty.
type ExclusiveAccess struct {
	// name is the name of the rule.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`

	// applications lists the applications that exclude each other.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=2
	// +kubebuilder:validation:MaxItems=20
	Applications []ApplicationName `json:"applications,omitempty"`

	// minimumRole is the lowest role that counts. A role that is not on the organization's ladder matches any role.
	// +required
	MinimumRole RoleName `json:"minimumRole,omitempty"`
}

// RevocationLimit limits how many users may lose all access to an application. Of two limits the lower counts.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.users) || has(self.percent)",message="at least one of users and percent must be given",reason="FieldValueRequired"
type RevocationLimit struct {
	// users is the number of users who may lose access. Absent: no limit by number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Users *int32 `json:"users,omitempty"`

	// percent is the share of the users with access who may lose it. Absent: no limit by share.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`
}

// AccessPolicyStatus is the observed state of a policy.
//
// +kubebuilder:validation:MinProperties=0
type AccessPolicyStatus struct {
	// conditions are the conditions of the policy: Ready, ResolvedRefs and, while they hold, SystemRoleUnmapped,
	// AdministratorExpires and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status describes; -1 if Usher has not processed the object yet.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration"`

	// organizations is the number of organizations that use the policy.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Organizations int32 `json:"organizations"`

	// unresolvedReferences lists references to objects that do not exist, the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	UnresolvedReferences []UnresolvedReference `json:"unresolvedReferences,omitempty"`
}

// AccessPolicy defines the roles of an organization, and how access is resolved there.
//
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="an AccessPolicy must be named default: a namespace has at most one",fieldPath=".metadata",reason="FieldValueInvalid"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=accesspolicies,scope=Namespaced,shortName=apol,categories=usher
// +kubebuilder:printcolumn:name="Resolution",type=string,JSONPath=`.spec.conflictResolution`
// +kubebuilder:printcolumn:name="Organizations",type=integer,JSONPath=`.status.organizations`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Individual",type=string,priority=1,JSONPath=`.spec.individualAccess`
// +kubebuilder:printcolumn:name="Checks",type=string,priority=1,JSONPath=`.spec.crossObjectChecks`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AccessPolicy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec defines the roles and how access is resolved. Absent: the built-in policy.
	// +optional
	// +kubebuilder:default={}
	Spec AccessPolicySpec `json:"spec,omitzero"`

	// status is the observed state. Absent: Usher has not processed the object yet.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status AccessPolicyStatus `json:"status,omitzero"`
}

// AccessPolicyList is a list of AccessPolicy.
//
// +kubebuilder:object:root=true
type AccessPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []AccessPolicy `json:"items"`
}

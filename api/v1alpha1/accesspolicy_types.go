package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AccessPolicyName is the name of the AccessPolicy of a namespace. No other name is accepted.
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

// Administrators says whether individual grants of the top rung are protected.
//
// +kubebuilder:validation:Enum=Protected;Unprotected
type Administrators string

// Values of administrators.
const (
	AdministratorsProtected   Administrators = "Protected"
	AdministratorsUnprotected Administrators = "Unprotected"
)

// CrossObjectChecks says what admission does about what takes two objects to be wrong.
//
// +kubebuilder:validation:Enum=Warn;Deny;Ignore
type CrossObjectChecks string

// Values of crossObjectChecks.
const (
	CrossObjectChecksWarn   CrossObjectChecks = "Warn"
	CrossObjectChecksDeny   CrossObjectChecks = "Deny"
	CrossObjectChecksIgnore CrossObjectChecks = "Ignore"
)

// UserConfigMaps says whether user documents are published.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type UserConfigMaps string

// Values of userConfigMaps.
const (
	UserConfigMapsEnabled  UserConfigMaps = "Enabled"
	UserConfigMapsDisabled UserConfigMaps = "Disabled"
)

// Permission is what a role allows, in the words of the application.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?$`
type Permission string

// AccessPolicySpec says which roles an organization knows and how access is resolved. A policy is taken whole: what it
// leaves out is as built in, never as in the system namespace's policy.
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
	// Editor, Viewer, each meaning the application role of its name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	OrganizationRoles []OrganizationRole `json:"organizationRoles,omitempty"`

	// systemRoles is the system ladder, the most permissive role first. It counts only in the system namespace.
	// Absent: SystemAdministrator, meaning Administrator, and Observer, meaning Viewer.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	SystemRoles []SystemRole `json:"systemRoles,omitempty"`

	// conflictResolution says which of several roles counts: the lowest (MostRestrictive) or the highest
	// (MostPermissive). Absent: MostRestrictive.
	// +optional
	// +kubebuilder:default="MostRestrictive"
	ConflictResolution ConflictResolution `json:"conflictResolution,omitempty"`

	// individualAccess says when the grants of a UserAccess count: only while no group of the organization with
	// privileges has the user as a member (Fallback), or beside the groups' (Combined). Absent: Fallback.
	// +optional
	// +kubebuilder:default="Fallback"
	IndividualAccess IndividualAccess `json:"individualAccess,omitempty"`

	// administrators says whether what a UserAccess gives of the top rung of a ladder always counts. Absent: Protected.
	// +optional
	// +kubebuilder:default="Protected"
	Administrators Administrators `json:"administrators,omitempty"`

	// exclusiveAccess lists applications that no user may hold a role in together. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	ExclusiveAccess []ExclusiveAccess `json:"exclusiveAccess,omitempty"`

	// revocationLimit is how many users may lose all access to an application within ten minutes. Absent: no limit.
	// +optional
	RevocationLimit RevocationLimit `json:"revocationLimit,omitzero"`

	// crossObjectChecks says what admission does about what takes two objects to be wrong. Absent: Warn.
	// +optional
	// +kubebuilder:default="Warn"
	CrossObjectChecks CrossObjectChecks `json:"crossObjectChecks,omitempty"`

	// userConfigMaps says whether a ConfigMap is published for every user. Absent: Enabled.
	// +optional
	// +kubebuilder:default="Enabled"
	UserConfigMaps UserConfigMaps `json:"userConfigMaps,omitempty"`

	// notificationChannels lists ways in which groups may tell their members. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	NotificationChannels []NotificationChannel `json:"notificationChannels,omitempty"`
}

// ApplicationRole is a rung of the application ladder.
type ApplicationRole struct {
	// name is the name of the role. NoAccess is built in and may not be declared.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'NoAccess'",message="NoAccess is built in, below every ladder, and may not be declared"
	Name RoleName `json:"name,omitempty"`

	// permissions lists what the role allows; every rung above allows it too. Absent: nothing of its own.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=200
	Permissions []Permission `json:"permissions,omitempty"`
}

// OrganizationRole is a rung of the organization ladder.
type OrganizationRole struct {
	// name is the name of the role. NoAccess is built in and may not be declared.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'NoAccess'",message="NoAccess is built in, below every ladder, and may not be declared"
	Name RoleName `json:"name,omitempty"`

	// applicationRole is what the role means in every application of the organization. Absent: it means nothing there.
	// +optional
	ApplicationRole RoleName `json:"applicationRole,omitempty"`
}

// SystemRole is a rung of the system ladder.
type SystemRole struct {
	// name is the name of the role. NoAccess is built in and may not be declared.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'NoAccess'",message="NoAccess is built in, below every ladder, and may not be declared"
	Name RoleName `json:"name,omitempty"`

	// organizationRole is what the role means on the organization's ladder. Absent: it means nothing there.
	// +optional
	OrganizationRole RoleName `json:"organizationRole,omitempty"`

	// applicationRole is what the role means in every application of the organization. Absent: it means nothing there.
	// +optional
	ApplicationRole RoleName `json:"applicationRole,omitempty"`
}

// ExclusiveAccess is a separation of duty.
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

	// minimumRole is the lowest role that counts. One that is not on the organization's ladder: any role.
	// +required
	MinimumRole RoleName `json:"minimumRole,omitempty"`
}

// RevocationLimit limits how many users may lose all access to an application. Of two limits the lower counts.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.users) || has(self.percent)",message="at least one of users and percent must be given",reason="FieldValueRequired"
type RevocationLimit struct {
	// users is how many users may lose it. Absent: no limit by number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Users *int32 `json:"users,omitempty"`

	// percent is how many of a hundred users may lose it. Absent: no limit by share.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`
}

// AccessPolicyStatus is what Usher found about a policy.
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

	// observedGeneration is the generation that this status is about; -1 where nothing has looked at the object yet.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration"`

	// organizations is how many organizations use the policy.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Organizations int32 `json:"organizations"`

	// unresolvedReferences lists what the policy names and what does not exist, the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	UnresolvedReferences []UnresolvedReference `json:"unresolvedReferences,omitempty"`
}

// AccessPolicy says which roles an organization knows and how access is resolved there.
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

	// spec says which roles there are and how access is resolved. Absent: as built in.
	// +optional
	// +kubebuilder:default={}
	Spec AccessPolicySpec `json:"spec,omitzero"`

	// status says what Usher found. Absent: nothing yet.
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

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UserState specifies whether a user may have access at all.
//
// +kubebuilder:validation:Enum=Active;Suspended
type UserState string

// States of a user.
const (
	UserStateActive    UserState = "Active"
	UserStateSuspended UserState = "Suspended"
)

// UserAccessSpec declares the access of one user.
//
// The rule about size counts bytes as that of AccessGroupSpec does.
//
// +kubebuilder:validation:XValidation:rule="!has(self.notBefore) || !has(self.notAfter) || self.notBefore < self.notAfter",message="notBefore must be before notAfter",fieldPath=".notAfter",reason="FieldValueInvalid"
// +kubebuilder:validation:XValidation:rule="(has(self.groups) ? self.groups.map(g, 20 + 2 * size(g)).sum() : 0) + (has(self.applicationAccess) ? 340 * size(self.applicationAccess) : 0) + (has(self.applicationSelectors) ? self.applicationSelectors.map(a, 230 + (has(a.selector.matchLabels) ? 400 * size(a.selector.matchLabels) : 0) + (has(a.selector.matchExpressions) ? a.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0)).sum() : 0) + (has(self.systemAccess) ? self.systemAccess.map(s, 450 + (has(s.applicationAccess) ? 340 * size(s.applicationAccess) : 0) + (has(s.applicationSelectors) ? s.applicationSelectors.map(a, 230 + (has(a.selector.matchLabels) ? 400 * size(a.selector.matchLabels) : 0) + (has(a.selector.matchExpressions) ? a.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0)).sum() : 0)).sum() : 0) + (has(self.systemAccessSelectors) ? self.systemAccessSelectors.map(s, 250 + (has(s.selector.matchLabels) ? 400 * size(s.selector.matchLabels) : 0) + (has(s.selector.matchExpressions) ? s.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0) + (has(s.applicationAccess) ? 230 * size(s.applicationAccess) : 0) + (has(s.applicationSelectors) ? s.applicationSelectors.map(a, 230 + (has(a.selector.matchLabels) ? 400 * size(a.selector.matchLabels) : 0) + (has(a.selector.matchExpressions) ? a.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0)).sum() : 0)).sum() : 0) + (has(self.attributes) ? self.attributes.map(a, 150 + a.values.map(v, 4 + size(bytes(v))).sum()).sum() : 0) <= 1400000",message="the object is too large: give what the user shares with others through groups",reason="FieldValueInvalid"
type UserAccessSpec struct {
	// user is the identity. It is immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="user cannot be changed: delete the object and create another"
	User UserName `json:"user,omitempty"`

	// displayName is the name that is shown to people. Defaults to the user.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	DisplayName string `json:"displayName,omitempty"`

	// email is the address for notices to the user. Defaults to the user, if that is an e-mail address.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:Pattern=`^[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+@[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+$`
	Email string `json:"email,omitempty"`

	// state specifies whether the user may have access at all. Suspended means NoAccess everywhere in the organization; in
	// the system namespace, in every organization. Defaults to Active.
	// +optional
	// +kubebuilder:default="Active"
	State UserState `json:"state,omitempty"`

	// notBefore is the first instant at which the user may have access. Absent: there is no beginning.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?Z|[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotBefore *metav1.Time `json:"notBefore,omitempty"`

	// notAfter is the first instant at which the user may no longer have access. Absent: there is no end.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?Z|[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotAfter *metav1.Time `json:"notAfter,omitempty"`

	// groups lists AccessGroups of the same namespace that the user belongs to. Absent: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=100
	Groups []GroupName `json:"groups,omitempty"`

	// organizationRole is an individual role on the organization ladder, or NoAccess. It has no effect in the system
	// namespace. Absent: none.
	// +optional
	OrganizationRole RoleName `json:"organizationRole,omitempty"`

	// applicationAccess lists individual roles in applications. It has no effect in the system namespace. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=application
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=500
	ApplicationAccess []ApplicationGrant `json:"applicationAccess,omitempty"`

	// applicationSelectors lists individual roles in applications that are selected by label. It has no effect in the
	// system namespace. Absent: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	ApplicationSelectors []ApplicationSelectorGrant `json:"applicationSelectors,omitempty"`

	// systemAccess lists individual roles across organizations. It has no effect outside the system namespace. Absent:
	// none.
	// +optional
	// +listType=map
	// +listMapKey=organization
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=100
	SystemAccess []SystemGrant `json:"systemAccess,omitempty"`

	// systemAccessSelectors lists individual roles in organizations that are selected by label and that no entry of
	// systemAccess names. It has no effect outside the system namespace. Absent: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	SystemAccessSelectors []SystemSelectorGrant `json:"systemAccessSelectors,omitempty"`

	// attributes lists what requirements on rows may refer to by userAttribute. Absent: the user has none here.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=50
	Attributes []UserAttribute `json:"attributes,omitempty"`
}

// UserAttribute is one attribute of a user.
//
// It is atomic: one owner sets an attribute as a whole.
//
// +structType=atomic
type UserAttribute struct {
	// name is the name of the attribute.
	// +required
	Name AttributeName `json:"name,omitempty"`

	// values lists the values of the attribute.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Values []AttributeValue `json:"values,omitempty"`
}

// EffectiveRole is a user's role in one application, with its source and rule.
type EffectiveRole struct {
	// name is the application.
	// +required
	Name ApplicationName `json:"name,omitempty"`

	// role is the effective role.
	// +required
	Role RoleName `json:"role,omitempty"`

	// source is the object that the role comes from. Absent: no object gives a role.
	// +optional
	Source SourceName `json:"source,omitempty"`

	// rule is the rule that decided the role.
	// +required
	Rule DecisionRule `json:"rule,omitempty"`
}

// UserAccessStatus is the resolved access of a user. The user document has the full list.
//
// +kubebuilder:validation:MinProperties=0
type UserAccessStatus struct {
	// conditions are the conditions of the user: Ready, ResolvedRefs, RoleConflict and, while the object has a problem
	// that waiting does not fix, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status describes; -1 if Usher has not processed the object yet.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration"`

	// organizationRole is the effective role in the organization.
	// +optional
	OrganizationRole RoleName `json:"organizationRole,omitempty"`

	// defaultRole is the effective role in any application that nothing names.
	// +optional
	DefaultRole RoleName `json:"defaultRole,omitempty"`

	// applications lists the user document's entries by name, the first fifty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=50
	Applications []EffectiveRole `json:"applications,omitempty"`

	// applicationCount is the number of entries in the user document.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ApplicationCount int32 `json:"applicationCount"`

	// groups lists the AccessGroups of the namespace that the user is an active member of, the first fifty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=50
	Groups []GroupName `json:"groups,omitempty"`

	// groupCount is the number of AccessGroups that the user is an active member of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	GroupCount int32 `json:"groupCount"`

	// conflicts lists scopes in which grants of different sources give the user different roles, the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	Conflicts []Conflict `json:"conflicts,omitempty"`

	// conflictCount is the number of scopes with conflicting grants.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ConflictCount int32 `json:"conflictCount"`

	// nextTransitionTime is the next instant at which a window that affects the user's decision opens or closes.
	// Absent: there is none.
	// +optional
	NextTransitionTime *metav1.Time `json:"nextTransitionTime,omitempty"`
}

// UserAccess declares the access of one user, and shows the user's effective access.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=useraccesses,scope=Namespaced,shortName=ua,categories=usher
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user`
// +kubebuilder:printcolumn:name="Org role",type=string,JSONPath=`.status.organizationRole`
// +kubebuilder:printcolumn:name="Default role",type=string,JSONPath=`.status.defaultRole`
// +kubebuilder:printcolumn:name="Applications",type=integer,JSONPath=`.status.applicationCount`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="State",type=string,priority=1,JSONPath=`.spec.state`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Conflicts",type=integer,priority=1,JSONPath=`.status.conflictCount`
// +kubebuilder:printcolumn:name="Display name",type=string,priority=1,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type UserAccess struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec names the user and declares the user's individual access.
	// +required
	Spec UserAccessSpec `json:"spec,omitzero"`

	// status is the user's effective access. Absent: Usher has not processed the object yet.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status UserAccessStatus `json:"status,omitzero"`
}

// UserAccessList is a list of UserAccess.
//
// +kubebuilder:object:root=true
type UserAccessList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []UserAccess `json:"items"`
}

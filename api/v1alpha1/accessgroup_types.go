package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GroupType specifies whether the grants of a group apply in its own organization or across organizations.
//
// +kubebuilder:validation:Enum=Organization;System
type GroupType string

// Types of groups.
const (
	GroupTypeOrganization GroupType = "Organization"
	GroupTypeSystem       GroupType = "System"
)

// GroupPrivileges specifies whether a group gives roles.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type GroupPrivileges string

// Values of privileges.
const (
	GroupPrivilegesEnabled  GroupPrivileges = "Enabled"
	GroupPrivilegesDisabled GroupPrivileges = "Disabled"
)

// DataOperator compares an attribute of a row with values.
//
// +kubebuilder:validation:Enum=In;NotIn;GreaterThan;LessThan
type DataOperator string

// Operators of a row requirement.
const (
	DataOperatorIn          DataOperator = "In"
	DataOperatorNotIn       DataOperator = "NotIn"
	DataOperatorGreaterThan DataOperator = "GreaterThan"
	DataOperatorLessThan    DataOperator = "LessThan"
)

// NotificationMode says when members of a group get notices.
//
// +kubebuilder:validation:Enum=Disabled;OnChange
type NotificationMode string

// Modes of notification.
const (
	NotificationModeDisabled NotificationMode = "Disabled"
	NotificationModeOnChange NotificationMode = "OnChange"
)

// MissedReview is the effect of a missed review on the grants of the group.
//
// +kubebuilder:validation:Enum=Keep;End
type MissedReview string

// Values of ifMissed.
const (
	MissedReviewKeep MissedReview = "Keep"
	MissedReviewEnd  MissedReview = "End"
)

// AttributeName is the name of an attribute of a row, or of a user.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]{0,62}$`
type AttributeName string

// AttributeValue is a value of an attribute.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
type AttributeValue string

// AccessGroupSpec defines the members and the grants of a group.
//
// The rule about size counts the bytes in etcd after a server-side apply: a user with its own length, twice (the second
// time in managedFields), names and instants with their maximum length, and a data value with 256 bytes, because adding
// up the lengths of all values exceeds the cost limit of CEL. The rest of the 1.5 MiB that etcd accepts is for status
// and metadata.
//
// The standard label selector has no bounds of its own. Its rules cannot look for the characters of a label, which costs
// too much where a string has no bound in the schema; one of them walks indexes for the same reason.
//
// +kubebuilder:validation:MinProperties=0
// +kubebuilder:validation:XValidation:rule="self.type == 'System' || !has(self.systemAccess)",message="only a group of type System may have systemAccess",fieldPath=".systemAccess",reason="FieldValueForbidden"
// +kubebuilder:validation:XValidation:rule="self.type == 'System' || !has(self.systemAccessSelectors)",message="only a group of type System may have systemAccessSelectors",fieldPath=".systemAccessSelectors",reason="FieldValueForbidden"
// +kubebuilder:validation:XValidation:rule="self.type != 'System' || !has(self.organizationRole)",message="a group of type System gives organization roles in systemAccess[].organizationRole",fieldPath=".organizationRole",reason="FieldValueForbidden"
// +kubebuilder:validation:XValidation:rule="self.type != 'System' || !has(self.applicationAccess)",message="a group of type System gives application roles in systemAccess[].applicationAccess",fieldPath=".applicationAccess",reason="FieldValueForbidden"
// +kubebuilder:validation:XValidation:rule="self.type != 'System' || !has(self.applicationSelectors)",message="a group of type System gives application roles by label in systemAccess[].applicationSelectors",fieldPath=".applicationSelectors",reason="FieldValueForbidden"
// +kubebuilder:validation:XValidation:rule="!has(self.review) || self.review.ifMissed != 'End' || has(self.reviewedAt)",message="a review with ifMissed End takes reviewedAt: the instant of the last review",fieldPath=".reviewedAt",reason="FieldValueRequired"
// +kubebuilder:validation:XValidation:rule="self.type != 'System' || !has(self.dataPermissions)",message="a group of type System may not have dataPermissions",fieldPath=".dataPermissions",reason="FieldValueForbidden"
// +kubebuilder:validation:XValidation:rule="(has(self.members) ? 2 * self.members.map(m, size(bytes(m.user))).sum() + 125 * size(self.members) : 0) + (has(self.memberGroups) ? self.memberGroups.map(g, 20 + 2 * size(g)).sum() : 0) + (has(self.applicationAccess) ? 340 * size(self.applicationAccess) : 0) + (has(self.applicationSelectors) ? self.applicationSelectors.map(a, 230 + (has(a.selector.matchLabels) ? 400 * size(a.selector.matchLabels) : 0) + (has(a.selector.matchExpressions) ? a.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0)).sum() : 0) + (has(self.systemAccess) ? self.systemAccess.map(s, 450 + (has(s.applicationAccess) ? 340 * size(s.applicationAccess) : 0) + (has(s.applicationSelectors) ? s.applicationSelectors.map(a, 230 + (has(a.selector.matchLabels) ? 400 * size(a.selector.matchLabels) : 0) + (has(a.selector.matchExpressions) ? a.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0)).sum() : 0)).sum() : 0) + (has(self.systemAccessSelectors) ? self.systemAccessSelectors.map(s, 250 + (has(s.selector.matchLabels) ? 400 * size(s.selector.matchLabels) : 0) + (has(s.selector.matchExpressions) ? s.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0) + (has(s.applicationAccess) ? 230 * size(s.applicationAccess) : 0) + (has(s.applicationSelectors) ? s.applicationSelectors.map(a, 230 + (has(a.selector.matchLabels) ? 400 * size(a.selector.matchLabels) : 0) + (has(a.selector.matchExpressions) ? a.selector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0)).sum() : 0)).sum() : 0) + (has(self.dataPermissions) ? self.dataPermissions.map(d, 230 + d.anyOf.map(a, 15 + a.allOf.map(r, 120 + (has(r.values) ? 260 * size(r.values) : 90)).sum()).sum()).sum() : 0) + (has(self.memberSelector) && has(self.memberSelector.matchLabels) ? 400 * size(self.memberSelector.matchLabels) : 0) + (has(self.memberSelector) && has(self.memberSelector.matchExpressions) ? self.memberSelector.matchExpressions.map(e, 400 + (has(e.values) ? 70 * size(e.values) : 0)).sum() : 0) <= 1440000",message="the group is too large for one object: move members into other groups and name these in memberGroups, or move entries into other groups",reason="FieldValueInvalid"
type AccessGroupSpec struct {
	// type specifies whether the grants of the group apply in its own organization (Organization) or across organizations
	// (System). It is immutable. Defaults to Organization.
	// +optional
	// +kubebuilder:default="Organization"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type cannot be changed: delete the group and create another"
	Type GroupType `json:"type,omitempty"`

	// displayName is the name that is shown to people. Defaults to the name of the object.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	DisplayName string `json:"displayName,omitempty"`

	// description describes the purpose of the group. Absent: none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	Description string `json:"description,omitempty"`

	// members lists users who belong to the group. Absent: none.
	// +optional
	// +listType=map
	// +listMapKey=user
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=5000
	Members []Member `json:"members,omitempty"`

	// memberGroups lists AccessGroups of the same namespace whose members are also members of this group, transitively.
	// Absent: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=100
	MemberGroups []GroupName `json:"memberGroups,omitempty"`

	// memberSelector selects UserAccess objects of the same namespace whose users are members. Empty: all of them.
	// Absent: none.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || size(self.matchLabels) <= 20",message="must have at most 20 items",fieldPath=".matchLabels",reason="FieldValueInvalid"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || size(self.matchExpressions) <= 20",message="must have at most 20 items",fieldPath=".matchExpressions",reason="FieldValueInvalid"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || self.matchLabels.all(k, size(k) <= 317 && size(self.matchLabels[k]) <= 63)",message="a label key has at most 317 characters and a label value at most 63",fieldPath=".matchLabels",reason="FieldValueInvalid"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator == 'In' || e.operator == 'NotIn' ? has(e.values) && size(e.values) > 0 && size(e.values) <= 20 : (e.operator == 'Exists' || e.operator == 'DoesNotExist') && (!has(e.values) || size(e.values) == 0))",message="In and NotIn take 1 to 20 values, Exists and DoesNotExist none; there are no other operators",fieldPath=".matchExpressions",reason="FieldValueInvalid"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19].all(i, i >= size(self.matchExpressions) || (size(self.matchExpressions[i].key) <= 317 && (!has(self.matchExpressions[i].values) || [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19].all(v, v >= size(self.matchExpressions[i].values) || size(self.matchExpressions[i].values[v]) <= 63))))",message="a label key has at most 317 characters and a label value at most 63",fieldPath=".matchExpressions",reason="FieldValueInvalid"
	MemberSelector *metav1.LabelSelector `json:"memberSelector,omitempty"`

	// privileges specifies whether the group gives roles. A group with Disabled gives none, but its members and data
	// permissions still count. Defaults to Enabled.
	// +optional
	// +kubebuilder:default="Enabled"
	Privileges GroupPrivileges `json:"privileges,omitempty"`

	// organizationRole is a role on the organization ladder, or NoAccess. Absent: the group gives none.
	// +optional
	OrganizationRole RoleName `json:"organizationRole,omitempty"`

	// applicationAccess lists roles in applications. Absent: the group gives none.
	// +optional
	// +listType=map
	// +listMapKey=application
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=500
	ApplicationAccess []ApplicationGrant `json:"applicationAccess,omitempty"`

	// applicationSelectors lists roles in applications that are selected by label. Absent: the group gives none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	ApplicationSelectors []ApplicationSelectorGrant `json:"applicationSelectors,omitempty"`

	// systemAccess lists roles across organizations. Only a System group can have it. Absent: the group gives none.
	// +optional
	// +listType=map
	// +listMapKey=organization
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=100
	SystemAccess []SystemGrant `json:"systemAccess,omitempty"`

	// systemAccessSelectors lists roles in organizations that are selected by label and that no entry of systemAccess
	// names. Only a System group can have it. Absent: the group gives none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	SystemAccessSelectors []SystemSelectorGrant `json:"systemAccessSelectors,omitempty"`

	// dataPermissions lists the rows that the group may see, by application. A System group cannot have it. Absent: the
	// group does not affect rows.
	// +optional
	// +listType=map
	// +listMapKey=application
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=100
	DataPermissions []DataPermission `json:"dataPermissions,omitempty"`

	// notification configures notices to members about changes of their access. Absent: members get no notices.
	// +optional
	Notification GroupNotification `json:"notification,omitzero"`

	// review says how often the grants of the group must be confirmed. Absent: they need no confirmation.
	// +optional
	Review GroupReview `json:"review,omitzero"`

	// reviewedAt is the instant of the last review. One more than five minutes ahead counts as absent. Absent: the
	// group was never reviewed, and the first review is counted from the object's creation.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?Z|[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	ReviewedAt *metav1.Time `json:"reviewedAt,omitempty"`
}

// Member is one user of a group.
//
// It is atomic: one field manager owns an entry as a whole, so a group of the largest size fits into one object.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:rule="!has(self.notBefore) || !has(self.notAfter) || self.notBefore < self.notAfter",message="notBefore must be before notAfter",fieldPath=".notAfter",reason="FieldValueInvalid"
type Member struct {
	// user is the identity of the member.
	// +required
	User UserName `json:"user,omitempty"`

	// notBefore is the first instant of the membership. Absent: it has no beginning.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?Z|[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotBefore *metav1.Time `json:"notBefore,omitempty"`

	// notAfter is the first instant after the membership. Absent: it does not end.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=29
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?Z|[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.]0{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
}

// DataPermission says which rows of an application a group may see.
type DataPermission struct {
	// application is the name of an application, or "*" for every application that no other entry of the group names.
	// +required
	Application ApplicationSelector `json:"application,omitempty"`

	// anyOf lists alternatives: a row is visible if at least one of them holds.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	AnyOf []RowAlternative `json:"anyOf,omitempty"`
}

// RowAlternative holds for a row if all of its requirements hold.
type RowAlternative struct {
	// allOf lists requirements that must all hold.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	AllOf []RowRequirement `json:"allOf,omitempty"`
}

// RowRequirement compares one attribute of a row with values: the same for every user (values), or those that the user's
// own attribute has (userAttribute). A row without the attribute matches no requirement.
//
// +kubebuilder:validation:XValidation:rule="has(self.values) != has(self.userAttribute)",message="exactly one of values and userAttribute must be given",reason="FieldValueInvalid"
// +kubebuilder:validation:XValidation:rule="!(self.operator in ['GreaterThan', 'LessThan']) || !has(self.values) || size(self.values) == 1",message="GreaterThan and LessThan take exactly one value",fieldPath=".values",reason="FieldValueInvalid"
type RowRequirement struct {
	// attribute is the attribute of the row.
	// +required
	Attribute AttributeName `json:"attribute,omitempty"`

	// operator says how the attribute is compared with values. GreaterThan and LessThan compare decimal numbers or
	// RFC 3339 instants, and take exactly one value.
	// +required
	Operator DataOperator `json:"operator,omitempty"`

	// values lists the values that the attribute is compared with. Absent: userAttribute is given.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Values []AttributeValue `json:"values,omitempty"`

	// userAttribute is the name of the user's attribute whose values the attribute of the row is compared with. A user
	// without it matches no row by this requirement; nor does one with several values under GreaterThan or LessThan.
	// Absent: values is given.
	// +optional
	UserAttribute AttributeName `json:"userAttribute,omitempty"`
}

// GroupReview says how often a group must be reviewed, and what happens if a review is missed.
type GroupReview struct {
	// everyDays is how many days of 24 hours after reviewedAt the next review is due.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1826
	EveryDays int32 `json:"everyDays,omitempty"`

	// ifMissed says what happens from the instant at which a review is due. Keep: only condition ReviewDue is set. End:
	// the group gives only NoAccess, while its members still count, as if it were being deleted. Absent: Keep.
	// +optional
	// +kubebuilder:default="Keep"
	IfMissed MissedReview `json:"ifMissed,omitempty"`
}

// GroupNotification configures notices to the members of a group.
//
// +kubebuilder:validation:XValidation:rule="self.mode != 'OnChange' || (has(self.channels) && size(self.channels) > 0)",message="OnChange takes at least one channel",fieldPath=".channels",reason="FieldValueRequired"
type GroupNotification struct {
	// mode says when members get notices: only on request (Disabled), or when their access changes or is about to end
	// (OnChange).
	// +required
	Mode NotificationMode `json:"mode,omitempty"`

	// channels lists notification channels of the organization's AccessPolicy. Absent: none, which only Disabled allows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	Channels []ChannelName `json:"channels,omitempty"`

	// message is a text that is added to every notice. Absent: none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	Message string `json:"message,omitempty"`

	// expiryNoticeDays is the number of days before the end of a membership or grant at which the member gets a notice.
	// 0 means never. Defaults to 7.
	// +optional
	// +kubebuilder:default=7
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=365
	ExpiryNoticeDays *int32 `json:"expiryNoticeDays,omitempty"`
}

// AccessGroupStatus is the observed state of a group.
//
// +kubebuilder:validation:MinProperties=0
type AccessGroupStatus struct {
	// conditions are the conditions of the group: Ready, ResolvedRefs, RoleConflict and, while the object has a problem
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

	// members is the number of active members by all paths, including suspended users.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Members int32 `json:"members"`

	// unpublished counts effects of this group that cannot be published for a reason unrelated to the group: documents
	// that cannot be written, and the members that an application document omits, or shows no row, because it would be
	// too large.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unpublished int32 `json:"unpublished"`

	// unresolvedReferences lists references to objects that do not exist, the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	UnresolvedReferences []UnresolvedReference `json:"unresolvedReferences,omitempty"`

	// conflicts is the number of conflicts that involve a grant of this group.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Conflicts int32 `json:"conflicts"`

	// conflictSamples lists conflicts that involve a grant of this group, the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	ConflictSamples []Conflict `json:"conflictSamples,omitempty"`
}

// AccessGroup declares a group of users and the access of its members.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=ag,categories=usher
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.members`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Conflicts",type=integer,JSONPath=`.status.conflicts`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Unpublished",type=integer,priority=1,JSONPath=`.status.unpublished`
// +kubebuilder:printcolumn:name="Review due",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="ReviewDue")].reason`
// +kubebuilder:printcolumn:name="Display name",type=string,priority=1,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AccessGroup struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec defines the members and the grants of the group. Absent: no members and no grants.
	// +optional
	// +kubebuilder:default={}
	Spec AccessGroupSpec `json:"spec,omitzero"`

	// status is the observed state. Absent: Usher has not processed the object yet.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status AccessGroupStatus `json:"status,omitzero"`
}

// AccessGroupList is a list of AccessGroup.
//
// +kubebuilder:object:root=true
type AccessGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []AccessGroup `json:"items"`
}

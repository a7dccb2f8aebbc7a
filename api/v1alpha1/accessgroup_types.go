package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GroupType says whether a group speaks for its own organization or across organizations.
//
// +kubebuilder:validation:Enum=Organization;System
type GroupType string

// Types of groups.
const (
	GroupTypeOrganization GroupType = "Organization"
	GroupTypeSystem       GroupType = "System"
)

// GroupPrivileges says whether a group gives roles.
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

// NotificationMode says when members of a group are told.
//
// +kubebuilder:validation:Enum=Disabled;OnChange
type NotificationMode string

// Modes of notification.
const (
	NotificationModeDisabled NotificationMode = "Disabled"
	NotificationModeOnChange NotificationMode = "OnChange"
)

// MissedReview says what a missed review means for what the group gives.
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

// AccessGroupSpec is what a group consists of and what it gives.
//
// The rule about size counts bytes as etcd stores the object after a server-side apply: a user with its own length,
// twice (the second is the entry in managedFields), names and instants at their largest, and a data value with 256 bytes,
// because the lengths of as many values as the lists may hold cost more than CEL may. What the rule leaves of the 1.5 MiB
// that etcd takes is for status and metadata.
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
	// type says whether the group speaks for its own organization (Organization) or across organizations (System).
	// It cannot be changed. Absent: Organization.
	// +optional
	// +kubebuilder:default="Organization"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type cannot be changed: delete the group and create another"
	Type GroupType `json:"type,omitempty"`

	// displayName is a name for people. Absent: the object's name serves.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	DisplayName string `json:"displayName,omitempty"`

	// description says what the group is for. Absent: nothing is said.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	Description string `json:"description,omitempty"`

	// members lists the users who belong to the group. Absent: none is named here.
	// +optional
	// +listType=map
	// +listMapKey=user
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=5000
	Members []Member `json:"members,omitempty"`

	// memberGroups lists AccessGroups of the same namespace whose members are members here too, transitively.
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

	// privileges says whether the group gives roles. Disabled: it gives none, while its members and data permissions
	// still count. Absent: Enabled.
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

	// systemAccess lists roles across organizations. Only a System group may have it. Absent: the group gives none.
	// +optional
	// +listType=map
	// +listMapKey=organization
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=100
	SystemAccess []SystemGrant `json:"systemAccess,omitempty"`

	// systemAccessSelectors lists roles in organizations that are selected by label and that no entry of systemAccess names.
	// Only a System group may have it. Absent: the group gives none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	SystemAccessSelectors []SystemSelectorGrant `json:"systemAccessSelectors,omitempty"`

	// dataPermissions lists the rows that the group may see, by application. A System group may not have it.
	// Absent: the group says nothing about rows.
	// +optional
	// +listType=map
	// +listMapKey=application
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=100
	DataPermissions []DataPermission `json:"dataPermissions,omitempty"`

	// notification says how members are told what the group gives and takes. Absent: they are not told.
	// +optional
	Notification GroupNotification `json:"notification,omitzero"`

	// review says how often somebody must confirm what the group gives. Absent: nobody must.
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
// It is atomic: one owner sets an entry as a whole, and a group of the largest size fits into one object.
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

	// anyOf lists alternatives: a row is visible when at least one of them holds.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	AnyOf []RowAlternative `json:"anyOf,omitempty"`
}

// RowAlternative holds for a row when all of its requirements hold.
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

	// values lists what the attribute is compared with. Absent: userAttribute is given.
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

// GroupReview says how often a group must be reviewed and what happens where nobody does.
type GroupReview struct {
	// everyDays is how many days of 24 hours after reviewedAt the next review is due.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1826
	EveryDays int32 `json:"everyDays,omitempty"`

	// ifMissed says what happens from the instant at which a review is due. Keep: nothing but condition ReviewDue. End:
	// the group gives only NoAccess, while its members still count, as if it were being deleted. Absent: Keep.
	// +optional
	// +kubebuilder:default="Keep"
	IfMissed MissedReview `json:"ifMissed,omitempty"`
}

// GroupNotification says how members are told.
//
// +kubebuilder:validation:XValidation:rule="self.mode != 'OnChange' || (has(self.channels) && size(self.channels) > 0)",message="OnChange takes at least one channel",fieldPath=".channels",reason="FieldValueRequired"
type GroupNotification struct {
	// mode says when members are told: never (Disabled), or when what the group gives them changes or is about to end
	// (OnChange).
	// +required
	Mode NotificationMode `json:"mode,omitempty"`

	// channels lists notification channels of the organization's AccessPolicy. Absent: none, which only Disabled allows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	Channels []ChannelName `json:"channels,omitempty"`

	// message is added to every notice. Absent: nothing is added.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	Message string `json:"message,omitempty"`

	// expiryNoticeDays is how many days before a membership or grant ends the member is told. 0: not at all. Absent: 7.
	// +optional
	// +kubebuilder:default=7
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=365
	ExpiryNoticeDays *int32 `json:"expiryNoticeDays,omitempty"`
}

// AccessGroupStatus is what Usher found and did about a group.
//
// +kubebuilder:validation:MinProperties=0
type AccessGroupStatus struct {
	// conditions are the conditions of the group: Ready, ResolvedRefs, RoleConflict and, while something is wrong that
	// waiting will not mend, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status is about; -1 where nothing has looked at the object yet.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration"`

	// members is the number of active members: all paths together, suspended users included.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Members int32 `json:"members"`

	// unpublished counts what this group gives and what cannot be published for a reason of its own: documents that
	// cannot be written, and the members whom an application document leaves out, or shows no row, because it would be
	// too large.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unpublished int32 `json:"unpublished"`

	// unresolvedReferences lists what the group names and what does not exist, the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	UnresolvedReferences []UnresolvedReference `json:"unresolvedReferences,omitempty"`

	// conflicts is the number of conflicts in which a grant of this group takes part.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Conflicts int32 `json:"conflicts"`

	// conflictSamples lists conflicts in which a grant of this group takes part, the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	ConflictSamples []Conflict `json:"conflictSamples,omitempty"`
}

// AccessGroup says who belongs together and what they may do.
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

	// spec says who belongs to the group and what it gives. Absent: nobody, and nothing.
	// +optional
	// +kubebuilder:default={}
	Spec AccessGroupSpec `json:"spec,omitzero"`

	// status says what Usher found and did. Absent: nothing yet.
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

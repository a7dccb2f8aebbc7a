package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UnmatchedRows says which rows a user sees if no data permission applies to the user.
//
// +kubebuilder:validation:Enum=All;None
type UnmatchedRows string

// Values of unmatchedRows.
const (
	UnmatchedRowsAll  UnmatchedRows = "All"
	UnmatchedRowsNone UnmatchedRows = "None"
)

// PublishFormat is a format in which an application's document is published.
//
// +kubebuilder:validation:Enum=JSON;CSV;Casbin;OPA
type PublishFormat string

// Formats.
const (
	PublishFormatJSON   PublishFormat = "JSON"
	PublishFormatCSV    PublishFormat = "CSV"
	PublishFormatCasbin PublishFormat = "Casbin"
	PublishFormatOPA    PublishFormat = "OPA"
)

// ConfigMapName is the name of a ConfigMap of the same namespace.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
type ConfigMapName string

// ApplicationAccessSpec says how access to an application is published.
//
// +kubebuilder:validation:MinProperties=0
type ApplicationAccessSpec struct {
	// displayName is the name that is shown to people. Defaults to the name of the object.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`
	DisplayName string `json:"displayName,omitempty"`

	// unmatchedRows says which rows users see if no data permission applies to them: All or None. Defaults to All.
	// +optional
	// +kubebuilder:default="All"
	UnmatchedRows UnmatchedRows `json:"unmatchedRows,omitempty"`

	// publish says in which formats, and in how many ConfigMaps at least, access is published. Absent: JSON, in as few
	// ConfigMaps as possible.
	// +optional
	Publish *PublishSpec `json:"publish,omitempty"`
}

// PublishSpec says how a document is published.
//
// +kubebuilder:validation:MinProperties=0
type PublishSpec struct {
	// formats lists additional formats. JSON is always published. Absent: only JSON.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=4
	Formats []PublishFormat `json:"formats,omitempty"`

	// minimumShards is the minimum number of ConfigMaps for the users, a power of two. It reserves ConfigMaps for
	// growth. Defaults to 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	// +kubebuilder:validation:Enum=1;2;4;8;16;32;64
	MinimumShards int32 `json:"minimumShards,omitempty"`
}

// RoleUsers is the number of users who hold a role.
type RoleUsers struct {
	// role is a role on the application ladder.
	// +required
	Role RoleName `json:"role,omitempty"`

	// users is the number of users who hold it. Roles without holders are not listed.
	// +required
	// +kubebuilder:validation:Minimum=1
	Users int32 `json:"users,omitempty"`
}

// ApplicationAccessStatus is the observed state of an application.
//
// +kubebuilder:validation:MinProperties=0
type ApplicationAccessStatus struct {
	// conditions are the conditions of the application: Ready and, while the object has a problem that waiting does not
	// fix, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status describes; -1 if Usher has not processed the object yet.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration"`

	// users is the number of users with access.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Users int32 `json:"users"`

	// usersByRole lists the number of users who hold each role, in the order of the ladder.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=20
	UsersByRole []RoleUsers `json:"usersByRole,omitempty"`

	// omitted is the number of users that at least one format omits because it supports neither rows nor expiry.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Omitted int32 `json:"omitted"`

	// configMaps lists the ConfigMaps of the document, shard 0 first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=64
	ConfigMaps []ConfigMapName `json:"configMaps,omitempty"`
}

// ApplicationAccess asks for the ConfigMap of the application that it is named after.
//
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="the name is the name of the application and must be a DNS-1123 label: at most 63 lower-case letters, digits and -, without dots; write another name into displayName",fieldPath=".metadata",reason="FieldValueInvalid"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=applicationaccesses,scope=Namespaced,shortName=aa,categories=usher
// +kubebuilder:printcolumn:name="Users",type=integer,JSONPath=`.status.users`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Omitted",type=integer,priority=1,JSONPath=`.status.omitted`
// +kubebuilder:printcolumn:name="Display name",type=string,priority=1,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ApplicationAccess struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says how access to the application is published. Absent: as the defaults of its fields say.
	// +optional
	// +kubebuilder:default={}
	Spec ApplicationAccessSpec `json:"spec,omitzero"`

	// status says what is published. Absent: nothing yet.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status ApplicationAccessStatus `json:"status,omitzero"`
}

// ApplicationAccessList is a list of ApplicationAccess.
//
// +kubebuilder:object:root=true
type ApplicationAccessList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []ApplicationAccess `json:"items"`
}

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LabelKey is the key of a label, with or without a prefix.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=317
// +kubebuilder:validation:Pattern=`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`
type LabelKey string

// LabelValue is the value of a label. It may be empty.
//
// +kubebuilder:validation:MinLength=0
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$`
type LabelValue string

// LabelSelector is the standard label selector with a bound on every list and string. An object is selected when all
// terms of both fields hold for its labels. A selector without terms selects nothing.
//
// +structType=atomic
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) || has(self.matchExpressions)",message="a selector takes matchLabels or matchExpressions; to select everything, give the name '*' in applicationAccess or systemAccess",reason="FieldValueInvalid"
type LabelSelector struct {
	// matchLabels lists labels that an object must carry with these values. Absent: none.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317)",message="a label key has at most 317 characters",reason="FieldValueInvalid"
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// matchExpressions lists requirements that the labels of an object must meet. Absent: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	MatchExpressions []LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// LabelSelectorRequirement compares the label of one key with values.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['In', 'NotIn'] ? has(self.values) : !has(self.values)",message="In and NotIn take at least one value, Exists and DoesNotExist take none",fieldPath=".values",reason="FieldValueInvalid"
type LabelSelectorRequirement struct {
	// key is the key of the label.
	// +required
	Key LabelKey `json:"key,omitempty"`

	// operator says how the label is compared. In: its value is one of values. NotIn: it is not, or there is no such
	// label. Exists: there is such a label. DoesNotExist: there is none.
	// +required
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator metav1.LabelSelectorOperator `json:"operator,omitempty"`

	// values lists what the value of the label is compared with. Required with In and NotIn, not allowed with the others.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Values []LabelValue `json:"values,omitempty"`
}

// ApplicationSelectorGrant gives one role in every application that it selects by label.
//
// +kubebuilder:validation:XValidation:rule="!has(self.notBefore) || !has(self.notAfter) || self.notBefore < self.notAfter",message="notBefore must be before notAfter",fieldPath=".notAfter",reason="FieldValueInvalid"
type ApplicationSelectorGrant struct {
	// selector selects applications by the labels of their ApplicationAccess objects. An application without one is
	// never selected.
	// +required
	Selector LabelSelector `json:"selector,omitzero"`

	// role is a role on the application ladder, or NoAccess.
	// +required
	Role RoleName `json:"role,omitempty"`

	// notBefore is the first instant at which the grant counts. Absent: it has no beginning.
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

// SystemSelectorGrant gives roles in every organization that it selects by label. It counts in an organization that no
// entry of systemAccess names.
//
// +kubebuilder:validation:XValidation:rule="has(self.role) || has(self.organizationRole) || has(self.applicationAccess) || has(self.applicationSelectors)",message="at least one of role, organizationRole, applicationAccess and applicationSelectors must be given",reason="FieldValueRequired"
type SystemSelectorGrant struct {
	// selector selects organizations by the labels of their namespaces.
	// +required
	Selector LabelSelector `json:"selector,omitzero"`

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

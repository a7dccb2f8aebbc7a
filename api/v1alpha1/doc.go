// Package v1alpha1 holds the kinds of access.usher.dev/v1alpha1 (AccessGroup, UserAccess, ApplicationAccess and
// AccessPolicy), their validation markers, and the constants that others share with them: condition types, reasons,
// labels and annotations. It has no logic, and it must import nothing of Usher's own and nothing beyond apimachinery,
// so that workloads and tools can use it alone.
//
// +kubebuilder:object:generate=true
// +groupName=access.usher.dev
package v1alpha1

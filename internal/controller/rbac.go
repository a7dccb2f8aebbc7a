package controller

// These are the permissions of the manager. It reads the four kinds, namespaces and its own ConfigMaps. It writes
// ConfigMaps, materialized UserAccess objects and statuses. Clusters with the OwnerReferencesPermissionEnforcement
// admission plugin require the finalizers subresource for owner references. The manager cannot change objects that
// somebody declared.

// +kubebuilder:rbac:groups=access.usher.dev,resources=accessgroups;accesspolicies;applicationaccesses,verbs=get;list;watch
// +kubebuilder:rbac:groups=access.usher.dev,resources=useraccesses,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=access.usher.dev,resources=accessgroups/status;accesspolicies/status;applicationaccesses/status;useraccesses/status,verbs=update
// +kubebuilder:rbac:groups=access.usher.dev,resources=applicationaccesses/finalizers;useraccesses/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

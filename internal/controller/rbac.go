package controller

// What the manager may do: read the four kinds, namespaces and its own ConfigMaps; write ConfigMaps, materialized
// UserAccess objects and statuses. The finalizers subresource is what owner references ask for on clusters that check
// it. Nothing here lets the manager change what somebody declared.

// +kubebuilder:rbac:groups=access.usher.dev,resources=accessgroups;accesspolicies;applicationaccesses,verbs=get;list;watch
// +kubebuilder:rbac:groups=access.usher.dev,resources=useraccesses,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=access.usher.dev,resources=accessgroups/status;accesspolicies/status;applicationaccesses/status;useraccesses/status,verbs=update
// +kubebuilder:rbac:groups=access.usher.dev,resources=applicationaccesses/finalizers;useraccesses/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

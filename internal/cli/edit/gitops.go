package edit

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// syncer is a tool that keeps objects in the state that git declares, regardless of other writes to the cluster.
type syncer struct {
	name string
	// managers are the field managers of the tool's applies.
	managers []string
	// annotations and labels are the marks that the tool adds to its objects.
	annotations, labels []string
	// sharedLabel is a label that Argo CD may track by and that other tools use, too. It counts only if Argo CD has
	// also applied the object.
	sharedLabel string
}

var syncers = []syncer{
	{
		name: "Argo CD", managers: []string{"argocd-controller", "argocd-application-controller"},
		annotations: []string{"argocd.argoproj.io/tracking-id"}, labels: []string{"argocd.argoproj.io/instance"},
		sharedLabel: "app.kubernetes.io/instance",
	},
	{
		name: "Flux (Helm)", managers: []string{"helm-controller"},
		labels: []string{"helm.toolkit.fluxcd.io/name"},
	},
	{
		name: "Flux", managers: []string{"kustomize-controller"},
		labels: []string{"kustomize.toolkit.fluxcd.io/name"},
	},
}

// KeptBy returns the tool that keeps the object in the state of git, with the evidence for it. It returns the empty
// string if no such tool is known.
func KeptBy(o client.Object) string {
	for i := range syncers {
		s := &syncers[i]
		var signs []string
		for _, name := range s.annotations {
			if value, has := o.GetAnnotations()[name]; has {
				signs = append(signs, fmt.Sprintf("annotation %s: %s", name, value))
			}
		}
		for _, name := range s.labels {
			if value, has := o.GetLabels()[name]; has {
				signs = append(signs, fmt.Sprintf("label %s: %s", name, value))
			}
		}
		if manager := s.managerOf(o); manager != "" {
			if value, has := o.GetLabels()[s.sharedLabel]; has && s.sharedLabel != "" {
				signs = append(signs, fmt.Sprintf("label %s: %s", s.sharedLabel, value))
			}
			signs = append(signs, "field manager "+manager)
		}
		if len(signs) > 0 {
			return s.name + " (" + strings.Join(signs, ", ") + ")"
		}
	}
	return ""
}

// managerOf returns the field manager by which the tool owns fields of the main resource.
func (s *syncer) managerOf(o client.Object) string {
	for _, entry := range o.GetManagedFields() {
		if entry.Subresource == "" && slices.Contains(s.managers, entry.Manager) {
			return entry.Manager
		}
	}
	return ""
}

package controller

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// OutputKind is the kind of an output.
type OutputKind string

// The kinds of outputs.
const (
	ApplicationDocument   OutputKind = accessv1alpha1.DocumentApplication
	UserDocument          OutputKind = accessv1alpha1.DocumentUser
	OrganizationsDocument OutputKind = accessv1alpha1.DocumentOrganizations

	GroupStatus       OutputKind = OutputKind(roster.KindAccessGroup)
	UserStatus        OutputKind = OutputKind(roster.KindUserAccess)
	ApplicationStatus OutputKind = OutputKind(roster.KindApplicationAccess)
	PolicyStatus      OutputKind = OutputKind(roster.KindAccessPolicy)
)

// Output identifies one document or status that Usher writes. Name is the application for an application document, the
// document name of the user for a user's document, and the name of the object for a status.
type Output struct {
	Kind      OutputKind
	Namespace string
	Name      string
}

// Priorities of the queue: a revocation never waits behind a status update.
const (
	priorityStatus      = 100
	priorityUser        = 200
	priorityApplication = 300
)

func (o Output) priority() int {
	switch o.Kind {
	case ApplicationDocument:
		return priorityApplication
	case UserDocument, OrganizationsDocument:
		return priorityUser
	default:
		return priorityStatus
	}
}

func (o Output) isDocument() bool { return o.priority() != priorityStatus }

// objectKind returns the kind of the objects that hold the output.
func (o Output) objectKind() schema.GroupVersionKind {
	if o.isDocument() {
		return corev1.SchemeGroupVersion.WithKind("ConfigMap")
	}
	return accessv1alpha1.GroupVersion.WithKind(string(o.Kind))
}

func statusOf(object roster.Object) Output {
	return Output{OutputKind(object.Kind), object.Namespace, object.Name}
}

// documentAt returns the document that a ConfigMap of this name belongs to, if any.
func documentAt(key types.NamespacedName) (Output, bool) {
	kind, subject, _ := publish.ParseName(key.Name)
	return Output{OutputKind(kind), key.Namespace, subject}, kind != ""
}

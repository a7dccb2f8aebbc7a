package v1alpha1

import (
	"encoding/json"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/validation"
)

const (
	kindGroup       = "AccessGroup"
	kindPolicy      = "AccessPolicy"
	kindApplication = "ApplicationAccess"
	kindUser        = "UserAccess"
)

// newObject returns an empty object of one of the four kinds, or nil.
func newObject(kind metav1.GroupVersionKind) client.Object {
	if kind.Group != accessv1alpha1.GroupVersion.Group || kind.Version != accessv1alpha1.GroupVersion.Version {
		return nil
	}
	switch kind.Kind {
	case kindGroup:
		return &accessv1alpha1.AccessGroup{}
	case kindPolicy:
		return &accessv1alpha1.AccessPolicy{}
	case kindApplication:
		return &accessv1alpha1.ApplicationAccess{}
	case kindUser:
		return &accessv1alpha1.UserAccess{}
	default:
		return nil
	}
}

// newList returns an empty list of one of the four kinds.
func newList(kind string) client.ObjectList {
	switch kind {
	case kindGroup:
		return &accessv1alpha1.AccessGroupList{}
	case kindPolicy:
		return &accessv1alpha1.AccessPolicyList{}
	case kindApplication:
		return &accessv1alpha1.ApplicationAccessList{}
	default:
		return &accessv1alpha1.UserAccessList{}
	}
}

// read converts a review into a request. It returns nil if there is nothing to judge: an object that is being
// deleted may be deleted again, unless that removes it. The error says what is wrong with the review. Any client
// that reaches the port can send a review, so read validates all of it.
func (h *Handler) read(review *admission.Request) (*validation.Request, error) {
	if err := checkRequest(review); err != nil {
		return nil, err
	}
	request := &validation.Request{Now: h.Now()}
	var err error
	if hasOld := len(review.OldObject.Raw) > 0; hasOld != (review.Operation != admissionv1.Create) {
		return nil, fmt.Errorf("oldObject: it must be set for UPDATE and DELETE and absent for CREATE; the operation is %s",
			review.Operation)
	}
	if hasNew := len(review.Object.Raw) > 0; hasNew != (review.Operation != admissionv1.Delete) {
		return nil, fmt.Errorf("object: it must be set for CREATE and UPDATE and absent for DELETE; the operation is %s",
			review.Operation)
	}
	if review.Operation != admissionv1.Delete {
		if request.New, err = readObject(review, "object", review.Object); err != nil {
			return nil, err
		}
	}
	if review.Operation != admissionv1.Create {
		if request.Old, err = readObject(review, "oldObject", review.OldObject); err != nil {
			return nil, err
		}
	}
	switch review.Operation {
	case admissionv1.Update:
		return request, agree(request.Old, request.New)
	case admissionv1.Delete:
		request.Lingers, err = lingers(request.Old, review.Options.Raw)
		if err == nil && request.Lingers && !request.Old.GetDeletionTimestamp().IsZero() {
			return nil, nil
		}
	}
	return request, err
}

// lingers reports whether a deleted object is not removed at once, because it has finalizers after the deletion.
// The delete options add and remove the finalizers of the garbage collector, even while the object is already
// being deleted.
func lingers(old client.Object, options []byte) (bool, error) {
	ofCollector := func(finalizer string) bool {
		return finalizer == metav1.FinalizerOrphanDependents || finalizer == metav1.FinalizerDeleteDependents
	}
	for _, finalizer := range old.GetFinalizers() {
		if !ofCollector(finalizer) {
			return true, nil
		}
	}
	var asked metav1.DeleteOptions
	if len(options) > 0 {
		if err := json.Unmarshal(options, &asked); err != nil {
			return false, fmt.Errorf("reading how it is to be deleted: %w", err)
		}
	}
	if orphan := asked.OrphanDependents; orphan != nil { //nolint:staticcheck // deprecated, but served
		return *orphan, nil
	}
	if policy := asked.PropagationPolicy; policy != nil {
		return *policy == metav1.DeletePropagationForeground || *policy == metav1.DeletePropagationOrphan, nil
	}
	return slices.ContainsFunc(old.GetFinalizers(), ofCollector), nil
}

// object returns the object of the request.
func object(request *validation.Request) client.Object {
	if request.New != nil {
		return request.New
	}
	return request.Old
}

package v1alpha1

import (
	"encoding/json"
	"fmt"

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

// read makes a request of a review. It returns nil where there is nothing to judge: what is being deleted already may be
// deleted again. The error says what is wrong with the review: a review comes from whoever reaches the port, so nothing in
// it is taken for granted.
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
		if !request.Old.GetDeletionTimestamp().IsZero() {
			return nil, nil
		}
		request.Lingers, err = lingers(request.Old, review.Options.Raw)
	}
	return request, err
}

// lingers says whether a deleted object stays for a while: it has finalizers, or gets one by how it is deleted.
func lingers(old client.Object, options []byte) (bool, error) {
	if len(old.GetFinalizers()) > 0 {
		return true, nil
	}
	if len(options) == 0 {
		return false, nil
	}
	var asked metav1.DeleteOptions
	if err := json.Unmarshal(options, &asked); err != nil {
		return false, fmt.Errorf("reading how it is to be deleted: %w", err)
	}
	if asked.OrphanDependents != nil && *asked.OrphanDependents { //nolint:staticcheck // deprecated, but served
		return true, nil
	}
	policy := asked.PropagationPolicy
	return policy != nil && (*policy == metav1.DeletePropagationForeground || *policy == metav1.DeletePropagationOrphan), nil
}

// object is what the request is about.
func object(request *validation.Request) client.Object {
	if request.New != nil {
		return request.New
	}
	return request.Old
}

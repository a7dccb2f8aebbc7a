package v1alpha1

import (
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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
// deleted again.
func (h *Handler) read(review *admission.Request) (*validation.Request, error) {
	request := &validation.Request{Now: h.Now()}
	var err error
	switch review.Operation {
	case admissionv1.Create:
		request.New, err = h.object(review, review.Object)
	case admissionv1.Update:
		if request.Old, err = h.object(review, review.OldObject); err == nil {
			request.New, err = h.object(review, review.Object)
		}
	case admissionv1.Delete:
		if request.Old, err = h.object(review, review.OldObject); err != nil {
			return nil, err
		}
		if !request.Old.GetDeletionTimestamp().IsZero() {
			return nil, nil
		}
		request.Lingers, err = lingers(request.Old, review.Options.Raw)
	case admissionv1.Connect:
		err = fmt.Errorf("operation %q is none that Usher is asked about", review.Operation)
	default:
		err = fmt.Errorf("operation %q is none that Usher knows", review.Operation)
	}
	if err != nil {
		return nil, err
	}
	return request, nil
}

func (h *Handler) object(review *admission.Request, raw runtime.RawExtension) (client.Object, error) {
	made := newObject(review.Kind)
	if made == nil {
		return nil, fmt.Errorf("%s is none of Usher's kinds", review.Kind)
	}
	if err := h.Decoder.DecodeRaw(raw, made); err != nil {
		return nil, fmt.Errorf("reading the %s of the review: %w", review.Kind.Kind, err)
	}
	// An object that is said to be elsewhere than the request would be judged by the wrong rules.
	if made.GetNamespace() == "" {
		made.SetNamespace(review.Namespace)
	}
	if made.GetNamespace() != review.Namespace {
		return nil, fmt.Errorf("the review is of namespace %q, its object of namespace %q", review.Namespace, made.GetNamespace())
	}
	return made, nil
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

package v1alpha1

import (
	"context"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/json"

	"github.com/usher-dev/usher/internal/schema"
	"github.com/usher-dev/usher/internal/validation"
)

// errNotStored is returned if the API server does not hold the old object of a review. A review from the API
// server contains only stored objects.
var errNotStored = errors.New("the API server does not hold this object as the review has it")

// bounds returns a refusal if the object exceeds the bounds of its schema, and nil if it may be judged. A review
// therefore costs no more than the largest legal object, even if its sender is not the API server.
//
// The API server validates the object before it asks. A refusal means that the review is forged, or that the
// cluster has looser definitions of the kinds. As in the API server, a value passes if it is invalid in the old
// object too, and a deletion is never refused. The old object may exceed the bounds if it was stored under looser
// definitions. It must then be the object that the watch shows or the API server holds. Otherwise a forged old
// object would let everything pass.
func (h *Handler) bounds(ctx context.Context, review *admission.Request, request *validation.Request) (*answer, error) {
	if request.Old != nil {
		if err := h.checkOld(ctx, review, request.Old); err != nil {
			return nil, err
		}
	}
	if review.Operation == admissionv1.Delete {
		return nil, nil
	}
	object, err := untyped("object", review.Object.Raw)
	if err != nil {
		return nil, err
	}
	found, err := schema.Bounds(review.Kind.Kind, object, nil)
	if err == nil && len(found) > 0 && request.Old != nil {
		var old map[string]any
		if old, err = untyped("oldObject", review.OldObject.Raw); err == nil {
			found, err = schema.Bounds(review.Kind.Kind, object, old)
		}
	}
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &answer{errors: found, refused: outcomeInvalid}, nil
}

// checkOld returns an error unless the old object is within the bounds of its schema or is stored as it is.
func (h *Handler) checkOld(ctx context.Context, review *admission.Request, old client.Object) error {
	if h.Live.Roster.Objects().Holds(old) {
		return nil
	}
	content, err := untyped("oldObject", review.OldObject.Raw)
	if err != nil {
		return err
	}
	found, err := schema.Bounds(review.Kind.Kind, content, nil)
	if err != nil || len(found) == 0 {
		return err
	}
	holds, err := h.Live.Holds(ctx, old)
	if err != nil {
		return fmt.Errorf("reading the %s that is changed: %w", review.Kind.Kind, err)
	}
	if !holds {
		return fmt.Errorf("oldObject: %w; and it is invalid: %w", errNotStored, found[0])
	}
	return nil
}

// untyped reads the parts of an object that have bounds. It leaves out the status and the managed fields: nothing
// depends on them, and they may be most of the object.
func untyped(which string, raw []byte) (map[string]any, error) {
	var content struct {
		Metadata struct {
			Annotations     map[string]any `json:"annotations"`
			Finalizers      []any          `json:"finalizers"`
			Labels          map[string]any `json:"labels"`
			OwnerReferences []any          `json:"ownerReferences"`
		} `json:"metadata"`
		Spec any `json:"spec"`
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(raw, &content); err != nil {
		return nil, field.InternalError(field.NewPath(which), err) // readObject has read it before
	}
	object := map[string]any{"metadata": map[string]any{
		"annotations": content.Metadata.Annotations, "finalizers": content.Metadata.Finalizers,
		"labels": content.Metadata.Labels, "ownerReferences": content.Metadata.OwnerReferences,
	}}
	if content.Spec != nil {
		object["spec"] = content.Spec
	}
	return object, nil
}

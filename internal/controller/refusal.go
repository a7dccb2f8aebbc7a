package controller

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/words"
)

// refusals are the reasons why ConfigMaps of one document cannot be written, one for each ConfigMap. Every reason is
// specific to its ConfigMap (see [blocks]).
type refusals []error

// mostRefusals bounds the reasons that a message lists.
const mostRefusals = 3

// Error lists the first reasons and counts the others.
func (r refusals) Error() string {
	texts := make([]string, 0, mostRefusals)
	for _, err := range first(r, mostRefusals) {
		texts = append(texts, err.Error())
	}
	text := strings.Join(texts, "; ")
	if more := len(r) - len(texts); more > 0 {
		text += fmt.Sprintf("; and %s of the document", words.Counted(more, "more ConfigMap", "more ConfigMaps"))
	}
	return text
}

// Unwrap returns the reasons.
func (r refusals) Unwrap() []error { return r }

// joined returns the first error that is not specific to one ConfigMap, because such an error is retried soon.
// Otherwise it returns all reasons as [refusals], or nil if there are none.
func joined(failures ...error) error {
	var all refusals
	for _, err := range failures {
		var several refusals
		switch {
		case err == nil:
		case !blocks(err):
			return err
		case errors.As(err, &several):
			all = append(all, several...)
		default:
			all = append(all, err)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// heldError reports that a ConfigMap has to be deleted and created again, and that finalizers block its deletion.
type heldError struct {
	key        types.NamespacedName
	finalizers []string
}

// Error describes the error and how to fix it.
func (e *heldError) Error() string {
	return fmt.Sprintf("ConfigMap %s is being deleted and must be created again, but its finalizers (%s) block the deletion: "+
		"remove them", e.key, listed(e.finalizers))
}

// blocks reports whether the error is specific to the document, so that a quick retry would not help.
func blocks(err error) bool {
	var conflict *publish.ConflictError
	var held *heldError
	var altered *publish.AlteredError
	return errors.As(err, &conflict) || errors.As(err, &held) || errors.As(err, &altered) ||
		apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err) ||
		isNamespaceMissing(err)
}

func isNamespaceMissing(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) &&
		status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

// changedMeanwhile reports whether the error is due to a change that the watch has not shown yet.
func changedMeanwhile(err error) bool {
	return apierrors.IsConflict(err) || (apierrors.IsNotFound(err) && !isNamespaceMissing(err))
}

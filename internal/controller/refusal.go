package controller

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/usher-dev/usher/internal/publish"
)

// refusals are the reasons why ConfigMaps of one document cannot be written, one for each ConfigMap. Each of them is a
// reason of the ConfigMap's own (see [blocks]).
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
		text += fmt.Sprintf("; and %s of the document", counted(more, "more ConfigMap"))
	}
	return text
}

// Unwrap returns the reasons.
func (r refusals) Unwrap() []error { return r }

// joined returns the first error that is not a reason of a ConfigMap's own, since such an error is retried soon. Where
// there is none it returns all reasons as [refusals], or nil.
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

// heldError says that a ConfigMap has to be created anew when it is gone, and that finalizers keep it from going.
type heldError struct {
	key        types.NamespacedName
	finalizers []string
}

// Error says what to do about it.
func (e *heldError) Error() string {
	return fmt.Sprintf("ConfigMap %s is being deleted and has to be created anew, but its finalizers (%s) keep it: "+
		"remove them", e.key, listed(e.finalizers))
}

// blocks reports whether the error is a reason of the document's own, which waiting for the document would not mend.
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

// changedMeanwhile reports whether the error is about something that the watch has yet to show.
func changedMeanwhile(err error) bool {
	return apierrors.IsConflict(err) || (apierrors.IsNotFound(err) && !isNamespaceMissing(err))
}

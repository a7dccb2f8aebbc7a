package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	scimerrors "github.com/elimity-com/scim/errors"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// retryAfter is the number of seconds after which a caller may repeat a request, unless the API server says more.
const retryAfter = 1

// failure is an error that the caller gets as a SCIM error. Its message is the detail.
type failure struct {
	code     int
	scimType scimerrors.ScimType
	detail   string
	// retryAfter is the number of seconds after which the caller may repeat the request; 0 if repeating does not help.
	retryAfter int
}

// Error returns the detail.
func (f *failure) Error() string { return f.detail }

func invalid(kind scimerrors.ScimType, format string, arguments ...any) error {
	return &failure{code: http.StatusBadRequest, scimType: kind, detail: fmt.Sprintf(format, arguments...)}
}

func invalidValue(format string, arguments ...any) error {
	return invalid(scimerrors.ScimTypeInvalidValue, format, arguments...)
}

func notUnique(format string, arguments ...any) error {
	return &failure{code: http.StatusConflict, scimType: scimerrors.ScimTypeUniqueness, detail: fmt.Sprintf(format, arguments...)}
}

func conflict(format string, arguments ...any) error {
	return &failure{code: http.StatusConflict, detail: fmt.Sprintf(format, arguments...)}
}

func notFound(kind, id string) error {
	return &failure{code: http.StatusNotFound, detail: fmt.Sprintf("%s %q does not exist", kind, id)}
}

func unauthorized(detail string) error {
	return &failure{code: http.StatusUnauthorized, detail: detail}
}

func forbidden(format string, arguments ...any) error {
	return &failure{code: http.StatusForbidden, detail: fmt.Sprintf(format, arguments...)}
}

func unavailable(format string, arguments ...any) error {
	return &failure{code: http.StatusServiceUnavailable, detail: fmt.Sprintf(format, arguments...), retryAfter: retryAfter}
}

// asFailure converts an error of the API server. The message of a refusal is passed on, because a person reads it in the
// log of the identity provider.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if e, ok := errors.AsType[scimerrors.ScimError](err); ok {
		return &failure{code: e.Status, scimType: e.ScimType, detail: e.Detail}
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		// Without the address of the API server.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return &failure{
			code: http.StatusServiceUnavailable, retryAfter: retryAfter,
			detail: "The API server did not answer. Repeat the request: " + err.Error(),
		}
	}
	f := &failure{code: int(status.Status().Code), detail: status.Status().Message}
	switch {
	case apierrors.IsUnauthorized(err):
		f.detail = "the API server does not accept the token"
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsRequestEntityTooLargeError(err):
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		f.code = http.StatusConflict
		f.detail = "another field manager owns a value that this request changes. Remove the field there, or leave it alone here: " + f.detail
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		f.code, f.scimType = http.StatusBadRequest, scimerrors.ScimTypeInvalidValue
		if onlyForbidden(status.Status().Details) {
			f.code, f.scimType = http.StatusForbidden, ""
		}
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		f.code = http.StatusConflict
	case apierrors.IsTooManyRequests(err):
		f.retryAfter = retryAfter
	default:
		f.code, f.retryAfter = http.StatusServiceUnavailable, retryAfter
		f.detail = "The API server could not answer. Repeat the request: " + f.detail
	}
	if seconds, suggested := apierrors.SuggestsClientDelay(err); suggested && f.retryAfter > 0 {
		f.retryAfter = max(seconds, retryAfter)
	}
	return f
}

// onlyForbidden reports whether the causes only say that the caller may not do this, and not that a value is wrong.
func onlyForbidden(details *metav1.StatusDetails) bool {
	if details == nil || len(details.Causes) == 0 {
		return false
	}
	for _, cause := range details.Causes {
		if cause.Type != metav1.CauseTypeForbidden {
			return false
		}
	}
	return true
}

// write writes the error as the body of an answer.
func (f *failure) write(w http.ResponseWriter) {
	header := w.Header()
	if f.code == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="usher-scim"`)
	}
	if f.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	writeJSON(w, f.code, scimerrors.ScimError{Status: f.code, ScimType: f.scimType, Detail: f.detail})
}

// writeJSON writes a body. An error while writing means that the caller has gone.
func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

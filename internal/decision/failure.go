package decision

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/util/validation"
)

// failure is an error with a status code. Its message is returned to the caller.
type failure struct {
	code      int
	message   string
	challenge bool // sets WWW-Authenticate, which tells the caller how to authenticate
	retry     bool // sets Retry-After, which tells the caller when to retry
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

func badRequest(err error) error { return &failure{code: http.StatusBadRequest, message: err.Error()} }

func unavailable(err error) error {
	return &failure{code: http.StatusServiceUnavailable, message: "no answer now: " + err.Error(), retry: true}
}

func forbidden(verb, organization, application string) error {
	what := "all applications"
	if application != "" {
		what = "application " + application
	}
	return &failure{code: http.StatusForbidden, message: fmt.Sprintf(
		"the caller needs the verb %s on %s.%s, for %s, in namespace %s", verb, ResourceApplications, Group, what, organization)}
}

func noOrganization(name string) error {
	return &failure{code: http.StatusNotFound, message: fmt.Sprintf("%q is not an organization", name)}
}

// fail writes an error. An error that is not a [failure] becomes an internal error.
func fail(w http.ResponseWriter, err error) {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{code: http.StatusInternalServerError, message: "internal error"}
	}
	header := w.Header()
	if f.challenge {
		header.Set("WWW-Authenticate", `Bearer realm="`+Audience+`"`)
	}
	if f.retry {
		header.Set("Retry-After", retryAfter)
	}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(f.code)
	_, _ = io.WriteString(w, f.message+"\n")
}

// isLabel reports whether the name is a valid name of a namespace.
func isLabel(name string) bool { return len(validation.IsDNS1123Label(name)) == 0 }

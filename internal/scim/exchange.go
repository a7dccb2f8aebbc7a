package scim

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	scim "github.com/elimity-com/scim"
	"github.com/elimity-com/scim/optional"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// mostAttempts is how often a write is tried whose object changes between reading and writing.
const mostAttempts = 20

// exchange is one request, as the handlers of the library need it. The library passes the request on, and its context
// has the exchange.
type exchange struct {
	organization string
	provider     string // the service account of the caller
	store        *store
	metrics      *Metrics
	filter       string
	ifMatch      string
	returned     returned
	// err is the error of the handler. The library cannot express every status code, so the server writes the error.
	err error
}

type exchangeKey struct{}

func withExchange(r *http.Request, ex *exchange) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), exchangeKey{}, ex))
}

func exchangeOf(r *http.Request) *exchange {
	ex, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return ex
}

// answer runs a handler and keeps its error.
func answer[T any](r *http.Request, handle func(context.Context, *exchange) (T, error)) (T, error) {
	ex := exchangeOf(r)
	made, err := handle(r.Context(), ex)
	ex.err = err
	return made, err
}

// mine reports whether the caller has provisioned the object.
func (ex *exchange) mine(o metav1.Object) bool {
	return o.GetLabels()[accessv1alpha1.LabelProvisionedBy] == ex.provider
}

// matches returns an error if the request has preconditions that the version does not meet.
func (ex *exchange) matches(version string) error {
	if ex.ifMatch == "" {
		return nil
	}
	for each := range strings.SplitSeq(ex.ifMatch, ",") {
		// Versions are weak: status and fields of other managers count in resourceVersion, too.
		each = strings.TrimPrefix(strings.TrimSpace(each), "W/")
		if each == "*" || each == strings.TrimPrefix(version, "W/") {
			return nil
		}
	}
	return &failure{
		code: http.StatusPreconditionFailed, detail: "If-Match: the resource has changed. Its version is " + version,
	}
}

// retrying calls write until it does not fail because the object has changed since it was read.
func retrying(write func() error) error {
	var err error
	for range mostAttempts {
		if err = write(); err == nil || !apierrors.IsConflict(err) ||
			apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
			return err
		}
	}
	return unavailable("the object keeps changing. Repeat the request: %v", err)
}

// etag returns the version of objects.
func etag(objects ...metav1.Object) string {
	versions := make([]string, 0, len(objects))
	for _, o := range objects {
		versions = append(versions, o.GetResourceVersion())
	}
	return `W/"` + strings.Join(versions, "-") + `"`
}

// resource returns a resource for the library, with the attributes that the caller asked for.
func (ex *exchange) resource(id, externalID string, attributes scim.ResourceAttributes, o metav1.Object, version string) scim.Resource {
	created, modified := o.GetCreationTimestamp().Time, lastModified(o)
	made := scim.Resource{
		ID: id, Attributes: ex.returned.pick(attributes),
		Meta: scim.Meta{Created: &created, LastModified: &modified, Version: version},
	}
	if externalID != "" && ex.returned.has(attributeExternalID) {
		made.ExternalID = optional.NewString(externalID)
	}
	return made
}

// returned says which attributes an answer has: the parameters attributes and excludedAttributes of RFC 7644.
type returned struct{ only, without []string }

// newReturned returns what the parameters say.
func newReturned(parameters url.Values) returned {
	return returned{attributeNames(parameters["attributes"]), attributeNames(parameters["excludedAttributes"])}
}

func attributeNames(lists []string) []string {
	var names []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			for _, core := range []string{coreUser.ID, coreGroup.ID} {
				name = strings.TrimPrefix(name, strings.ToLower(core)+":")
			}
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// has reports whether an answer has the attribute, or a part of it.
func (r returned) has(attribute string) bool {
	attribute = strings.ToLower(attribute)
	covers := func(names []string, parts bool) bool {
		for _, name := range names {
			if name == attribute || (parts && (strings.HasPrefix(name, attribute+".") || strings.HasPrefix(name, attribute+":"))) {
				return true
			}
		}
		return false
	}
	if len(r.only) > 0 {
		return covers(r.only, true)
	}
	return !covers(r.without, false)
}

func (r returned) pick(attributes scim.ResourceAttributes) scim.ResourceAttributes {
	picked := scim.ResourceAttributes{}
	for name, value := range attributes {
		if r.has(name) {
			picked[name] = value
		}
	}
	return picked
}

// window collects the resources of one page.
type window struct {
	start, count int // the place of the first resource from 1, and how many
	page         scim.Page
}

func newWindow(params scim.ListRequestParams) *window {
	return &window{start: params.StartIndex, count: params.Count, page: scim.Page{Resources: []scim.Resource{}}}
}

// next counts a result, and reports whether it is on the page.
func (w *window) next() bool {
	w.page.TotalResults++
	return w.page.TotalResults >= w.start && len(w.page.Resources) < w.count
}

package app

import (
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// selfAuthorizedMetrics serves metrics to callers whose own token may get their path. The server has no right to review the
// tokens of others, so it asks the API server with the caller's token what the caller may do.
func selfAuthorizedMetrics(config *rest.Config, _ *http.Client) (metricsserver.Filter, error) {
	config = rest.AnonymousClientConfig(config)
	shared, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	slots := make(chan struct{}, mostScrapes)
	return func(_ logr.Logger, handler http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			default:
				w.Header().Set("Retry-After", "1")
				http.Error(w, "Too many requests for metrics at once", http.StatusTooManyRequests)
				return
			}
			if code := selfReview(r, config, shared); code != http.StatusOK {
				http.Error(w, http.StatusText(code), code)
				return
			}
			handler.ServeHTTP(w, r)
		}), nil
	}, nil
}

// selfReview returns the status code of a request for metrics: OK if the caller's token may get them.
func selfReview(r *http.Request, config *rest.Config, shared http.RoundTripper) int {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return http.StatusUnauthorized
	}
	client := &http.Client{Transport: transport.NewBearerAuthRoundTripper(token, shared)}
	asked, err := authorizationv1client.NewForConfigAndClient(config, client)
	if err != nil {
		return http.StatusInternalServerError
	}
	review, err := asked.SelfSubjectAccessReviews().Create(r.Context(), &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: r.URL.Path, Verb: "get"},
		},
	}, metav1.CreateOptions{})
	switch {
	case apierrors.IsUnauthorized(err):
		return http.StatusUnauthorized
	case apierrors.IsForbidden(err), err == nil && !review.Status.Allowed:
		return http.StatusForbidden
	case err != nil:
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

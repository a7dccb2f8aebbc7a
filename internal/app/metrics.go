package app

import (
	"crypto/tls"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func metricsOptions(address string, secure bool) metricsserver.Options {
	serverOptions := metricsserver.Options{BindAddress: address, SecureServing: secure}
	if secure {
		serverOptions.FilterProvider = guardedMetrics
		// An HTTP/2 connection carries any number of concurrent requests. A scraper needs one at a time.
		serverOptions.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }}
	}
	return serverOptions
}

// mostScrapes is the number of requests for metrics that are served concurrently.
const mostScrapes = 4

// guardedMetrics serves metrics to callers that the API server authenticates and authorizes. Each unknown token costs a
// TokenReview, which counts against the manager's share of API server requests. Only a few requests are therefore
// served concurrently and others are refused, so that a caller without a valid token cannot slow the manager down.
func guardedMetrics(config *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	guard, err := filters.WithAuthenticationAndAuthorization(config, client)
	if err != nil {
		return nil, err
	}
	slots := make(chan struct{}, mostScrapes)
	return func(log logr.Logger, handler http.Handler) (http.Handler, error) {
		guarded, err := guard(log, handler)
		if err != nil {
			return nil, err
		}
		return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				guarded.ServeHTTP(w, request)
			default:
				w.Header().Set("Retry-After", "1")
				http.Error(w, "Too many requests for metrics at once", http.StatusTooManyRequests)
			}
		}), nil
	}, nil
}

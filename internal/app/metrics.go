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
	made := metricsserver.Options{BindAddress: address, SecureServing: secure}
	if secure {
		made.FilterProvider = guardedMetrics
		// One connection of HTTP/2 carries any number of requests, and whoever scrapes needs one at a time.
		made.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }}
	}
	return made
}

// mostScrapes is how many requests for metrics are answered at once.
const mostScrapes = 4

// guardedMetrics serves metrics to callers whom the API server authenticates and authorizes. Each token that it has not
// seen costs a TokenReview, which counts against what the API server lets the manager ask. So few are asked at once, and
// further requests are refused: somebody without a token must not slow the manager down.
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

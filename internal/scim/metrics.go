package scim

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The operations on objects in metrics.
const (
	operationCreate = "create"
	operationUpdate = "update"
	operationDelete = "delete"
	operationNone   = "none" // the object is already as the request wants it
)

// methods are the methods of requests in metrics; any other is methodOther.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

const methodOther = "other"

// alertedCodes are the status codes that alerts read.
var alertedCodes = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// Metrics measures the requests of identity providers, and what they change. The counts of writes show the progress of a
// first synchronization.
type Metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	writes   *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_scim_requests_total",
			Help: "Requests of identity providers, by resource, method and status code.",
		}, []string{"resource", "method", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "usher_scim_request_duration_seconds",
			Help:    "How long the SCIM server took for a request, by resource and method.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12), // up to 24 seconds
		}, []string{"resource", "method"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_scim_writes_total",
			Help: `Objects that identity providers wrote, by kind and operation; "none": the object was already as requested.`,
		}, []string{"kind", "operation"}),
	}
	registry.MustRegister(m.requests, m.latency, m.writes)
	// Alerts count these from the first one on, so the counters begin at 0.
	for _, resource := range []string{resourceUsers, resourceGroups} {
		for _, method := range methods {
			for _, code := range alertedCodes {
				m.requests.WithLabelValues(resource, method, strconv.Itoa(code))
			}
		}
	}
	for _, k := range []kind{kindUserAccess, kindAccessGroup} {
		for _, operation := range []string{operationCreate, operationUpdate, operationDelete, operationNone} {
			m.writes.WithLabelValues(k.name, operation)
		}
	}
	return m
}

func (m *Metrics) answered(resource, method string, code int, took time.Duration) {
	m.requests.WithLabelValues(resource, method, strconv.Itoa(code)).Inc()
	m.latency.WithLabelValues(resource, method).Observe(took.Seconds())
}

func (m *Metrics) wrote(k kind, operation string) { m.writes.WithLabelValues(k.name, operation).Inc() }

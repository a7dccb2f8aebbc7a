package decision

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The kinds of reviews.
const (
	kindTokenReview         = "TokenReview"
	kindSubjectAccessReview = "SubjectAccessReview"
)

// The names of the endpoints in metrics.
const (
	endpointEvaluation     = "evaluation"
	endpointEvaluations    = "evaluations"
	endpointSearchSubject  = "search/subject"
	endpointSearchResource = "search/resource"
	endpointSearchAction   = "search/action"
	endpointDiscovery      = "discovery"
	endpointCheck          = "check"
	endpointOther          = "other"
)

// Metrics measures the requests to the decision point, and its reviews by the API server.
type Metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	reviews  *prometheus.CounterVec
}

// NewMetrics registers the metrics. Age returns the maximum age of the view, as [Server.Age] does.
func NewMetrics(registry prometheus.Registerer, age func() time.Duration) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_pdp_requests_total",
			Help: "Requests to the decision point, by endpoint and status code.",
		}, []string{"endpoint", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "usher_pdp_request_duration_seconds",
			Help:    "How long the decision point took for a request, by endpoint.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12), // up to 2.4 seconds
		}, []string{"endpoint"}),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_pdp_reviews_total",
			Help: "Reviews of callers that the API server was asked for, by kind and result.",
		}, []string{"kind", "result"}),
	}
	registry.MustRegister(m.requests, m.latency, m.reviews, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "usher_pdp_view_age_seconds",
		Help: "Time since the watch of a kind last received data from the API server. The watch that has been silent longest counts.",
	}, func() float64 { return age().Seconds() }))
	for _, endpoint := range []string{
		endpointEvaluation, endpointEvaluations, endpointSearchSubject, endpointSearchResource, endpointSearchAction,
		endpointDiscovery, endpointCheck, endpointOther,
	} {
		m.latency.WithLabelValues(endpoint)
		m.requests.WithLabelValues(endpoint, "200")
		m.requests.WithLabelValues(endpoint, "500")
		m.requests.WithLabelValues(endpoint, "503")
	}
	for _, kind := range []string{kindTokenReview, kindSubjectAccessReview} {
		m.reviews.WithLabelValues(kind, "success")
		m.reviews.WithLabelValues(kind, "error")
	}
	return m
}

func (m *Metrics) answered(endpoint string, code int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(code)).Inc()
	m.latency.WithLabelValues(endpoint).Observe(took.Seconds())
}

// reviewed returns a function that counts a review of the kind by its result.
func (m *Metrics) reviewed(kind string) func(error) {
	return func(err error) {
		result := "success"
		if err != nil {
			result = "error"
		}
		m.reviews.WithLabelValues(kind, result).Inc()
	}
}

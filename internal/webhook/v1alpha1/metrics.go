package v1alpha1

import "github.com/prometheus/client_golang/prometheus"

const (
	resultAllowed = "allowed"
	resultRefused = "refused"
	resultError   = "error"
)

// Metrics counts what the webhook asks. What it is asked, controller-runtime counts.
type Metrics struct {
	reviews *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_access_reviews_total",
		Help: "Subject access reviews that admission asked for, by result.",
	}, []string{"result"})}
	registry.MustRegister(m.reviews)
	return m
}

func (m *Metrics) reviewed(result string) { m.reviews.WithLabelValues(result).Inc() }

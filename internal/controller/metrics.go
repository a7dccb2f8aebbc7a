package controller

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-dev/usher/internal/roster"
)

// Metrics are Usher's own, beside those of controller-runtime. Labels are kinds of documents and operations, never
// names of objects or users.
type Metrics struct {
	organizations prometheus.Gauge
	users         prometheus.Gauge
	conflicts     prometheus.Gauge
	unresolved    prometheus.Gauge
	writes        *prometheus.CounterVec
	bytes         *prometheus.CounterVec
	publication   *prometheus.HistogramVec

	mu            sync.Mutex
	unresolvedBy  map[roster.Object]int
	unresolvedSum int
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "usher", Name: name, Help: help})
	}
	m := &Metrics{
		organizations: gauge("organizations", "Number of organizations."),
		users:         gauge("resolved_users", "Number of users for whom access is resolved, over all organizations."),
		conflicts:     gauge("role_conflicts", "Number of scopes in which grants of different sources give a user different roles."),
		unresolved:    gauge("unresolved_references", "Number of names in objects that nothing has."),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "usher", Name: "document_writes_total",
			Help: "Number of writes of published ConfigMaps by kind of document and operation.",
		}, []string{"document", "operation"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "usher", Name: "document_written_bytes_total",
			Help: "Bytes of data written to published ConfigMaps by kind of document.",
		}, []string{"document"}),
		publication: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "usher", Name: "publication_seconds",
			Help:    "Time from when a change was seen to when the watch shows the document that holds it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 18),
		}, []string{"document"}),
		unresolvedBy: map[roster.Object]int{},
	}
	registry.MustRegister(m.organizations, m.users, m.conflicts, m.unresolved, m.writes, m.bytes, m.publication)
	return m
}

// Wrote counts a write of a published ConfigMap.
func (m *Metrics) Wrote(operation, document string, bytes int) {
	m.writes.WithLabelValues(document, operation).Inc()
	m.bytes.WithLabelValues(document).Add(float64(bytes))
}

func (m *Metrics) published(kind OutputKind, took time.Duration) {
	m.publication.WithLabelValues(string(kind)).Observe(took.Seconds())
}

func (m *Metrics) settled(r *roster.Roster) {
	totals := r.Totals()
	m.organizations.Set(float64(totals.Organizations))
	m.users.Set(float64(totals.Users))
	m.conflicts.Set(float64(totals.Conflicts))
}

// unresolvedIn notes how many names of the object lead nowhere.
func (m *Metrics) unresolvedIn(object roster.Object, count int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unresolvedSum += count - m.unresolvedBy[object]
	if count == 0 {
		delete(m.unresolvedBy, object)
	} else {
		m.unresolvedBy[object] = count
	}
	m.unresolved.Set(float64(m.unresolvedSum))
}

package controller

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Metrics are Usher's own metrics, in addition to those of controller-runtime. Label values are kinds of documents,
// operations and reasons, never names of objects or users.
type Metrics struct {
	organizations prometheus.Gauge
	users         prometheus.Gauge
	conflicts     prometheus.Gauge
	unresolved    prometheus.Gauge
	writes        *prometheus.CounterVec
	bytes         *prometheus.CounterVec
	publication   *prometheus.HistogramVec
	notReady      *prometheus.GaugeVec
	changes       *prometheus.CounterVec
	unaudited     prometheus.Counter

	mu            sync.Mutex
	unresolvedBy  map[roster.Object]int
	unresolvedSum int
	notReadyBy    map[roster.Object]string // the reason by object
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
		unresolved:    gauge("unresolved_references", "Number of references to objects and roles that do not exist."),
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
			Help:    "Time from when a change was seen until the watch shows the document with it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 18),
		}, []string{"document"}),
		notReady: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "usher", Name: "not_ready_objects",
			Help: "Number of objects of the four kinds whose Ready condition is not true, by kind and reason. On the leader.",
		}, []string{"kind", "reason"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "usher", Name: "access_changes_total",
			Help: "Number of times that a user's access to an application changed, by how. On the leader.",
		}, []string{"change"}),
		unaudited: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "usher", Name: "unaudited_changes_total",
			Help: "Number of users whose access changed without an audit line, because lines could not be written fast enough.",
		}),
		unresolvedBy: map[roster.Object]int{}, notReadyBy: map[roster.Object]string{},
	}
	registry.MustRegister(m.organizations, m.users, m.conflicts, m.unresolved, m.writes, m.bytes, m.publication,
		m.notReady, m.changes, m.unaudited)
	// Export a zero before the first change, so that an alert on an increase sees the first one.
	for _, each := range resolve.Changes() {
		m.changes.WithLabelValues(string(each))
	}
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

func (m *Metrics) settled(v *roster.View) {
	totals := v.Totals()
	m.organizations.Set(float64(totals.Organizations))
	m.users.Set(float64(totals.Users))
	m.conflicts.Set(float64(totals.Conflicts))
}

// unresolvedIn records the number of references of the object that do not resolve.
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

// setNotReady records the reason why the object is not ready, or "" if it is ready or has been deleted.
func (m *Metrics) setNotReady(object roster.Object, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	previous := m.notReadyBy[object]
	if previous == reason {
		return
	}
	if previous != "" {
		m.notReady.WithLabelValues(string(object.Kind), previous).Dec()
	}
	if reason == "" {
		delete(m.notReadyBy, object)
		return
	}
	m.notReady.WithLabelValues(string(object.Kind), reason).Inc()
	m.notReadyBy[object] = reason
}

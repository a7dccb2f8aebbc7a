package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/usher-dev/usher/internal/delivery"
)

// Metrics count notices, most of them by the type of their channel.
type Metrics struct {
	sent, failed, retried *prometheus.CounterVec
	waiting               *prometheus.GaugeVec
	unaddressed, lost     prometheus.Counter
}

// NewMetrics creates the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	options := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "usher", Name: name, Help: help}
	}
	vector := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(options(name, help)), []string{"channel"})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts(options(name, help)))
	}
	m := &Metrics{
		sent:    vector("notices_sent_total", "Number of delivered notices, by channel type."),
		failed:  vector("notices_failed_total", "Number of notices that were refused permanently or given up, by channel type."),
		retried: vector("notices_retried_total", "Number of failed delivery attempts that are retried, by channel type."),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts(
			options("notices_waiting", "Number of notices that are not yet delivered, by channel type.")), []string{"channel"}),
		unaddressed: counter("notices_unaddressed_total", "Number of notices that were not sent because the user has no e-mail address."),
		lost:        counter("notices_records_lost_total", "Number of times that the record of an organization was found incomplete."),
	}
	for i := range delivery.Types {
		name := string(delivery.Types[i].Name)
		for _, each := range []*prometheus.CounterVec{m.sent, m.failed, m.retried} {
			each.WithLabelValues(name)
		}
		m.waiting.WithLabelValues(name)
	}
	registry.MustRegister(m.sent, m.failed, m.retried, m.waiting, m.unaddressed, m.lost)
	return m
}

package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Metrics count notices by the type of their channel.
type Metrics struct {
	sent, failed, retried *prometheus.CounterVec
	waiting               *prometheus.GaugeVec
	unaddressed           prometheus.Counter
	lost                  prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "usher", Name: name, Help: help}, []string{"channel"})
	}
	m := &Metrics{
		sent:    counter("notices_sent_total", "Number of notices that were delivered, by type of channel."),
		failed:  counter("notices_failed_total", "Number of notices that were refused for good or given up, by type of channel."),
		retried: counter("notices_retried_total", "Number of attempts to deliver a notice that failed and are made again, by type of channel."),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "usher", Name: "notices_waiting", Help: "Number of notices that are yet to be delivered, by type of channel.",
		}, []string{"channel"}),
		unaddressed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "usher", Name: "notices_unaddressed_total",
			Help: "Number of notices that were not sent because nothing says an e-mail address of the user.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "usher", Name: "notices_records_lost_total",
			Help: "Number of times that an organization's record of notices was found incomplete.",
		}),
	}
	for _, t := range channelTypes {
		for _, each := range []*prometheus.CounterVec{m.sent, m.failed, m.retried} {
			each.WithLabelValues(string(t))
		}
		m.waiting.WithLabelValues(string(t))
	}
	registry.MustRegister(m.sent, m.failed, m.retried, m.waiting, m.unaddressed, m.lost)
	return m
}

var channelTypes = []accessv1alpha1.ChannelType{
	accessv1alpha1.ChannelTypeSMTP, accessv1alpha1.ChannelTypeWebhook, accessv1alpha1.ChannelTypeSlack,
}

package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector collects the metrics that are computed at the time of a scrape: the progress of the feed, and the documents
// that the leader has not written yet.
type collector struct {
	reconciler *Reconciler

	synced, settled, unpublished, age, blocked, lossy, expiring, reviews *prometheus.Desc
}

// horizons are the periods for which expiring users are counted.
var horizons = []struct {
	name string
	long time.Duration
}{{"1d", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}}

// Collector returns a collector of the metrics that are computed at the time of a scrape. The cost of a scrape grows
// with the number of unpublished documents, with the number of users whose access changes by date within a month, and
// with the number of groups.
func (r *Reconciler) Collector() prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("usher_"+name, help, labels, nil)
	}
	return &collector{
		reconciler: r,
		synced:     desc("roster_synced", "1 if the initial lists of all kinds have been handled, else 0."),
		settled:    desc("roster_settled_timestamp_seconds", "Time at which the roster last settled pending changes."),
		unpublished: desc("unpublished_documents",
			"Number of documents that are not published as decided yet, by kind of document. On the leader.", "document"),
		age: desc("unpublished_age_seconds", "Age of the oldest unpublished change of a document. On the leader."),
		blocked: desc("blocked_documents",
			"Number of documents that cannot be written because of an error that a quick retry does not fix. On the leader."),
		lossy: desc("lossy_documents",
			"Number of documents that cannot be written and still give a user more than the decisions do. On the leader."),
		expiring: desc("expiring_users", "Number of users whose access ends or shrinks by date within the given time, over all organizations.",
			"within"),
		reviews: desc("reviews", "Number of groups whose review is due within 14 days (Coming), due while the access stays (Pending), "+
			"or due while the group gives only NoAccess (Ended).", "state"),
	}
}

// Describe implements prometheus.Collector.
func (s *collector) Describe(descs chan<- *prometheus.Desc) { prometheus.DescribeByCollect(s, descs) }

// Collect implements prometheus.Collector.
func (s *collector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	synced := 0.0
	if s.reconciler.Feed.IsReady() {
		synced = 1
	}
	gauge(s.synced, synced)
	gauge(s.settled, float64(s.reconciler.Feed.SettledAt()))
	open, oldest, blocked, lossy := s.reconciler.tracker.backlog()
	for _, kind := range []OutputKind{ApplicationDocument, UserDocument, OrganizationsDocument} {
		gauge(s.unpublished, float64(open[kind]), string(kind))
	}
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, s.reconciler.Feed.Now().Sub(oldest).Seconds())
	}
	gauge(s.age, age)
	gauge(s.blocked, float64(blocked))
	gauge(s.lossy, float64(lossy))
	var within []time.Duration
	for _, each := range horizons {
		within = append(within, each.long)
	}
	for i, count := range s.reconciler.view().Expiring(within...) {
		gauge(s.expiring, float64(count), horizons[i].name)
	}
	for state, count := range reviews(s.reconciler.view(), s.reconciler.Feed.Now()) {
		gauge(s.reviews, float64(count), state)
	}
}

// Package monitoring contains only tests: of the alert rules with Prometheus' query engine, and of the dashboard
// against the documented metrics. Another test compares the documented metrics with those that the manager exposes
// (test/admission).
//
// It is a separate module because of the dependencies of Prometheus.
package monitoring

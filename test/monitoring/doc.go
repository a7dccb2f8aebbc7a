// Package monitoring holds tests only: the alert rules by Prometheus' query engine, and the dashboard against the list of
// metrics in the documentation, which another test compares with what the manager exposes (test/admission).
//
// It is a module of its own, for what Prometheus depends on.
package monitoring

// Package monitoring holds tests only: the alert rules by Prometheus's own rule tests, and the dashboard against the list of
// metrics in the documentation, which another test holds against what the manager exposes (test/admission).
//
// It is a module of its own, for what Prometheus depends on.
package monitoring

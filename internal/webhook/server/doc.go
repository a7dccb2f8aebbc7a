// Package server serves the webhook: a TLS listener with bounded connections and timeouts, and, where a client CA is
// given, only to who shows a certificate of it. What is served is registered from outside. The package imports nothing of
// Usher's.
package server

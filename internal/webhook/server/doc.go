// Package server serves the webhook. It is a TLS listener with bounded connections and timeouts. If a client CA is
// configured, it serves only clients with a certificate of that CA. Handlers are registered by the caller. The package
// imports nothing of Usher.
package server

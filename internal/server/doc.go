// Package server serves HTTP over TLS to many peers: the webhook, and the decision point. Connections, requests and
// their headers are bounded, and the certificate is read again when it changes. If a client CA is configured, only
// clients with a certificate of that CA are served. The package imports nothing of Usher.
package server

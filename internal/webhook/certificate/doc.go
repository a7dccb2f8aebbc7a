// Package certificate manages the serving certificate of the webhooks. It issues the certificate, maintains the CA
// bundle that the API server trusts, and decides when a replica switches to a new certificate.
//
// One Secret holds a certificate authority and a serving certificate that the authority signed. The leader renews both
// in time ([Rotation]). Every replica serves the certificate in the Secret directly from the watch ([Serving]), without
// waiting for a mounted volume. Two rules keep requests from failing while an authority is replaced, for any number of
// replicas, across restarts, and without further state:
//
//   - The leader removes only expired authorities from the CA bundle of the webhook configuration. Every certificate
//     that a replica still serves therefore stays trusted. The order of writing the bundle and the Secret does not
//     matter, because of the second rule.
//   - A replica switches to a certificate only if the bundle has its authority. If the authority is new, it must have
//     been there for some time, because an API server may see the bundle later than the replica does. Until then, the
//     replica serves the previous certificate.
//
// The package uses open-policy-agent/cert-controller to create and check certificates. It does not use that project's
// controller, which replaces the whole bundle at once, requires permissions on every Secret of the namespace and on
// every webhook configuration, and waits for files that the kubelet mounts.
package certificate

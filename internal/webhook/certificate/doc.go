// Package certificate keeps the serving certificate of the webhooks: who issues it, whom the API server trusts, and when
// a replica changes to a new one.
//
// One Secret holds a certificate authority and a serving certificate that it signed. The leader renews both in time
// ([Rotation]); every replica serves what the Secret holds ([Serving]), straight from the watch, so there is no volume to
// wait for. Two rules keep requests from failing while an authority is replaced, on any number of replicas and across
// restarts, with nothing to remember:
//
//   - The CA bundle of the webhook configuration only loses authorities that have expired. So whatever a replica still
//     serves stays trusted. The bundle is extended before the Secret has anything new to say about serving, or after:
//     the order does not matter, because of the second rule.
//   - A replica changes to a certificate only when the bundle has its authority, and has had it for a while where the
//     authority is new: an API server may see the bundle later than the replica does. Until then it serves what it
//     served.
//
// The certificates themselves are made and checked by open-policy-agent/cert-controller. Its own controller is not used:
// it replaces the whole bundle at once, takes rights to every Secret of the namespace and to every webhook configuration,
// and waits for files that a kubelet brings.
package certificate

// Package notify tells people of their access: what changed becomes a notice, and a notice goes through channels.
//
// Whom Usher has told what is in a record: ConfigMaps in each organization, written before a notice is sent and after it
// was delivered. What there is to tell is the difference between the record and the roster, so that nothing rests on
// having seen a change happen: a restart or a new leader finds what is left to do, and nothing else.
//
// [Notifier] runs on the leader, in goroutines of its own, and is never waited for: access is published whether anybody
// can be told of it or not.
//
// It imports of Usher the API, the rules' plain values and the roster, nothing else.
package notify

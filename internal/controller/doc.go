// Package controller renders documents and statuses from the roster and writes those that differ.
//
// An output is what the package writes: an application document, a user's document, or the status of an object. Watch
// events of the kinds only enqueue outputs. A settlement is one pass in which the roster decides all pending changes.
// The [Reconciler] marks the outputs that a settlement touches; a touch is one numbered reason why a document may have
// to change.
//
// On the leader, the Reconciler takes outputs from one priority queue and renders them from the roster. It writes an
// output only if the watch cache does not already hold the rendered content. No state is persistent: after a restart,
// the Reconciler renders everything and writes only what differs.
package controller

// Package controller reads the roster and writes what differs.
//
// Kinds only enqueue. What is written is an output: an application document, a user's document, an object's status.
// The [Reconciler] marks the outputs that a settlement of the roster touches. On the leader it takes them from one queue by
// priority, renders them anew from the roster, and writes those that the watch does not show as they should be. All of its
// state can be built again: a restart renders everything and writes nothing that is as it should be.
package controller

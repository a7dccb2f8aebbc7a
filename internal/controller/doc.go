// Package controller reads the roster and writes what differs.
//
// Kinds only enqueue. What is written is an output: an application document, a user's document, an object's status.
// A [Feed] hands objects to the roster, lets it settle, and marks the outputs that the changes touch; the [Reconciler]
// takes outputs from one queue by priority, renders them anew from the roster and writes what is not yet so. Nothing is
// remembered that cannot be built again: a restart renders everything and writes nothing that is as it should be.
package controller

// Package feed keeps a roster in step with the watch, on every replica.
//
// A [Feed] hands all objects that the informers show to the roster, and has the roster settle. Each settling makes a
// [Settlement]: what changed, and a view of the roster. Every subscriber gets all settlements in order, in a goroutine of
// its own, so that a slow subscriber delays neither the next settling nor another subscriber.
package feed

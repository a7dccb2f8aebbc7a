// Package feed keeps a roster in sync with the watches, on every replica.
//
// A [Feed] passes all objects from the informers to the roster and has the roster settle, that is, decide all pending
// changes. Each time the result is a [Settlement]: the changes and a view of the roster. Every subscriber receives all
// settlements in order, in its own goroutine. A slow subscriber therefore delays neither the next settlement nor
// another subscriber.
package feed

// Package preview computes the effects of a change to one object before the change is made. A preview reads one
// view of the roster and applies the change in its own layer. So any number of previews can run concurrently.
// They do not affect each other or the roster, and they do not delay a settling.
package preview

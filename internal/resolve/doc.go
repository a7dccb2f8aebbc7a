// Package resolve decides what a user may do in an organization: the rules of docs/rules.md and nothing else.
//
// Plain values go in ([Rules], [Source], [User] and an instant), a [Decision] with the reason of every role comes
// out. Who belongs to which group is for the caller to say (package roster); which grant counts and which role wins
// is decided here and nowhere else.
//
// The package imports the standard library only. It reads no clock, does no I/O, keeps no state between calls that
// shows in a decision, and never changes its input: the same input gives the same decision, whatever the order of grants, groups or entries.
package resolve

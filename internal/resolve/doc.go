// Package resolve decides what a user may do in an organization. It implements the rules of docs/rules.md and
// nothing else.
//
// The input is plain values ([Rules], [Source], [User] and an instant). The output is a [Decision] with the reason
// of every role. The caller determines group membership (package roster). Only this package determines which
// grants count and which role wins.
//
// The package imports the standard library only. It reads no clock, does no I/O, keeps no state between calls that
// affects a decision, and never changes its input. The same input gives the same decision, whatever the order of
// grants, groups or entries.
package resolve

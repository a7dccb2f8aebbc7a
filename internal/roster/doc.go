// Package roster knows who belongs to what. It is built from objects, in any order and from anywhere (a watch,
// manifest files, a candidate under review), and keeps every user's decision up to date.
//
// Setting an object only notes whom it touches; [Roster.Settle] decides for them and says what has changed. So a burst
// of changes is decided once, and the cost of a change grows with whom it touches, not with the size of the
// organization.
//
// The roster decides who is a member; what membership gives is for package resolve. It does no I/O and reads no clock.
package roster

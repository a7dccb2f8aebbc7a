// Package roster computes who is a member of what. A roster is built from objects in any order and from any
// origin: a watch, manifest files, or a candidate under review. It keeps the decision for every user up to date.
//
// Setting an object only records the users that it affects. [Roster.Settle] decides for these users and returns
// the changes. So a burst of changes needs only one decision for each user, and the cost of a change grows with
// the number of affected users, not with the size of the organization.
//
// The roster decides who is a member. Package resolve decides what membership grants. The roster does no I/O and
// reads no clock.
package roster

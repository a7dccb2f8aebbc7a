// Package index stores the declared objects. It answers which users belong to which groups, and which objects
// refer to each other. An [Index] is immutable. A [Layer] is an index that accepts changes: the roster keeps one
// for the existing objects, and a preview makes one for the proposed object. Copies share all data in which they
// do not differ.
//
// The package makes no access decisions. It reports which users, rules and statuses a change affects
// ([Touched]), and the roster decides.
package index

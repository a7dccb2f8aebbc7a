// Package index keeps the declared objects and answers who belongs to what and what refers to what. An [Index] never
// changes. A [Layer] is an index that takes changes: the roster keeps one for the objects that exist, and a preview makes
// one for the object that may come. Copies share everything in which they do not differ.
//
// The package decides nothing: it says which users, rules and reports a change bears on ([Touched]), and the roster
// decides.
package index

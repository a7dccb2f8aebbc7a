// Package source loads the objects that questions and changes start from, from a cluster or from files, and computes the
// decisions about them. It writes nothing and shows nothing to people.
package source

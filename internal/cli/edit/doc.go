// Package edit changes objects: it plans a change, shows who gains and loses what, and writes it to a cluster or to files.
// All commands and pages that write use it. It does not ask, and shows nothing to people.
package edit

// Package install holds the ways of installing Usher to one another: the chart renders to what config installs, and
// every value of it does what it says. It is a module of its own, so that what Helm depends on never decides what Usher
// depends on.
package install

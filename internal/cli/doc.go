// Package cli implements the kubectl plugin. It answers the questions of administrators and auditors from a cluster
// or from files. It uses the roster and the rules of the manager, and makes no access decisions of its own.
package cli

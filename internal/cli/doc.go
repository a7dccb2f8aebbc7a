// Package cli is the kubectl plugin: the questions of an administrator and an auditor, answered from a cluster or from
// files, by the roster and the rules of the manager. It decides nothing itself.
package cli

// Package gitops holds tests only: Usher under the tools that apply it from git, by these tools' own code. Flux's server-side
// apply, inventory and kstatus, and Argo CD's engine, diff and health scripts, against a real API server that asks
// Usher's webhooks, fed from a real git server.
//
// It is a module of its own, for what these tools depend on.
package gitops

// Package gitops contains only tests. They run Usher under the tools that apply it from git, with the original code of
// these tools: Flux's server-side apply, inventory and kstatus, and Argo CD's engine, diff and health scripts. They use
// a real API server that calls Usher's webhooks, and a real git server.
//
// It is a separate module because of the dependencies of these tools.
package gitops

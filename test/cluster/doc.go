// Package cluster runs Usher as it is shipped, for tests and for the local demo: a real control plane on the loopback
// interface (see hack/controlplane), the manifests of config/local, and the manager's binary as a process with its own
// service account.
//
// It must not import anything of Usher but the API, so that it runs what a release runs, and a test uses it only as a
// user would.
package cluster

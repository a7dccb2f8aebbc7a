// Package cluster runs Usher as it is shipped, for tests and for the local demo: a real
// control plane on the loopback interface (see hack/controlplane), the manifests of
// config/local, and the manager's binary as a process under its own service account.
//
// It must not import anything of Usher but the API: what runs here is what a release
// runs, and a test reaches it only as a user would.
package cluster

// Package e2e tests Usher as it is installed: from an image, as Pods on two nodes, with kubelets that mount its documents.
//
// "make e2e" runs it, on Linux, as root. If a program is missing, it names the program. The test binary runs itself in
// private network, mount, process and IPC namespaces, and starts a control plane and the nodes there. When the first
// process of these namespaces ends, all of it ends, whatever happened before. Only the cgroups of the nodes are outside,
// below one directory, which is removed at the end.
//
// The components are in the user's cache directory, built by hack/controlplane. It is a module of its own because of the
// library that builds images.
package e2e

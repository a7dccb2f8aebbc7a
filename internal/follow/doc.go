// Package follow keeps ConfigMaps in a directory of files, as the kubelet does for a mounted ConfigMap, but within a
// moment of the watch event. It is the sidecar of workloads that cannot wait for the kubelet.
//
// A [Follower] lists and watches each ConfigMap by its name, so a Role with resourceNames is enough. It keeps no copy of
// what it has written: memory does not grow with the number of ConfigMaps. It knows nothing of what the ConfigMaps
// contain. The readers of documents, such as api/document, work on the directory as they do on a mount.
package follow

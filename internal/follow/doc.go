// Package follow writes ConfigMaps to a directory of files, as the kubelet does for a mounted ConfigMap, but within
// a moment of the watch event. It runs in the sidecar of workloads that cannot wait for the kubelet.
//
// A [Follower] lists and watches each ConfigMap by its name, so a Role with resourceNames is sufficient. It keeps
// no copy of the files, so its memory does not grow with the number of ConfigMaps. It does not interpret the
// contents of the ConfigMaps. The readers of documents, such as api/document, read the directory as they read a
// mount.
package follow

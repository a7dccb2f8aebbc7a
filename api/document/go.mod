// A module of its own, so that workloads do not inherit what Usher depends on.
module github.com/usher-dev/usher/api/document

go 1.26.0

require (
	github.com/fsnotify/fsnotify v1.10.1
	github.com/go-json-experiment/json v1.27.2
	github.com/google/go-cmp v0.7.0
)

require golang.org/x/sys v0.49.0 // indirect

//go:build !linux

package app

// dropProgramPages does nothing: see the one for Linux.
func dropProgramPages() error { return nil }

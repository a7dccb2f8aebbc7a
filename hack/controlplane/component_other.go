//go:build !linux

package main

import "path/filepath"

// componentPath returns the binary itself: nothing here ties it to this process.
func componentPath(assets, _, name string) (string, error) {
	return filepath.Join(assets, name), nil
}

func execComponent() error { return nil }

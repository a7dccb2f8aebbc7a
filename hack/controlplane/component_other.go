//go:build !linux

package main

// componentPath returns the binary itself: nothing here ties it to this process.
func componentPath(program, _ string) (string, error) { return program, nil }

func execComponent() error { return nil }

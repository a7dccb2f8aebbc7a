//go:build !linux

package main

// componentPath returns the binary itself. On this system, nothing ties the component to this process.
func componentPath(program, _ string) (string, error) { return program, nil }

func execComponent() error { return nil }

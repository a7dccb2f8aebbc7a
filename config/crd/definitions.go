// Package crd holds the definitions of Usher's kinds, as they are installed.
package crd

import "embed"

// Definitions are the generated CustomResourceDefinitions, a file for each kind in the directory bases.
//
//go:embed bases/*.yaml
var Definitions embed.FS

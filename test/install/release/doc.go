// Package release installs, upgrades and removes Usher with Helm on a real control plane.
package release

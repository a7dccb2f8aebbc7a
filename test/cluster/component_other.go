//go:build !linux

package cluster

import (
	"context"
	"errors"
	"syscall"
)

var errOnlyLinux = errors.New("the components of a control plane are found on Linux only")

// SignalEtcd is only implemented on Linux.
func (c *Cluster) SignalEtcd(syscall.Signal) error { return errOnlyLinux }

// EtcdURL is only implemented on Linux.
func (c *Cluster) EtcdURL() (string, error) { return "", errOnlyLinux }

// KillAPIServer is only implemented on Linux.
func (c *Cluster) KillAPIServer(context.Context) error { return errOnlyLinux }

// StartAPIServer is only implemented on Linux.
func (c *Cluster) StartAPIServer(context.Context) error { return errOnlyLinux }

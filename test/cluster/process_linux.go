package cluster

import "syscall"

// diesWithParent ends the child also when a test is killed or runs into its timeout,
// where nothing is cleaned up.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}

package cluster

import "syscall"

// diesWithParent ends the child even if the test is killed or runs into its timeout, when no cleanup runs.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}

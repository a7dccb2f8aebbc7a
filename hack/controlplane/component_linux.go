package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	execDirEnv    = "USHER_CONTROLPLANE_EXEC_DIR"
	execParentEnv = "USHER_CONTROLPLANE_EXEC_PARENT"
)

// componentPath returns what to run for a component so that it dies with this process,
// also when that is killed. envtest has no hook for it, so the path is a link to this
// program, which becomes the component in execComponent.
func componentPath(assets, dir, name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	link := filepath.Join(dir, name)
	if err := os.Symlink(self, link); err != nil {
		return "", fmt.Errorf("link %s: %w", name, err)
	}
	for key, value := range map[string]string{execDirEnv: assets, execParentEnv: strconv.Itoa(os.Getpid())} {
		if err := os.Setenv(key, value); err != nil {
			return "", fmt.Errorf("hand %s its environment: %w", name, err)
		}
	}
	return link, nil
}

// execComponent returns only where this process is not to become a component, or cannot.
func execComponent() error {
	assets, name := os.Getenv(execDirEnv), filepath.Base(os.Args[0])
	for _, c := range components {
		if assets == "" || c.name != name {
			continue
		}
		if err := becomeComponent(filepath.Join(assets, name)); err != nil {
			return fmt.Errorf("become %s: %w", name, err)
		}
	}
	return nil
}

func becomeComponent(path string) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	// The parent may have died before it was asked for.
	if strconv.Itoa(os.Getppid()) != os.Getenv(execParentEnv) {
		return errors.New("the process that started it is gone")
	}
	return syscall.Exec(path, os.Args, os.Environ())
}

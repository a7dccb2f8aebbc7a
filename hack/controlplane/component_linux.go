package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	execParentEnv = "USHER_CONTROLPLANE_EXEC_PARENT"
	// programsDir is next to the links of componentPath and holds links to the programs.
	programsDir = "programs"
)

// componentPath returns the path to start a component with, so that the component dies with this process, even if this
// process is killed. envtest has no hook for that. The path is therefore a link in dir to this program, which becomes
// the component in execComponent.
func componentPath(program, dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if program, err = filepath.Abs(program); err != nil {
		return "", err
	}
	name := filepath.Base(program)
	link := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Join(dir, programsDir), 0o700); err != nil {
		return "", fmt.Errorf("link %s: %w", name, err)
	}
	for from, to := range map[string]string{link: self, filepath.Join(dir, programsDir, name): program} {
		if err := os.Symlink(to, from); err != nil {
			return "", fmt.Errorf("link %s: %w", name, err)
		}
	}
	if err := os.Setenv(execParentEnv, strconv.Itoa(os.Getpid())); err != nil {
		return "", fmt.Errorf("set the environment of %s: %w", name, err)
	}
	return link, nil
}

// execComponent replaces this process by a component if its environment asks for that. Otherwise, or on an error, it
// returns.
func execComponent() error {
	if os.Getenv(execParentEnv) == "" {
		return nil
	}
	dir, name := filepath.Split(os.Args[0])
	program, err := os.Readlink(filepath.Join(dir, programsDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = becomeComponent(program)
	}
	return fmt.Errorf("become %s: %w", name, err)
}

func becomeComponent(path string) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	// The parent may have died before the signal was requested.
	if strconv.Itoa(os.Getppid()) != os.Getenv(execParentEnv) {
		return errors.New("the parent process has ended")
	}
	return syscall.Exec(path, os.Args, os.Environ())
}

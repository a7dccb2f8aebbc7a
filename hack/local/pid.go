package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const endTimeout = 20 * time.Second

// background is a process that up started and down stops. The process ID may have been reused since, so the command
// line of the process must contain the mark.
type background struct {
	name, pidFile, mark string
}

// write records the process ID.
func (b background) write(pid int) error {
	if err := os.WriteFile(b.pidFile, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		return fmt.Errorf("record the process ID of the %s: %w", b.name, err)
	}
	return nil
}

// pid returns the process ID while the process runs, and 0 otherwise.
func (b background) pid(ctx context.Context) (int, error) {
	content, err := os.ReadFile(b.pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the process of the %s: %w", b.name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s does not hold the number of a process: remove it", b.pidFile)
	}
	if !strings.Contains(commandLine(ctx, pid), b.mark) {
		return 0, nil
	}
	return pid, nil
}

// end stops the process and returns when it has ended.
func (b background) end(ctx context.Context, steps *steps) error {
	pid, err := b.pid(ctx)
	if err != nil || pid == 0 {
		return err
	}
	steps.say("ending the %s (process %d)", b.name, pid)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the %s: %w", b.name, err)
		}
		err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, endTimeout, true,
			func(ctx context.Context) (bool, error) { return !strings.Contains(commandLine(ctx, pid), b.mark), nil })
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("end the %s (process %d): %w", b.name, pid, err)
}

// commandLine returns the command line of a running process, or "".
func commandLine(ctx context.Context, pid int) string {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err == nil {
		return strings.ReplaceAll(string(content), "\x00", " ")
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		return ""
	}
	// There is no /proc, for example on macOS. An error means that there is no such process.
	output, _ := exec.CommandContext(ctx, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return string(output)
}

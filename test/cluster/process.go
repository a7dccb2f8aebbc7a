package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	terminateTimeout = 30 * time.Second
	tailBytes        = 4 << 10
)

// process is a child process with a log.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // the result; read only after done is closed
}

// startProcess starts a process. It appends to the log, so that a restart keeps earlier output.
func startProcess(cmd *exec.Cmd, log string, detached bool) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", cmd.Path, err)
	}
	defer func() { _ = file.Close() }()
	cmd.Stdout, cmd.Stderr = file, file
	if detached {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		cmd.SysProcAttr = diesWithParent()
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// waitUntil waits until the condition holds. It returns an error with the end of the log if the process ends or the
// timeout expires.
func (p *process) waitUntil(ctx context.Context, what string, condition func(context.Context) bool) error {
	err := wait.PollUntilContextTimeout(ctx, pollInterval, readyTimeout, true,
		func(ctx context.Context) (bool, error) {
			select {
			case <-p.done:
				return false, errors.Join(errors.New("the process ended"), p.err)
			default:
				return condition(ctx), nil
			}
		})
	if err != nil {
		return fmt.Errorf("wait until %s: %w; the end of %s:\n%s", what, err, p.log, tail(p.log))
	}
	return nil
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// terminate asks the process to end and waits for it. It returns an error if the process had to be killed or ended with
// an error.
func (p *process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timeout := time.NewTimer(terminateTimeout)
	defer timeout.Stop()
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%w; the end of %s:\n%s", p.err, p.log, tail(p.log))
		}
		return nil
	case <-timeout.C:
		return errors.Join(fmt.Errorf("still running %s after SIGTERM, so it was killed", terminateTimeout), p.kill())
	}
}

// tail returns the last lines of a log, or the reason why it cannot be read, for use in an error message.
func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err.Error()
	}
	if _, err := file.Seek(max(0, info.Size()-tailBytes), io.SeekStart); err != nil {
		return err.Error()
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content))
}

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary runs three times. The first one prepares everything that needs the network and the go command. The
// second one is the first process of the private namespaces, and ends all processes in them when it ends. The third one
// runs the tests.
const (
	stageEnv   = "USHER_E2E_STAGE"
	stageFirst = "prepare"
	stageInit  = "init"
	stageTests = "tests"

	kitEnv  = "USHER_E2E_KIT"
	keepEnv = "USHER_E2E_KEEP"
)

func TestMain(m *testing.M) {
	var code int
	var err error
	switch os.Getenv(stageEnv) {
	case stageFirst:
		code, err = first()
	case stageInit:
		code, err = initialize()
	case stageTests:
		code, err = m.Run(), keep()
	default:
		err = errors.New(`these tests start a cluster as root: run "make e2e"`)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// required are the programs that are not built from Go modules, with the Debian packages that have them.
var required = []struct{ program, pkg string }{
	{"runc", "runc"}, {"nft", "nftables"}, {"busybox", "busybox-static"}, {"ip", "iproute2"}, {"mount", "mount"},
}

// missing says what the machine lacks, or returns nil.
func missing() error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("a kubelet needs root"))
	}
	for _, r := range required {
		if _, err := exec.LookPath(r.program); err != nil {
			errs = append(errs, fmt.Errorf("%s is not on the path; Debian has it in package %s", r.program, r.pkg))
		}
	}
	return errors.Join(errs...)
}

// first prepares the kit, runs the rest in private namespaces, and checks that nothing is left of it.
func first() (code int, err error) {
	if err := missing(); err != nil {
		return 1, err
	}
	// A child process is tied to the thread that started it.
	runtime.LockOSThread()
	dir, err := os.MkdirTemp("", "usher-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	k, err := prepare(dir)
	if err != nil {
		return 1, err
	}
	before, err := machineState()
	if err != nil {
		return 1, err
	}
	encoded, err := json.Marshal(k)
	if err != nil {
		return 1, err
	}
	child := again(stageInit, kitEnv+"="+string(encoded))
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	// An interrupt from the terminal reaches the tests, too. They end, and then this process cleans up. Other signals
	// reach this process alone; the go command sends one when its timeout has passed.
	signal.Ignore(os.Interrupt)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGQUIT)
	if err := child.Start(); err != nil {
		return 1, fmt.Errorf("start in private namespaces: %w", err)
	}
	go func() {
		<-ended
		_ = child.Process.Kill()
	}()
	if err := os.WriteFile(k.pidFile(), fmt.Appendln(nil, child.Process.Pid), 0o600); err != nil {
		return 1, err
	}
	code, err = result(child.Wait())
	if err != nil {
		return code, err
	}
	if code != 0 {
		k.showLogs()
	}
	return code, errors.Join(removeCgroups(k.Cgroup), before.leftovers(k))
}

// again returns a command that runs this program in the stage.
func again(stage string, env ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(append(os.Environ(), stageEnv+"="+stage), env...)
	return cmd
}

func result(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil
	}
	return 0, err
}

// initialize is the first process of the namespaces. It sets up mounts, starts the tests, and collects the processes whose
// parent has ended.
func initialize() (int, error) {
	k, err := readKit()
	if err != nil {
		return 1, err
	}
	if err := k.mounts(); err != nil {
		return 1, err
	}
	tests := again(stageTests)
	if err := tests.Start(); err != nil {
		return 1, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, fmt.Errorf("wait for processes: %w", err)
		case pid == tests.Process.Pid:
			if status.Signaled() {
				return 1, fmt.Errorf("the tests were ended by signal %s", status.Signal())
			}
			return status.ExitStatus(), nil
		}
	}
}

// sysctls are those that a kubelet changes. They belong to the whole machine, so the kubelet sees files with the values
// that it wants instead.
var sysctls = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// mounts separates the mounts from those of the machine, and mounts what must not be shared with it.
func (k *kit) mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separate the mounts: %w", err)
	}
	// A kubelet propagates mounts into Pods. Nothing propagates to the machine.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share the mounts with Pods: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dir := range []string{"/run", "/var/log"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	lib := filepath.Join(k.Dir, "varlib")
	if err := os.MkdirAll(filepath.Join(lib, "kubelet"), 0o755); err != nil {
		return err
	}
	if err := unix.Mount(lib, "/var/lib", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /var/lib: %w", err)
	}
	for name, value := range sysctls {
		file := filepath.Join(k.Dir, "sysctl."+strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, "/proc/sys/"+name, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("hide the setting %s: %w", name, err)
		}
	}
	for _, dir := range []string{"/run/netns", "/run/lock"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// keep waits for an interrupt, if asked to, so that a person can look at the cluster.
func keep() error {
	if os.Getenv(keepEnv) == "" {
		return nil
	}
	k, err := readKit()
	if err != nil {
		return err
	}
	pid, err := os.ReadFile(k.pidFile())
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(os.Stdout, "The cluster runs until you press Ctrl-C; its logs are in %s. To look inside:\n  nsenter --target=%s --net --mount --pid --ipc env KUBECONFIG=%s %s get pods -A\n",
		k.Dir, strings.TrimSpace(string(pid)), k.kubeconfig("admin"), k.ControlPlane+"/kubectl")
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	<-interrupted
	return nil
}

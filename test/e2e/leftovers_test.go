package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// state is what the tests could leave on the machine, as sorted lines.
type state struct{ mounts, interfaces, rules, files []string }

// places are where the components keep files unless they are told otherwise, outside the directories that mounts hide.
var places = []string{"/opt/*", "/opt/*/*", "/etc/cni*", "/etc/containerd*", "/etc/kubernetes*", "/usr/libexec/kubernetes*"}

// machineState reads the mounts, the network interfaces and the packet filter of this process's namespaces, and the names
// of files.
func machineState() (state, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return state{}, err
	}
	rules, err := exec.Command("nft", "list", "ruleset").Output()
	if err != nil {
		return state{}, fmt.Errorf("list the packet filter: %w", err)
	}
	found, err := net.Interfaces()
	if err != nil {
		return state{}, err
	}
	s := state{mounts: lines(mounts), rules: lines(rules)}
	for _, i := range found {
		s.interfaces = append(s.interfaces, i.Name)
	}
	for _, place := range places {
		files, err := filepath.Glob(place)
		if err != nil {
			return state{}, err
		}
		s.files = append(s.files, files...)
	}
	return s, nil
}

func lines(text []byte) []string {
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Sort(all)
	return all
}

// leftovers returns an error that names what is on the machine now and was not there before: mounts, interfaces, rules
// and files, and the processes and cgroups of the kit.
func (s state) leftovers(k *kit) error {
	now, err := machineState()
	if err != nil {
		return err
	}
	var errs []error
	for what, found := range map[string][2][]string{
		"mount": {s.mounts, now.mounts}, "interface": {s.interfaces, now.interfaces}, "rule": {s.rules, now.rules}, "file": {s.files, now.files},
	} {
		for _, line := range found[1] {
			// Others use the machine, too. A private namespace has no other way to the machine than its directory.
			if !slices.Contains(found[0], line) && (what != "mount" || strings.Contains(line, k.Dir)) {
				errs = append(errs, fmt.Errorf("a %s is left: %s", what, line))
			}
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, file := range processes {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), k.Dir) {
			errs = append(errs, fmt.Errorf("a process is left: %s: %s", file, strings.ReplaceAll(string(line), "\x00", " ")))
		}
	}
	for _, dir := range cgroups(k.Cgroup) {
		errs = append(errs, fmt.Errorf("a cgroup is left: %s", dir))
	}
	return errors.Join(errs...)
}

// hierarchies returns the roots of the cgroup hierarchies: one for each controller in version 1, one in version 2.
func hierarchies() []string {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{root}
	}
	entries, _ := os.ReadDir(root)
	var found []string
	for _, entry := range entries {
		if entry.IsDir() { // a link is a second name of a hierarchy
			found = append(found, filepath.Join(root, entry.Name()))
		}
	}
	return found
}

// cgroups returns the directories of this name in all hierarchies, children first.
func cgroups(name string) []string {
	var found []string
	for _, root := range hierarchies() {
		_ = filepath.WalkDir(filepath.Join(root, name), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				found = append(found, path)
			}
			return nil
		})
	}
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return found
}

// removeCgroups removes the cgroups. The kernel needs a moment after their last process has ended.
func removeCgroups(name string) error {
	var left error
	err := wait.PollUntilContextTimeout(context.Background(), 100*time.Millisecond, 10*time.Second, true,
		func(context.Context) (bool, error) {
			left = nil
			for _, dir := range cgroups(name) {
				left = errors.Join(left, os.Remove(dir))
			}
			return left == nil, nil
		})
	if err != nil {
		return fmt.Errorf("remove the cgroups: %w", errors.Join(err, left))
	}
	return nil
}

package app

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// dropProgramPages unmaps the code of the program. The kernel maps the pages that are used again, from the page cache. Most of
// them were used by the initialization of packages that only other subcommands need.
func dropProgramPages() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	mappings, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	var failures []error
	for line := range strings.Lines(string(mappings)) {
		// ADDRESS-ADDRESS PERMISSIONS OFFSET DEVICE INODE PATH
		fields := strings.Fields(line)
		if len(fields) != 6 || fields[5] != program || fields[1] != "r-xp" {
			continue // the loader may have written the pages of data, also where they can no longer be written
		}
		first, last, _ := strings.Cut(fields[0], "-")
		from, fromErr := strconv.ParseUint(first, 16, 64)
		to, toErr := strconv.ParseUint(last, 16, 64)
		if err := errors.Join(fromErr, toErr); err != nil {
			failures = append(failures, err)
			continue
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, uintptr(from), uintptr(to-from), syscall.MADV_DONTNEED); errno != 0 {
			failures = append(failures, fmt.Errorf("madvise %s: %w", fields[0], errno))
		}
	}
	return errors.Join(failures...)
}

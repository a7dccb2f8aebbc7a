package app

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// dropProgramPages unmaps the pages of the program file. The kernel maps the pages that are used again, from the page
// cache. Most of them were used by the initialization of packages that only other subcommands need.
func dropProgramPages() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	var failures []error
	for _, each := range programMappings(string(text), program) {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, each.from, each.to-each.from, syscall.MADV_DONTNEED); errno != 0 {
			failures = append(failures, fmt.Errorf("madvise %x-%x: %w", each.from, each.to, errno))
		}
	}
	return errors.Join(failures...)
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// programMappings returns the mappings of the program in the text of /proc/self/smaps that are as they are in the file:
// nothing can write them, and nothing has. The loader may have written others before it made them read-only.
func programMappings(smaps, program string) []mapping {
	var found []mapping
	var current *mapping
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		// ADDRESS-ADDRESS PERMISSIONS OFFSET DEVICE INODE [PATH], and then lines of values, such as "Anonymous: 0 kB".
		if first, last, isRange := strings.Cut(fields[0], "-"); isRange {
			from, fromErr := strconv.ParseUint(first, 16, 64)
			to, toErr := strconv.ParseUint(last, 16, 64)
			current = nil
			if fromErr == nil && toErr == nil && len(fields) == 6 && fields[5] == program && !strings.Contains(fields[1], "w") {
				current = &mapping{uintptr(from), uintptr(to)}
			}
		} else if current != nil && fields[0] == "Anonymous:" && fields[1] == "0" {
			found = append(found, *current)
		}
	}
	return found
}

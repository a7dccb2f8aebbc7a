package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ticks is the number of ticks in a second in /proc. Linux has no other value for programs.
const ticks = 100

// cpuTime returns the processor time of the process.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read what the manager takes: %w", err)
	}
	return parseCPUTime(string(text))
}

func parseCPUTime(stat string) (time.Duration, error) {
	// The name of the program is in parentheses and may itself contain parentheses.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("no times of a process in %q", stat)
	}
	var total time.Duration
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("no times of a process in %q: %w", stat, err)
		}
		total += time.Duration(n) * time.Second / ticks
	}
	return total, nil
}

// peakMemory returns the maximum resident memory of the process in MiB.
func peakMemory(pid int) (float64, error) { return memory(pid, "VmHWM") }

// residentMemory returns the resident memory of the process in MiB.
func residentMemory(pid int) (float64, error) { return memory(pid, "VmRSS") }

func memory(pid int, name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read what a process takes: %w", err)
	}
	return parseMemory(string(text), name)
}

func parseMemory(status, name string) (float64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			if err != nil {
				return 0, fmt.Errorf("no size in %q: %w", line, err)
			}
			return kib / 1024, nil
		}
	}
	return 0, fmt.Errorf("no %s in what /proc says of a process", name)
}

// usage records the processor time of a process over time.
type usage struct {
	mu      sync.Mutex
	samples []sample
	failed  error
}

type sample struct {
	at  time.Time
	cpu time.Duration
}

// sampleUsage follows a process until the context ends.
func sampleUsage(ctx context.Context, pid int) *usage {
	u := &usage{}
	go func() {
		for pause(ctx, 50*time.Millisecond) == nil {
			cpu, err := cpuTime(pid)
			u.mu.Lock()
			u.samples, u.failed = append(u.samples, sample{time.Now(), cpu}), err
			u.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return u
}

// between returns the share of one processor that the process used.
func (u *usage) between(from, to time.Time) (float64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed != nil {
		return 0, u.failed
	}
	var first, last *sample
	for i := range u.samples {
		s := &u.samples[i]
		if s.at.Before(from) || s.at.After(to) {
			continue
		}
		if first == nil {
			first = s
		}
		last = s
	}
	if first == nil || first == last {
		return 0, fmt.Errorf("nothing is known of the process between %s and %s", from, to)
	}
	return (last.cpu - first.cpu).Seconds() / last.at.Sub(first.at).Seconds(), nil
}

// rest waits until the manager is almost idle.
func (l *lab) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		before, err := cpuTime(l.manager.PID())
		if err != nil {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return fmt.Errorf("the manager does not come to rest: %w", err)
		}
		after, err := cpuTime(l.manager.PID())
		if err != nil {
			return err
		}
		if after-before <= 3*time.Second/ticks {
			return nil
		}
	}
}

// longestCalm bounds the wait for a machine that may have other work.
const longestCalm = 20 * time.Second

// calm waits until the machine is almost idle. A large read leaves much garbage to collect, also in the API server,
// which must not be measured with the next step.
func (l *lab) calm(ctx context.Context) error {
	runtime.GC()
	waiting, cancel := context.WithTimeout(ctx, longestCalm)
	defer cancel()
	for {
		idle, all, err := processorTime()
		if err != nil {
			return err
		}
		if pause(waiting, 500*time.Millisecond) != nil {
			return ctx.Err()
		}
		idleAfter, allAfter, err := processorTime()
		if err != nil {
			return err
		}
		if idleAfter-idle >= (allAfter-all)*9/10 {
			return nil
		}
	}
}

// processorTime returns the idle time and the total time of all processors in ticks.
func processorTime() (idle, all int, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("read what the machine does: %w", err)
	}
	return parseProcessorTime(string(text))
}

func parseProcessorTime(stat string) (idle, all int, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal ...
	if len(fields) < 9 {
		return 0, 0, fmt.Errorf("no times of the processors in %q", line)
	}
	for i, field := range fields[1:9] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, 0, fmt.Errorf("no times of the processors in %q: %w", line, err)
		}
		if all += ticks; i == 3 || i == 4 {
			idle += ticks
		}
	}
	return idle, all, nil
}

// loadAverage returns the load average of the last minute, or -1.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return load
}

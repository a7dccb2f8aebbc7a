package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const reportEvery = 15 * time.Second

// reportWhile prints the report of a step periodically until the returned function is called.
func reportWhile(progress io.Writer, report func() string) func() {
	ticker := time.NewTicker(reportEvery)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ticker.C:
				_, _ = fmt.Fprintln(progress, report())
			case <-stop:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(stop)
		<-stopped
	}
}

// plan is the remaining work of a build. As a Writer it reads the output of "go build -v", which names each package
// when its compilation starts.
type plan struct {
	now func() time.Time

	mu      sync.Mutex
	weights map[string]int64 // bytes of source of packages that have not been started
	total   int64
	all     int
	begun   int64
	began   time.Time
	line    []byte
}

// perPackage is the fixed cost of a package, in bytes of source.
const perPackage = 10_000

// planBuild asks the go command which packages are not in the build cache.
func planBuild(ctx context.Context, source string, packages []string) (*plan, error) {
	const format = `{{if .Stale}}{{.ImportPath}}{{"\t"}}{{.Dir}}{{range .GoFiles}}{{"\t"}}{{.}}{{end}}{{end}}`
	out, err := goTool(ctx, source, append([]string{"list", "-mod=readonly", "-deps", "-f", format}, packages...)...)
	if err != nil {
		return nil, fmt.Errorf("find the packages to compile: %w", err)
	}
	weights := map[string]int64{}
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) < 2 {
			continue
		}
		weight := int64(perPackage)
		for _, name := range fields[2:] {
			if info, err := os.Stat(filepath.Join(fields[1], name)); err == nil {
				weight += info.Size()
			}
		}
		weights[fields[0]] = weight
	}
	return newPlan(weights, time.Now), nil
}

func newPlan(weights map[string]int64, now func() time.Time) *plan {
	p := &plan{now: now, weights: weights, all: len(weights), began: now()}
	for _, weight := range weights {
		p.total += weight
	}
	return p
}

func (p *plan) Write(said []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = append(p.line, said...)
	for {
		name, rest, found := bytes.Cut(p.line, []byte("\n"))
		if !found {
			return len(said), nil
		}
		p.line = rest
		p.begun += p.weights[string(name)]
		delete(p.weights, string(name))
	}
}

// report describes the progress of the build and the remaining time.
func (p *plan) report() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.weights) == 0 {
		return "all packages are compiled, linking"
	}
	text := fmt.Sprintf("%d of %d packages, %d%%", p.all-len(p.weights), p.all, 100*p.begun/p.total)
	// The first packages do not indicate the speed.
	if elapsed := p.now().Sub(p.began); 20*p.begun > p.total {
		left := time.Duration(float64(elapsed) * float64(p.total-p.begun) / float64(p.begun))
		text += fmt.Sprintf(", about %s left", left.Round(10*time.Second))
	}
	return text
}

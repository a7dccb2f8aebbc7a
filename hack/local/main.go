// Command local runs Usher on this machine, without a cluster or a container runtime:
//
//	up    in the background, with samples, for a person to try things
//	down  stops what up started
//	demo  in the foreground; prints who has which role, and exits
//
// It uses test/cluster, so that a person runs the same code as the tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/usher-dev/usher/test/cluster"
)

const (
	usage = `usage:
  go run ./hack/local up [--samples=DIR|none] [--install=FILE]
  go run ./hack/local down
  go run ./hack/local demo [--samples=DIR|none]`
	noSamples = "none"
)

func main() {
	// The logs of controller-runtime are for operators; a person reads the steps. Without a logger, controller-runtime
	// complains.
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 0 {
		return errors.New("name a command\n" + usage)
	}
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.Usage = func() { _, _ = fmt.Fprintln(progress, usage) }
	samples := flags.String("samples", filepath.Join(root, "config", "samples"),
		`kustomize directory to apply, or "none"`)
	manifests := flags.String("install", "", "up: what to install instead of config/local, such as the rendered chart")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *samples == noSamples {
		*samples = ""
	}
	steps := newSteps(progress)
	switch args[0] {
	case "up":
		return up(ctx, newPlaces(root), *manifests, *samples, out, steps)
	case "down":
		return down(ctx, newPlaces(root), steps)
	case "demo":
		return demo(ctx, *samples, out, steps)
	default:
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
}

// steps reports progress to a person.
type steps struct {
	io.Writer

	began time.Time
}

func newSteps(w io.Writer) *steps { return &steps{Writer: w, began: time.Now()} }

func (s *steps) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s, "%5.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

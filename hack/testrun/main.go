// Command testrun runs the tests of all modules of this repository, suite by suite. It prints a line for every package
// as "go test" does, at least one line a minute about what is running, the output of failures, and finally a table of
// the suites.
//
//	go run ./hack/testrun [--flags="-run TestCases"] unit|integration|all
//
// It uses only "go test -json" and the standard library.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("testrun", flag.ContinueOnError)
	extra := flags.String("flags", "", "flags for go test, separated by spaces")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	var results []*result
	for _, s := range chosen {
		compile, test, err := s.steps(ctx, strings.Fields(*extra))
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "\n==> %s\n", s.name)
		r := newResult(s.name, out, time.Now)
		r.verbose = slices.Contains(test, "-v")
		runSuite(ctx, r, compile, test)
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
	}
	if err := writeTable(out, results); err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(r *result) bool { return r.failed() }) {
		return errors.New("tests failed")
	}
	return ctx.Err()
}

// runSuite compiles and tests a suite.
func runSuite(ctx context.Context, r *result, compile, test []string) {
	stop := r.reportWhile(reportEvery)
	defer stop()
	// go test reports compilation errors by package.
	compiler := exec.CommandContext(ctx, compile[0], compile[1:]...)
	compiler.Env = append([]string{"GOGC=400"}, os.Environ()...)
	_ = compiler.Run()
	r.compiled()

	tests := exec.CommandContext(ctx, test[0], test[1:]...)
	// The tests end after the processes that they started.
	tests.Cancel = func() error { return tests.Process.Signal(os.Interrupt) }
	tests.WaitDelay = time.Minute
	tests.Stderr = r
	events, err := tests.StdoutPipe()
	if err == nil {
		err = tests.Start()
	}
	if err != nil {
		r.end(fmt.Errorf("run %s: %w", strings.Join(test, " "), err))
		return
	}
	readErr := r.read(events)
	r.end(errors.Join(readErr, tests.Wait()))
}

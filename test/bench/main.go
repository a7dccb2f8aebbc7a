// Command bench measures the costs of Usher on its own control plane. The manager runs as a process with the shipped
// permissions and is compared with a bare client that makes the same writes. docs/scale.md describes the scenarios and
// how to read the figures.
//
// It imports nothing of Usher but the API and the reader, so that it measures what a release runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	// Without a logger, controller-runtime writes complaints into the progress output.
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	size := flags.String("size", "M", "how much there is: S, M or L")
	only := flags.String("bench", "", "measure one scenario: "+strings.Join(scenarios, ", "))
	output := flags.String("output", "bin/bench.json", "the file for all figures")
	kubeconfig := flags.String(listAndWatchFlag, "", "be the bare client that lists and watches with this kubeconfig")
	answer := flags.String(answerFlag, "", "be the bare handler of questions at this address")
	certificates := flags.String(certificatesFlag, "", "the directory with the certificate of the bare handler")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *answer != "" {
		return answerConstant(ctx, *answer, *certificates)
	}
	if *kubeconfig != "" {
		return listAndWatch(ctx, *kubeconfig)
	}
	b, err := newBench(*size, *only, newProgress(os.Stderr))
	if err != nil {
		return err
	}
	failed := b.run(ctx)
	return errors.Join(failed, b.report.write(*output), b.report.table(os.Stdout))
}

// Command controlplane builds and runs a Kubernetes control plane on the loopback
// interface: etcd, kube-apiserver and kube-controller-manager, as processes, from the
// versions that go.mod names. Demo and tests stand on it.
//
// It is a Go module of its own, so that what Kubernetes depends on never decides what
// Usher depends on. It must not import anything of Usher.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

const usage = `usage:
  controlplane assets [--source DIR]
      Build the binaries unless they are there, and print the directory they are in.
  controlplane start --dir DIR [--source DIR] [--until-stdin-closes]
      Run a control plane until SIGTERM or SIGINT. DIR/kubeconfig appears when it is ready.

--source is the directory of this program's go.mod. Where KUBEBUILDER_ASSETS is set, the
binaries are taken from that directory and nothing is built.`

func main() {
	if err := execComponent(); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
	// A child is tied to the life of the thread that started it, not of the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("name a command\n%s", usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = fmt.Fprintln(stderr, usage) }
	source := flags.String("source", ".", "directory of this program's go.mod")

	switch args[0] {
	case "assets":
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		assets, err := findAssets(ctx, *source, stderr)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, assets)
		return err
	case "start":
		dir := flags.String("dir", "", "directory for state, logs and kubeconfig")
		untilStdinCloses := flags.Bool("until-stdin-closes", false, "end also when standard input ends")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		if *dir == "" {
			return fmt.Errorf("start needs --dir\n%s", usage)
		}
		if *untilStdinCloses {
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			go func() {
				// Whatever ends the input, its writer is gone.
				_, _ = io.Copy(io.Discard, stdin)
				cancel()
			}()
		}
		assets, err := findAssets(ctx, *source, stderr)
		if err != nil {
			return err
		}
		err = start(ctx, assets, *dir, stderr)
		if ctx.Err() != nil {
			// Asked to end before it was ready: that is no failure.
			return nil
		}
		return err
	default:
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
}

// Command controlplane runs a Kubernetes control plane on the loopback interface: etcd, kube-apiserver and, if their
// program is given, the controllers, as processes. It fetches or builds the binaries in the versions of go.mod. The
// demo and the tests use it.
//
// It is a separate Go module, so that the dependencies of Kubernetes do not determine those of Usher. It must not
// import anything of Usher.
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
  controlplane assets [--source DIR] [--kubectl=false]
      Print the directory with the binaries, after fetching or building those that are not there.
  controlplane nodes [--source DIR] [--cached]
      Print the directory with the binaries of nodes, after building them if they are not in the user's cache directory;
      with --cached, fail instead of building.
  controlplane start --dir DIR [--source DIR] [--controllers PROGRAM] [--kubectl=false] [--until-stdin-closes]
      Run a control plane until SIGTERM or SIGINT. DIR/kubeconfig appears when it is ready.

--source is the directory of this program's go.mod; PROGRAM is built from its directory "controllers".

The binaries come from, in this order:
  1. the directory that KUBEBUILDER_ASSETS names
  2. the user's cache directory
  3. setup-envtest, where its index is reached (USHER_ASSETS_INDEX names another one)
  4. source, by the go command; USHER_ASSETS=build skips setup-envtest`

func main() {
	if err := execComponent(); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
	// A child process is tied to the thread that started it, not to the process.
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
	kubectl := flags.Bool("kubectl", true, "find kubectl, too")

	switch args[0] {
	case "assets":
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		assets, err := findAssets(ctx, *source, *kubectl, stderr)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, assets)
		return err
	case "nodes":
		cached := flags.Bool("cached", false, "do not build")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		a, err := newAssets(*source, stderr)
		if err != nil {
			return err
		}
		nodes, err := a.findNodes(ctx, *cached)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, nodes)
		return err
	case "start":
		dir := flags.String("dir", "", "directory for state, logs and kubeconfig")
		program := flags.String("controllers", "", "program of the controllers; none without it")
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
		assets, err := findAssets(ctx, *source, *kubectl, stderr)
		if err != nil {
			return err
		}
		err = start(ctx, assets, *program, *dir, stderr)
		if ctx.Err() != nil {
			// Being stopped before it is ready is not a failure.
			return nil
		}
		return err
	default:
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
}

func findAssets(ctx context.Context, source string, kubectl bool, progress io.Writer) (string, error) {
	a, err := newAssets(source, progress)
	if err != nil {
		return "", err
	}
	return a.find(ctx, needed(kubectl))
}

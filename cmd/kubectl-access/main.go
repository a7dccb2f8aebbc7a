// Command kubectl-access is the kubectl plugin: "kubectl access".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/usher-dev/usher/internal/cli"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal terminates the program immediately
	code := cli.Main(ctx, os.Args[1:], terminal.Standard(), time.Now)
	stop()
	os.Exit(code)
}

// Command usher runs the manager, or another program of Usher's by its subcommand.
package main

import (
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/usher-dev/usher/internal/app"
)

func main() {
	if err := app.NewCommand().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "usher: "+err.Error())
		os.Exit(1)
	}
}

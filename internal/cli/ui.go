package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/usher-dev/usher/internal/console"
)

// ui serves the pages for administrators.
type ui struct {
	options *options
	port    uint16
}

func newUI(o *options) *cobra.Command {
	u := &ui{options: o}
	command := &cobra.Command{
		Use:   "ui",
		Short: "Open the console: pages to see and to change access",
		Long: `Serves the console on this machine, and prints the address that opens it. The pages show groups, users, applications,
the matrix, the policy and reviews, and change them. Before a change is written, they show who gains and loses what.

The console has the rights of the caller, as kubectl has them. With -f it shows files, and changes go into the files. It
listens only on 127.0.0.1. The address works once, in one browser. The console ends with the command, or after an hour
without use.`,
		Example: `  # Over the cluster of the current context
  kubectl access ui

  # Over one organization, if that is what you may read
  kubectl access ui -n analytics

  # Over the files of a checkout
  kubectl access ui -f deploy/access -R`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return u.run(command.Context()) },
	}
	command.Flags().Uint16Var(&u.port, "port", 0, "The port to listen on; 0 is any free port")
	return command
}

func (u *ui) run(ctx context.Context) error {
	o := u.options
	if o.at != "" {
		return errors.New("--at: the console shows what holds now")
	}
	if err := o.validate(); err != nil {
		return err
	}
	backend, err := u.backend(ctx)
	if err != nil {
		return err
	}
	var listening net.ListenConfig
	l, err := listening.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(u.port))))
	if err != nil {
		return fmt.Errorf("--port %d: %w", u.port, err)
	}
	server := console.New(&console.Options{Backend: backend, Clock: o.clock})
	if _, err := fmt.Fprintf(o.streams.Out, "Open this address in your browser. It works once:\n\n  %s\n\nCtrl-C ends the console.\n",
		server.Address(l)); err != nil {
		return errors.Join(err, l.Close())
	}
	return server.Serve(ctx, l)
}

// backend returns the files, or the cluster: all namespaces unless one is given. A caller who may not read all
// namespaces gets that of the context.
func (u *ui) backend(ctx context.Context) (console.Backend, error) {
	o := u.options
	from := o.source(nil)
	if from.Offline() {
		return console.NewFiles(ctx, *from, o.clock)
	}
	from.AllNamespaces = true
	made, err := console.NewCluster(ctx, from, o.clock)
	if !apierrors.IsForbidden(err) || o.namespace() != "" || o.allNamespaces {
		return made, err
	}
	o.say("note: you may not read all namespaces, so the console shows that of the context; -n chooses another one")
	from.AllNamespaces = false
	return console.NewCluster(ctx, from, o.clock)
}

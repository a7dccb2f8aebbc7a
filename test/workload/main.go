// Command workload is an HTTP server that is protected by Usher: the mounted documents of an application decide who may
// use which route and who sees which rows of a table. It is an example to copy. It imports nothing of Usher but
// api/document, and it needs no Kubernetes.
//
//	curl -H 'X-User: amelie@acme.example' localhost:8080/invoices
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/usher-dev/usher/api/document"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		slog.Error("Workload failed", "error", err)
		os.Exit(1)
	}
}

// run serves until the context ends, and then completes running requests.
func run(ctx context.Context, args []string) error {
	options := document.Options{OnEvent: logEvent}
	flags := flag.NewFlagSet("workload", flag.ContinueOnError)
	listen := flags.String("listen", ":8080", "address to serve at")
	application := flags.String("application", "finance", "application whose documents are mounted")
	flags.StringVar(&options.Organization, "organization", "", "organization that they have to be of; empty: any")
	flags.Func("documents", "directory where they are mounted; may be given for each shard", func(dir string) error {
		options.Directories = append(options.Directories, dir)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	// Changes during the last requests still apply to them.
	access, err := document.FollowApplication(context.WithoutCancel(ctx), *application, options)
	if err != nil {
		return fmt.Errorf("follow the documents of %s: %w", *application, err)
	}
	defer access.Close()
	db, err := openInvoices(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it goes with the process
	handler, err := newServer(access, db)
	if err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	slog.Info("Serving", "address", listener.Addr().String())
	return serve(ctx, listener, handler)
}

func logEvent(e document.Event) {
	if e.Err != nil {
		slog.Warn("Access document", "event", e.Kind, "path", e.Path, "error", e.Err, "until", e.Until)
		return
	}
	slog.Info("Access document", "event", e.Kind, "path", e.Path)
}

// openInvoices creates the table that a workload would have anyway.
func openInvoices(ctx context.Context) (*sql.DB, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(1) // each connection would have its own memory
	_, err = db.ExecContext(ctx, `
		CREATE TABLE invoices (id INTEGER PRIMARY KEY, country TEXT, product TEXT, amount INTEGER);
		INSERT INTO invoices (country, product, amount) VALUES
			('France', 'laptops', 1200), ('France', 'phones', 700), ('Germany', 'phones', 900),
			('Austria', 'servers', 15000), ('Spain', 'laptops', 2100)`)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fill the database: %w", err), db.Close())
	}
	return db, nil
}

// serve answers requests until the context ends, and then completes running requests.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	const patience = 10 * time.Second
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience, ReadTimeout: patience}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

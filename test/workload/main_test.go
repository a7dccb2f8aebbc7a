package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunRefusesFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"without a directory":    {nil, "no directory to follow"},
		"with a flag unknown":    {[]string{"--documnets=/nowhere"}, "flag provided but not defined"},
		"with an address unfit":  {[]string{"--documents=/nowhere", "--listen=nonsense"}, "missing port"},
		"with an address absent": {[]string{"--documents=/nowhere", "--listen=256.0.0.1:1"}, "listen: "},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), tc.args); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if err := run(t.Context(), []string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: got %v", err)
	}
}

func TestStoppingCompletesRequests(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "done")
	})
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, handler) }()
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		answer <- string(text)
	}()
	<-begun
	stop()

	// It accepts no new requests, and waits for this one.
	dialer := net.Dialer{Timeout: patience}
	refused := time.NewTimer(patience)
	defer refused.Stop()
	for {
		connection, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			_ = connection.Close()
		}
		select {
		case <-refused.C:
			t.Fatalf("it still takes requests: %v", err)
		case err := <-ended:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
	}
	close(finish)
	if got := <-answer; got != "done" {
		t.Errorf("got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

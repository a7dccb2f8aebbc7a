package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// answerFlag and certificatesFlag make this program the bare handler.
const (
	answerFlag       = "answer-constant"
	certificatesFlag = "certificates"
)

// constantAnswer is the answer of the bare handler: that of the decision point to most questions.
type constantAnswer struct {
	Decision bool `json:"decision"`
	Context  struct {
		Role   string `json:"role"`
		Rule   string `json:"rule"`
		Source string `json:"source"`
	} `json:"context"`
}

// constantQuestion is what the bare handler decodes.
type constantQuestion struct {
	Subject  constantEntity `json:"subject"`
	Resource constantEntity `json:"resource"`
	Action   struct {
		Name string `json:"name"`
	} `json:"action"`
	Context jsontext.Value `json:"context"`
}

type constantEntity struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties jsontext.Value `json:"properties"`
}

// answerConstant serves until the context ends. It decodes each question with the library of the decision point, and
// does nothing else: no caller is authenticated, and nothing is decided.
func answerConstant(ctx context.Context, address, certificates string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(certificates, "tls.crt"), filepath.Join(certificates, "tls.key"))
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	var answer constantAnswer
	answer.Decision = true
	answer.Context.Role, answer.Context.Rule, answer.Context.Source = "Viewer", "OnlyGrant", "AccessGroup/acme/group-0001"
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for questions: %w", err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var question constantQuestion
			if err := json.UnmarshalRead(r.Body, &question); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.MarshalWrite(w, &answer) // a client that is gone needs no answer
		}),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if err := server.Serve(tls.NewListener(listener, config)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve questions: %w", err)
	}
	return nil
}

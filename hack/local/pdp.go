package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/usher-dev/usher/test/cluster"
)

// pdpArgs make every namespace an organization, as managerArgs do.
var pdpArgs = []string{"--organization-selector="}

// access is how to ask the decision point.
type access struct {
	URL string `json:"url"`
	// CA has the certificate authorities, in PEM.
	CA       string `json:"ca"`
	Token    string `json:"token"`
	Audience string `json:"audience"`
}

// startPDP starts the decision point beside a manager that runs, and returns how to ask it.
func startPDP(ctx context.Context, c *cluster.Cluster, options cluster.PDPOptions, steps *steps) (*cluster.PDP, access, error) {
	steps.say("starting the decision point")
	to := access{Audience: cluster.PDPAudience}
	var err error
	if options.Kubeconfig, err = c.PDPKubeconfig(ctx); err != nil {
		return nil, to, err
	}
	var authorities []byte
	if options.CertificateDir, authorities, err = c.PDPCertificate(ctx); err != nil {
		return nil, to, err
	}
	if to.Token, err = c.PDPToken(ctx); err != nil {
		return nil, to, err
	}
	options.Args = pdpArgs
	started, err := c.StartPDP(ctx, options)
	if err != nil {
		return nil, to, err
	}
	_, port, err := net.SplitHostPort(started.Address())
	if err != nil {
		return nil, to, errors.Join(err, started.Kill())
	}
	to.URL, to.CA = "https://"+net.JoinHostPort("localhost", port), string(authorities)
	return started, to, nil
}

// write writes how to ask the decision point. Only the owner may read the token.
func (a *access) write(path string) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write how to ask the decision point: %w", err)
	}
	return nil
}

// demoQuestion is what the demo asks.
const demoQuestion = `{"subject":{"type":"user","id":"amelie@acme.example"},` +
	`"action":{"name":"edit"},"resource":{"type":"application","id":"` + demoApplication + `"}}`

// ask starts a decision point, asks it one question, and prints both as curl would.
func ask(ctx context.Context, c *cluster.Cluster, out io.Writer, steps *steps) (err error) {
	p, to, err := startPDP(ctx, c, cluster.PDPOptions{}, steps)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	path := "/" + demoOrganization + "/access/v1/evaluation"
	answer, err := to.post(ctx, path, demoQuestion)
	if err != nil {
		return fmt.Errorf("ask the decision point: %w", err)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "\nWhat the decision point answers to any program:\n\n%s\n\n", to.curl(path, demoQuestion))
	if err := writePretty(&text, answer); err != nil {
		return fmt.Errorf("read the answer of the decision point: %w", err)
	}
	text.WriteString("\n")
	_, err = text.WriteTo(out)
	return err
}

// curl returns the command that sends a question.
func (a *access) curl(path, question string) string {
	return "curl --cacert ca.crt -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n" +
		"  " + a.URL + path + " \\\n  -d '" + question + "'"
}

// post sends a question and returns the answer.
func (a *access) post(ctx context.Context, path, question string) ([]byte, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.CA)) {
		return nil, errors.New("its certificate authority is not in PEM")
	}
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+path, bytes.NewReader([]byte(question)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+a.Token)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s: %s", response.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}

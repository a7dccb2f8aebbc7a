package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// loadConnections is the number of connections over which questions are asked at the same time.
	loadConnections = 64
	// loadTime is the duration of one measurement of the questions that a server answers.
	loadTime = 4 * time.Second
)

// target is a server of questions.
type target struct {
	address string
	config  *tls.Config
	// requests are complete requests: the client must cost little beside the servers that it compares.
	requests [][]byte
}

// post returns a request with a JSON body. An empty token is not sent.
func post(method, path, token, body string) []byte {
	authorization := ""
	if token != "" {
		authorization = "Authorization: Bearer " + token + "\r\n"
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, authorization, len(body), body)
}

// connection is a connection to a target. It carries one request at a time.
type connection struct {
	net    *tls.Conn
	reader *bufio.Reader
}

func (t *target) dial(ctx context.Context) (*connection, error) {
	dialer := tls.Dialer{Config: t.config}
	opened, err := dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.address, err)
	}
	secured, ok := opened.(*tls.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connect to %s: the connection is a %T", t.address, opened), opened.Close())
	}
	return &connection{secured, bufio.NewReader(secured)}, nil
}

func (c *connection) close() { _ = c.net.Close() }

// ask sends a request and returns the body of the answer.
func (c *connection) ask(request []byte) ([]byte, error) {
	if _, err := c.net.Write(request); err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the answer is %s: %.500s", response.Status, body)
	}
	return body, nil
}

// load asks over many connections for that long, one question after the other, and returns the answers in a second.
func (t *target) load(ctx context.Context, lasting time.Duration) (float64, error) {
	connections := make([]*connection, loadConnections)
	defer func() {
		for _, c := range connections {
			if c != nil {
				c.close()
			}
		}
	}()
	group, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		group.Go(func() (err error) {
			if connections[i], err = t.dial(ctx); err != nil {
				return err
			}
			_, err = connections[i].ask(t.requests[0]) // the server reviews the caller once
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	answers := make([]int, loadConnections)
	began := time.Now()
	var asking errgroup.Group
	for i, c := range connections {
		asking.Go(func() error {
			for n := i; time.Since(began) < lasting; n += loadConnections {
				if _, err := c.ask(t.requests[n%len(t.requests)]); err != nil {
					return err
				}
				answers[i]++
			}
			return nil
		})
	}
	if err := asking.Wait(); err != nil {
		return 0, err
	}
	took, total := time.Since(began), 0
	for _, n := range answers {
		total += n
	}
	return float64(total) / took.Seconds(), nil
}

const (
	pacedConnections = 8
	// pacedEvery is the time between two questions on one connection.
	pacedEvery = 20 * time.Millisecond
)

// paced asks at a constant rate until done is closed. It returns the time of each answer since the instant at which the
// question was due, so that a server that stops for a while is late for all questions of that while.
func (t *target) paced(ctx context.Context, done <-chan struct{}) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	group, ctx := errgroup.WithContext(ctx)
	for i := range pacedConnections {
		group.Go(func() error {
			c, err := t.dial(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			var took []time.Duration
			due := time.Now().Add(pacedEvery / pacedConnections * time.Duration(i))
			for n := i; ; n += pacedConnections {
				if err := pause(ctx, time.Until(due)); err != nil {
					return err
				}
				select {
				case <-done:
					mu.Lock()
					defer mu.Unlock()
					all = append(all, took...)
					return nil
				default:
				}
				if _, err := c.ask(t.requests[n%len(t.requests)]); err != nil {
					return err
				}
				took = append(took, time.Since(due))
				due = due.Add(pacedEvery)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return all, nil
}

package pdp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/usher-dev/usher/test/cluster"
)

// retrying is a program that asks two replicas. Where one does not answer, it tries again once, at the other.
type retrying struct {
	http      http.Client
	token     string
	addresses []string

	mu       sync.Mutex
	asked    int
	retried  int
	failures []error
}

// run asks until the context ends, the replicas in turn.
func (c *retrying) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		err := c.ask(ctx, c.addresses[n%2])
		again := err != nil
		if again {
			err = c.ask(ctx, c.addresses[(n+1)%2])
		}
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.asked++
		if again {
			c.retried++
		}
		if err != nil {
			c.failures = append(c.failures, err)
		}
		c.mu.Unlock()
	}
}

func (c *retrying) ask(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/replicas/access/v1/evaluation",
		bytes.NewReader([]byte(viewFinance)))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var answer struct{ Decision bool }
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("got %s: %s", response.Status, text)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if !answer.Decision {
		return fmt.Errorf("got %s", text)
	}
	return nil
}

// state returns the number of questions, of those that were asked again, and the failures.
func (c *retrying) state() (asked, retried int, failures []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked, c.retried, c.failures
}

var _ = Describe("Two replicas", func() {
	It("answer every question while one after the other is killed", func(ctx SpecContext) {
		const clients, rounds = 4, 3
		c := finance(ctx, "replicas")
		asking := &retrying{token: c.token, http: http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: clients,
			TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12},
		}}}
		var replicas [2]*cluster.PDP
		for i := range replicas {
			replicas[i] = startReplica(ctx, "")
			asking.addresses = append(asking.addresses, replicas[i].Address())
		}
		DeferCleanup(func() {
			for _, each := range replicas {
				Expect(each.Stop()).To(Succeed())
			}
		})
		until, stop := context.WithCancel(ctx)
		defer stop()
		var running sync.WaitGroup
		for range clients {
			running.Go(func() { asking.run(until) })
		}
		more := func() {
			GinkgoHelper()
			before, _, _ := asking.state()
			Eventually(func() int { now, _, _ := asking.state(); return now }).WithContext(ctx).Should(BeNumerically(">", before+100))
		}
		for range rounds {
			for i := range replicas {
				more()
				Expect(replicas[i].Kill()).To(Succeed())
				more()
				replicas[i] = startReplica(ctx, asking.addresses[i])
			}
		}
		more()
		stop()
		running.Wait()
		asked, retried, failures := asking.state()
		AddReportEntry("questions", fmt.Sprintf("%d, of which %d were asked again", asked, retried))
		Expect(failures).To(BeEmpty())
		Expect(retried).To(BeNumerically(">", 0))
	})
})

package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

// sample is one line of the metrics text format.
type sample struct {
	name   string
	labels string
	value  float64
}

// label returns the value of a label.
func (s sample) label(name string) string {
	_, rest, found := strings.Cut(s.labels, name+`="`)
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func parseSamples(from io.Reader) ([]sample, error) {
	var samples []sample
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || space < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		name, labels, _ := strings.Cut(line[:space], "{")
		samples = append(samples, sample{name, labels, value})
	}
	return samples, lines.Err()
}

// samplesOf reads the metrics of a manager.
func samplesOf(ctx context.Context, m *cluster.Manager) ([]sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.MetricsURL(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return parseSamples(response.Body)
}

// reconciled returns how many reconciles the manager has finished, and how many are queued or running.
func reconciled(ctx context.Context) (done, open float64, err error) {
	samples, err := samplesOf(ctx, manager.Manager)
	for _, s := range samples {
		switch s.name {
		case "controller_runtime_reconcile_total":
			done += s.value
		case "workqueue_depth", "controller_runtime_active_workers":
			open += s.value
		}
	}
	return done, open, err
}

// managerIdle checks that the manager has reconciled something, and that it has nothing to do during several successive
// scrapes.
func managerIdle(ctx context.Context) error {
	const times = 8
	first := 0.0
	for i := range times {
		done, open, err := reconciled(ctx)
		switch {
		case err != nil:
			return err
		case open > 0 || done == 0:
			return fmt.Errorf("the manager is at work: %v looked at, %v to do", done, open)
		case i == 0:
			first = done
		case done != first:
			return fmt.Errorf("the manager is at work: %v looked at, and a moment later %v", first, done)
		}
		if i < times-1 {
			if err := pause(ctx, suite.PollInterval); err != nil {
				return err
			}
		}
	}
	return nil
}

// writes counts the answered API requests that write ConfigMaps and objects of Usher's kinds.
func writes(ctx context.Context) map[string]float64 {
	GinkgoHelper()
	text, err := plane.Kubectl(ctx, "get", "--raw", "/metrics")
	Expect(err).NotTo(HaveOccurred())
	samples, err := parseSamples(strings.NewReader(text))
	Expect(err).NotTo(HaveOccurred())
	sums := map[string]float64{}
	for _, s := range samples {
		if s.name != "apiserver_request_total" {
			continue
		}
		switch s.label("verb") {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION":
		default:
			continue
		}
		switch resource := s.label("resource"); {
		case s.label("group") == "access.usher.dev", resource == "configmaps":
			sums[s.label("verb")+" "+resource+"/"+s.label("subresource")] += s.value
		}
	}
	return sums
}

// pause waits between two checks.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

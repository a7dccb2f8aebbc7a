package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	requestTotal = "apiserver_request_total"
	// dispatchedTotal counts requests by account but not by kind. The manager is the only service account outside of
	// kube-system. The garbage collector, which reads the owners of all objects, is another account.
	dispatchedTotal  = "apiserver_flowcontrol_dispatched_requests_total"
	managersRequests = "service-accounts"
)

// requests counts API requests for the resources that the manager reads and writes.
type requests map[request]int

// dispatched stands for all requests of the manager.
var dispatched = request{verb: "*", resource: "*"}

// request is the key by which requests are counted.
type request struct {
	verb        string
	resource    string
	subresource string
}

// readRequests reads the request counters of the API server.
func (l *lab) readRequests(ctx context.Context) (requests, error) {
	clients, err := kubernetes.NewForConfig(l.plane.Config())
	if err != nil {
		return nil, err
	}
	text, err := clients.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	return parseRequests(text)
}

// answersTotal counts the answers of the manager's webhooks.
const answersTotal = "usher_admission_answers_total"

// admissionAnswers returns how many reviews the manager has answered.
func (l *lab) admissionAnswers(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.manager.MetricsURL(), nil)
	if err != nil {
		return 0, fmt.Errorf("read the manager's metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("read the manager's metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, fmt.Errorf("read the manager's metrics: %w", err)
	}
	return parseAnswers(text)
}

func parseAnswers(text []byte) (int, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(onlyOf(text, answersTotal))
	if err != nil {
		return 0, fmt.Errorf("read the manager's metrics: %w", err)
	}
	if families[answersTotal] == nil {
		return 0, fmt.Errorf("the manager has no metric %s", answersTotal)
	}
	count := 0
	for _, metric := range families[answersTotal].GetMetric() {
		count += int(metric.GetCounter().GetValue())
	}
	return count, nil
}

func parseRequests(text []byte) (requests, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(onlyOf(text, requestTotal, dispatchedTotal))
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	counted := requests{}
	for _, metric := range families[requestTotal].GetMetric() {
		labels := labelsOf(metric)
		r := request{labels["verb"], labels["resource"], labels["subresource"]}
		if slices.Contains(counts[labels["group"]], r.resource) {
			counted[r] += int(metric.GetCounter().GetValue())
		}
	}
	for _, metric := range families[dispatchedTotal].GetMetric() {
		if labelsOf(metric)["flow_schema"] == managersRequests {
			counted[dispatched] += int(metric.GetCounter().GetValue())
		}
	}
	return counted, nil
}

// counts lists, by group, the resources whose requests are counted.
var counts = map[string][]string{
	"":                                {configMaps, "namespaces"},
	"events.k8s.io":                   {eventsResource},
	accessv1alpha1.GroupVersion.Group: {userAccess, groupAccess, appAccess, policies},
}

// eventsResource is the resource of the manager's messages about objects, in addition to their status.
const eventsResource = "events"

func labelsOf(metric *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, pair := range metric.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	return labels
}

// onlyOf keeps the lines of some metrics, because there are a hundred times as many.
func onlyOf(text []byte, names ...string) io.Reader {
	var kept bytes.Buffer
	for line := range bytes.Lines(text) {
		for _, name := range names {
			if bytes.HasPrefix(line, []byte(name+"{")) || bytes.HasPrefix(line, []byte("# TYPE "+name+" ")) {
				kept.Write(line)
			}
		}
	}
	return &kept
}

// minus returns the requests since before.
func (r requests) minus(before requests) requests {
	rest := requests{}
	for key, count := range r {
		if more := count - before[key]; more > 0 {
			rest[key] = more
		}
	}
	return rest
}

// writes counts the writes that only the manager makes. Others write declared objects, but the manager creates and
// deletes materialized UserAccess objects. Events are counted separately.
func (r requests) writes() int {
	count := 0
	for key, n := range r {
		if key.isWrite() && (key.resource == configMaps || key.resource == userAccess || key.subresource == "status") {
			count += n
		}
	}
	return count
}

func (r request) isWrite() bool {
	return slices.Contains([]string{"POST", "PUT", "PATCH", "APPLY", "DELETE"}, r.verb)
}

// reads counts the other requests of the manager: those of a client that does not trust its watch. A watch that ended
// is started again.
func (r requests) reads() int {
	others := r.writes()
	for key, n := range r {
		if key.verb == "WATCH" || (key.resource == eventsResource && key.isWrite()) {
			others += n
		}
	}
	return max(0, r[dispatched]-others)
}

// since returns the requests between the two.
func (r requests) since(then requests) (requests, error) {
	requested := r.minus(then)
	if requested[dispatched] < requested.writes() {
		return nil, fmt.Errorf("of %d writes the API server counts %d under flow schema %s: its configuration is another one",
			requested.writes(), requested[dispatched], managersRequests)
	}
	return requested, nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const requestTotal = "apiserver_request_total"

// requests counts what the API server was asked for, of the resources that the manager reads and writes.
type requests map[request]int

// request is what requests are counted by.
type request struct {
	verb        string
	resource    string
	subresource string
}

// readRequests asks the API server what it has counted.
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

func parseRequests(text []byte) (requests, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(onlyOf(requestTotal, text))
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	counted := requests{}
	for _, metric := range families[requestTotal].GetMetric() {
		labels := labelsOf(metric)
		r := request{labels["verb"], labels["resource"], labels["subresource"]}
		if labels["group"] == accessv1alpha1.GroupVersion.Group ||
			(labels["group"] == "" && slices.Contains([]string{configMaps, "namespaces"}, r.resource)) {
			counted[r] += int(metric.GetCounter().GetValue())
		}
	}
	return counted, nil
}

func labelsOf(metric *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, pair := range metric.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	return labels
}

// onlyOf keeps the lines of one metric: there are a hundred times as many.
func onlyOf(name string, text []byte) io.Reader {
	var kept bytes.Buffer
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte(name+"{")) || bytes.HasPrefix(line, []byte("# TYPE "+name+" ")) {
			kept.Write(line)
		}
	}
	return &kept
}

// minus says what was asked for since.
func (r requests) minus(before requests) requests {
	rest := requests{}
	for key, count := range r {
		if more := count - before[key]; more > 0 {
			rest[key] = more
		}
	}
	return rest
}

// writes counts the writes that the manager may make: what is declared is written by others, but for materialized
// UserAccess objects, and those it creates and deletes.
func (r requests) writes() int {
	count := 0
	for key, n := range r {
		switch key.verb {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE":
			if key.resource == configMaps || key.resource == userAccess || key.subresource == "status" {
				count += n
			}
		}
	}
	return count
}

// reads counts what a client reads that does not trust its watch.
func (r requests) reads() int {
	count := 0
	for key, n := range r {
		if key.verb == "GET" || key.verb == "LIST" {
			count += n
		}
	}
	return count
}

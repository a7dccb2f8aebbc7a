package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/benchmark/parse"
)

const metrics = `# HELP apiserver_request_total [STABLE] Counter of apiserver requests.
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="",resource="configmaps",scope="resource",subresource="",verb="PUT",version="v1"} 7
apiserver_request_total{code="409",group="",resource="configmaps",scope="resource",subresource="",verb="PUT",version="v1"} 1
apiserver_request_total{code="200",group="",resource="pods",scope="resource",subresource="",verb="PUT",version="v1"} 100
apiserver_request_total{code="200",group="coordination.k8s.io",resource="leases",scope="resource",subresource="",verb="GET",version="v1"} 50
apiserver_request_total{code="200",group="access.usher.dev",resource="accessgroups",scope="resource",subresource="",verb="PATCH",version="v1alpha1"} 1
apiserver_request_total{code="200",group="access.usher.dev",resource="accessgroups",scope="resource",subresource="status",verb="PUT",version="v1alpha1"} 2
apiserver_request_total{code="201",group="access.usher.dev",resource="useraccesses",scope="resource",subresource="",verb="POST",version="v1alpha1"} 3
apiserver_request_total{code="200",group="access.usher.dev",resource="useraccesses",scope="namespace",subresource="",verb="LIST",version="v1alpha1"} 4
apiserver_request_total{code="0",group="access.usher.dev",resource="useraccesses",scope="namespace",subresource="",verb="WATCH",version="v1alpha1"} 5
apiserver_request_total{code="201",group="events.k8s.io",resource="events",scope="resource",subresource="",verb="POST",version="v1"} 6
# TYPE apiserver_flowcontrol_dispatched_requests_total counter
apiserver_flowcontrol_dispatched_requests_total{flow_schema="service-accounts",priority_level="workload-low"} 26
apiserver_flowcontrol_dispatched_requests_total{flow_schema="kube-system-service-accounts",priority_level="workload-high"} 999
# TYPE apiserver_request_total_of_others counter
apiserver_request_total_of_others{group="",resource="configmaps",verb="PUT"} 1000
`

func TestRequestsOfTheManager(t *testing.T) {
	got, err := parseRequests([]byte(metrics))
	if err != nil {
		t.Fatal(err)
	}
	want := requests{
		{"PUT", configMaps, ""}:        8,
		{"PATCH", groupAccess, ""}:     1,
		{"PUT", groupAccess, "status"}: 2,
		{"POST", userAccess, ""}:       3,
		{"LIST", userAccess, ""}:       4,
		{"WATCH", userAccess, ""}:      5,
		{"POST", eventsResource, ""}:   6,
		dispatched:                     26,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if writes, reads := got.writes(), got.reads(); writes != 13 || reads != 2 {
		t.Errorf("%d writes and %d reads, want 13 (the change of a group is somebody else's) and 2", writes, reads)
	}
	since := got.minus(requests{{"PUT", configMaps, ""}: 8, {"PUT", groupAccess, "status"}: 1})
	if writes := since.writes(); writes != 4 {
		t.Errorf("%d writes since, want 4", writes)
	}
}

func TestCPUTime(t *testing.T) {
	stat := "4711 (us) h (er) S 1 4711 4711 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 9 0 100 0"
	got, err := parseCPUTime(stat)
	if err != nil || got != 2*time.Second {
		t.Errorf("got %s, %v, want 2s", got, err)
	}
	for _, broken := range []string{"", "4711 (usher) S 1", strings.Replace(stat, "150", "much", 1)} {
		if got, err := parseCPUTime(broken); err == nil {
			t.Errorf("%q: got %s", broken, got)
		}
	}
}

func TestProcessorTime(t *testing.T) {
	stat := "cpu  10 1 5 100 20 2 3 4 50 0\ncpu0 5 0 2 50 10 1 1 2 25 0\n"
	idle, all, err := parseProcessorTime(stat)
	if err != nil || idle != 120 || all != 145 {
		t.Errorf("got %d of %d, %v, want 120 of 145", idle, all, err)
	}
	for _, broken := range []string{"", "cpu  10 1 5", strings.Replace(stat, "100", "much", 1)} {
		if idle, all, err := parseProcessorTime(broken); err == nil {
			t.Errorf("%q: got %d of %d", broken, idle, all)
		}
	}
}

func TestPeakMemory(t *testing.T) {
	got, err := parseMemory("Name:\tusher\nVmPeak:\t  9999 kB\nVmHWM:\t  262144 kB\nVmRSS:\t  1024 kB\n", "VmHWM")
	if err != nil || got != 256 {
		t.Errorf("got %v MiB, %v, want 256", got, err)
	}
	if got, err := parseMemory("Name:\tusher\n", "VmHWM"); err == nil {
		t.Errorf("got %v from nothing", got)
	}
}

func TestUsageBetween(t *testing.T) {
	at := time.Unix(0, 0)
	u := &usage{samples: []sample{
		{at, 0}, {at.Add(time.Second), time.Second}, {at.Add(3 * time.Second), 1500 * time.Millisecond},
	}}
	if got, err := u.between(at.Add(time.Second), at.Add(4*time.Second)); err != nil || got != 0.25 {
		t.Errorf("got %v, %v, want a quarter of a processor", got, err)
	}
	if got, err := u.between(at.Add(4*time.Second), at.Add(5*time.Second)); err == nil {
		t.Errorf("got %v where nothing is known", got)
	}
}

func TestGoBenchmarks(t *testing.T) {
	const output = `goos: linux
BenchmarkCan/document-2   	 1000	       80.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkCan/document-2   	 1000	       81.5 ns/op	       0 B/op	       1 allocs/op
BenchmarkCan/document-again-2	 1000	  9.5 ns/op	       0 B/op	       9 allocs/op
BenchmarkCan/casbin       	   10	     8000 ns/op	      10 B/op	      20 allocs/op
PASS
`
	set, err := parse.ParseSet(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]benchmarked{
		"BenchmarkCan/document": {nanoseconds: []float64{80.5, 81.5}, allocations: []float64{0, 1}},
		"BenchmarkCan/casbin":   {nanoseconds: []float64{8000}, allocations: []float64{20}},
		"BenchmarkCan/opa":      {},
	} {
		if diff := cmp.Diff(want, benchmarkedIn(set, name), cmp.AllowUnexported(benchmarked{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

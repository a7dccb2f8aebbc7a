package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/usher-dev/usher/test/cluster"
)

func TestFollowOptions(t *testing.T) {
	testOptions(t, func() flagged { return &FollowOptions{} }, map[string]optionCase{
		"one":                {args: []string{"--namespace=acme", "--configmap=a", "--directory=/etc/access"}},
		"several":            {args: []string{"--namespace=acme", "--configmap=a", "--configmap=b,a.1", "--directory=access"}},
		"nothing":            {want: []string{"--namespace", "--configmap: give at least one", "--directory"}},
		"no namespace":       {args: []string{"--namespace=A_B"}, want: []string{`--namespace "A_B"`}},
		"no name":            {args: []string{"--configmap=../x"}, want: []string{`--configmap "../x"`}},
		"a name that is two": {args: []string{"--configmap=a/b"}, want: []string{`--configmap "a/b"`}},
		"twice":              {args: []string{"--configmap=a,b", "--configmap=a"}, want: []string{`--configmap "a": it is given twice`}},
	})
}

func TestFollowDefaults(t *testing.T) {
	var o FollowOptions
	o.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	if diff := cmp.Diff(FollowOptions{HealthProbeBindAddress: ":8081"}, o); diff != "" {
		t.Errorf("unexpected defaults (-want +got):\n%s", diff)
	}
}

// TestRunFollow runs the sidecar against an API server that has one ConfigMap and ends every watch.
func TestRunFollow(t *testing.T) {
	list := corev1.ConfigMapList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"},
		Items:    []corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Data: map[string]string{"key": "text"}}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "" {
			_ = json.NewEncoder(w).Encode(list) // a client that is gone has nothing to say
		}
	}))
	defer server.Close()
	address, err := cluster.FreeWebhookAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	options := FollowOptions{Namespace: "acme", ConfigMaps: []string{"one"}, Directory: t.TempDir(), HealthProbeBindAddress: address}
	ended := make(chan error, 1)
	go func() { ended <- RunFollow(ctx, &rest.Config{Host: server.URL}, options) }()
	if err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		return statusOf("http://"+address+"/readyz") == http.StatusOK, nil
	}); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if status := statusOf("http://" + address + "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: got status %d", status)
	}
	if text, err := os.ReadFile(filepath.Join(options.Directory, "one", "key")); err != nil || string(text) != "text" {
		t.Errorf("the file has %q, %v", text, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunFollowErrors(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	for name, tc := range map[string]struct {
		options FollowOptions
		want    string
	}{
		"an address that is taken": {
			FollowOptions{HealthProbeBindAddress: strings.TrimPrefix(taken.URL, "http://")}, "--health-probe-bind-address",
		},
		"a directory that is a file": {
			FollowOptions{Directory: "follow_test.go", HealthProbeBindAddress: "0"}, "create the directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.options.Namespace, tc.options.ConfigMaps = "acme", []string{"one"}
			err := RunFollow(t.Context(), &rest.Config{Host: taken.URL}, tc.options)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want %q", err, tc.want)
			}
		})
	}
}

// statusOf returns the status of an answer, or 0.
func statusOf(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	uberzap "go.uber.org/zap"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// Every line of a process is JSON, whoever logs it, and a failed probe is explained once.
func TestLinesOfLibrariesAreJSON(t *testing.T) {
	var text bytes.Buffer
	options := zap.Options{DestWriter: &text, Level: uberzap.DebugLevel}
	logger := zap.New(zap.UseFlagOptions(&options), zap.RawZapOpts(uberzap.WrapCore(withoutProbes), uberzap.WrapCore(lazily)))
	setLogger(logger)

	log.Print("http: TLS handshake error from 10.0.0.1:1234: no certificate")
	klog.InfoS("Attempting to acquire leader lease", "lease", "usher")
	logger.WithName("controller-runtime").WithName("healthz").Info("healthz check failed", "statuses", []struct{}{{}})
	failure := errors.New("there is no certificate yet")
	probes := &healthz.Handler{Checks: map[string]healthz.Checker{
		"webhook": reported(logger, "webhook", func(*http.Request) error { return failure }),
	}}
	codes := make([]int, 3)
	for i := range codes {
		if i == 2 {
			failure = nil
		}
		answer := httptest.NewRecorder()
		probes.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		codes[i] = answer.Code
	}

	type line struct{ Level, Logger, Msg, Check, Reason, Lease string }
	var lines []line
	for decoder := json.NewDecoder(&text); decoder.More(); {
		var l line
		if err := decoder.Decode(&l); err != nil {
			t.Fatalf("a line is not JSON: %v", err)
		}
		lines = append(lines, l)
	}
	want := []line{
		{Level: "debug", Logger: "go", Msg: "http: TLS handshake error from 10.0.0.1:1234: no certificate"},
		{Level: "info", Logger: "client-go", Msg: "Attempting to acquire leader lease", Lease: "usher"},
		{Level: "info", Logger: "health", Msg: "The health check fails", Check: "webhook", Reason: "there is no certificate yet"},
		{Level: "info", Logger: "health", Msg: "The health check passes", Check: "webhook"},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{http.StatusInternalServerError, http.StatusInternalServerError, http.StatusOK}, codes); diff != "" {
		t.Errorf("answers to probes (-want +got):\n%s", diff)
	}
}

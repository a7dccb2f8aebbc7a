package monitoring_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// interval is the time between two samples, and between two evaluations.
const interval = time.Minute

// firing is an alert that fires, with all of its fields.
type firing struct {
	labels, annotations map[string]string
}

// rule evaluates one alert rule with Prometheus' own query engine and templates. The package with the rest of
// Prometheus' rule evaluation depends on the clients of several clouds, so that part is implemented here: how long an
// expression must hold.
type rule struct {
	rulefmt.Rule

	engine  *promql.Engine
	scraped scraped
	active  map[string]time.Time // by labels, the time since when the expression holds
}

func newRule(t *testing.T, r rulefmt.Rule, s series) *rule {
	t.Helper()
	if r.KeepFiringFor != 0 {
		t.Fatalf("alert %s: keep_firing_for is not evaluated here", r.Alert)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1 << 20, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		Parser: parser.NewParser(parser.Options{}),
	})
	t.Cleanup(func() { _ = engine.Close() })
	return &rule{Rule: r, engine: engine, scraped: newScraped(t, s), active: map[string]time.Time{}}
}

// firingAt evaluates the rule at every interval until at, and returns the alerts that fire then.
func (r *rule) firingAt(ctx context.Context, at time.Duration) ([]firing, error) {
	var fires []firing
	for now := time.Unix(0, 0); !now.After(time.Unix(0, 0).Add(at)); now = now.Add(interval) {
		var err error
		if fires, err = r.evaluate(ctx, now); err != nil {
			return nil, err
		}
	}
	return fires, nil
}

func (r *rule) evaluate(ctx context.Context, now time.Time) ([]firing, error) {
	samples, err := r.query(ctx, r.Expr, now)
	if err != nil {
		return nil, err
	}
	var fires []firing
	active := map[string]time.Time{}
	for _, sample := range samples {
		alert, err := r.alert(ctx, sample, now)
		if err != nil {
			return nil, err
		}
		key := labels.FromMap(alert.labels).String()
		if _, twice := active[key]; twice {
			return nil, fmt.Errorf("two alerts with labels %s", key)
		}
		since, held := r.active[key]
		if !held {
			since = now
		}
		active[key] = since
		if now.Sub(since) >= time.Duration(r.For) {
			fires = append(fires, alert)
		}
	}
	r.active = active
	return fires, nil
}

func (r *rule) query(ctx context.Context, expression string, now time.Time) (promql.Vector, error) {
	query, err := r.engine.NewInstantQuery(ctx, r.scraped, nil, expression, now)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	vector, err := result.Vector()
	if err != nil {
		return nil, err
	}
	// The engine reuses the result when the query is closed.
	return slices.Clone(vector), nil
}

// alert returns the alert of the rule for one element of its expression's result.
func (r *rule) alert(ctx context.Context, sample promql.Sample, now time.Time) (firing, error) {
	data := template.AlertTemplateData(sample.Metric.Map(), nil, "", sample)
	expand := func(text string) (string, error) {
		const variables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
		return template.NewTemplateExpander(ctx, variables+text, r.Alert, data, model.TimeFromUnix(now.Unix()),
			func(ctx context.Context, expression string, now time.Time) (promql.Vector, error) {
				return r.query(ctx, expression, now)
			}, nil, nil).Expand()
	}
	alert := firing{labels: sample.Metric.Map(), annotations: map[string]string{}}
	delete(alert.labels, model.MetricNameLabel)
	for texts, expanded := range map[*map[string]string]map[string]string{&r.Labels: alert.labels, &r.Annotations: alert.annotations} {
		for key, text := range *texts {
			value, err := expand(text)
			if err != nil {
				return firing{}, fmt.Errorf("%s: %w", key, err)
			}
			expanded[key] = value
		}
	}
	return alert, nil
}

// scraped holds series in memory.
type scraped []storage.Series

// newScraped parses series in the notation of Prometheus rule tests.
func newScraped(t *testing.T, s series) scraped {
	t.Helper()
	var read scraped
	for name, values := range s {
		lset, sequence, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(name + " " + values)
		if err != nil {
			t.Fatalf("series %s %s: %v", name, values, err)
		}
		var samples []chunks.Sample
		for i, value := range sequence {
			if !value.Omitted {
				samples = append(samples, float{time.Duration(i) * interval, value.Value})
			}
		}
		read = append(read, storage.NewListSeries(lset, samples))
	}
	slices.SortFunc(read, func(a, b storage.Series) int { return strings.Compare(a.Labels().String(), b.Labels().String()) })
	return read
}

func (s scraped) Querier(int64, int64) (storage.Querier, error) { return s, nil }

func (s scraped) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var selected seriesSet
	for _, series := range s {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(series.Labels().Get(m.Name)) }) {
			selected.rest = append(selected.rest, series)
		}
	}
	return &selected
}

func (scraped) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (scraped) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (scraped) Close() error { return nil }

type seriesSet struct {
	current storage.Series
	rest    []storage.Series
}

func (s *seriesSet) Next() bool {
	if len(s.rest) == 0 {
		return false
	}
	s.current, s.rest = s.rest[0], s.rest[1:]
	return true
}

func (s *seriesSet) At() storage.Series              { return s.current }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// float is a sample.
type float struct {
	at    time.Duration
	value float64
}

func (f float) T() int64                    { return f.at.Milliseconds() }
func (f float) ST() int64                   { return 0 }
func (f float) F() float64                  { return f.value }
func (float) H() *histogram.Histogram       { return nil }
func (float) FH() *histogram.FloatHistogram { return nil }
func (float) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (f float) Copy() chunks.Sample         { return f }

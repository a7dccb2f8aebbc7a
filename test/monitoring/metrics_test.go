package monitoring_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// documented returns the metrics that docs/observability.md lists, by name. Another test checks that the manager
// exposes each of them.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Metrics\n")
	found := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)`").FindAllStringSubmatch(table, -1) {
		found[m[1]] = true
	}
	if len(found) == 0 {
		t.Fatal("docs/observability.md lists no metrics")
	}
	return found
}

// named returns the metrics that an expression reads.
func named(t *testing.T, expression string) []string {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		t.Errorf("%s: %v", expression, err)
		return nil
	}
	var names []string
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, m := range selector.LabelMatchers {
			if m.Name == model.MetricNameLabel {
				names = append(names, m.Value)
			}
		}
		return nil
	})
	if len(names) == 0 {
		t.Errorf("%s: reads no metric", expression)
	}
	return names
}

// expectDocumented fails for a metric that is not in the list. The parts of a histogram belong to the histogram.
func expectDocumented(t *testing.T, known map[string]bool, where, expression string) {
	t.Helper()
	for _, name := range named(t, expression) {
		whole := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if !known[name] && !known[whole] {
			t.Errorf("%s reads %s, which docs/observability.md does not list", where, name)
		}
	}
}

func TestAlertsReadDocumentedMetrics(t *testing.T) {
	known := documented(t)
	for _, g := range readRules(t).Groups {
		for i := range g.Rules {
			expectDocumented(t, known, "alert "+g.Rules[i].Alert, g.Rules[i].Expr)
		}
	}
}

// TestAlertsAreDocumented checks that the documentation describes what to do about each alert.
func TestAlertsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range readRules(t).Groups {
		for i := range g.Rules {
			if !strings.Contains(string(text), "| `"+g.Rules[i].Alert+"` |") {
				t.Errorf("docs/observability.md does not say what to do about %s", g.Rules[i].Alert)
			}
		}
	}
}

type dashboard struct {
	Panels []struct {
		ID          int                   `json:"id"`
		Type        string                `json:"type"`
		Title       string                `json:"title"`
		Datasource  struct{ Type string } `json:"datasource"`
		Description string                `json:"description"`
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct {
			RefID string `json:"refId"`
			Expr  string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

// TestDashboard checks that panels do not overlap and that their queries use documented metrics.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../config/grafana/usher.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	known, ids, cells := documented(t), map[int]string{}, map[[2]int]string{}
	variables := strings.NewReplacer("$__rate_interval", "5m")
	for _, p := range d.Panels {
		if other, taken := ids[p.ID]; taken {
			t.Errorf("panels %q and %q have the same id", other, p.Title)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Errorf("panel %q overlaps with %q, or exceeds the page", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			if p.Datasource.Type == "prometheus" {
				expectDocumented(t, known, "panel "+p.Title, variables.Replace(target.Expr))
			}
		}
	}
}

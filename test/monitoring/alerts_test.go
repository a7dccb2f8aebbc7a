package monitoring_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// alert is one rule, as the rule file has it.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type group struct {
	Name  string  `json:"name"`
	Rules []alert `json:"rules"`
}

type ruleFile struct {
	Groups []group `json:"groups"`
}

// series are samples in the notation of Prometheus's rule tests, one a minute, by what they are called.
type series map[string]string

// situation is what Prometheus has scraped: one in which an alert fires, and one as near to it as can be in which it does
// not.
type situation struct {
	at     string // when to look
	fires  series
	silent series
	// labels and summary are what the alert says, beside what stands in the rule as it is.
	labels  map[string]string
	summary string
}

const (
	leader  = `leader_election_master_status{name="usher.access.usher.dev",pod="%"}`
	latency = `controller_runtime_webhook_latency_seconds_bucket{webhook="/validate-access-usher-dev-v1alpha1",le="%"}`
)

func on(pattern, value string) string { return strings.Replace(pattern, "%", value, 1) }

var situations = map[string]situation{
	"UsherDown": {
		at: "6m", fires: series{"up": "0x10"}, silent: series{"usher_build_info": "1x10"},
	},
	"UsherNoLeader": {
		at: "5m", fires: series{on(leader, "a"): "0x10", on(leader, "b"): "0x10"},
		silent: series{on(leader, "a"): "0x10", on(leader, "b"): "1x10"},
	},
	"UsherSeveralLeaders": {
		at: "8m", fires: series{on(leader, "a"): "1x10", on(leader, "b"): "1x10"},
		silent:  series{on(leader, "a"): "1x3 0x10", on(leader, "b"): "1x10"}, // while the lease changes hands
		summary: "2 replicas of Usher take themselves for the leader.",
	},
	"UsherNotSynced": {
		at: "6m", fires: series{`usher_roster_synced{pod="a"}`: "0x10"},
		silent: series{`usher_roster_synced{pod="a"}`: "0 0 1x10"},
		labels: map[string]string{"pod": "a"}, summary: "Replica a of Usher does not know all objects yet.",
	},
	"UsherNotSettling": {
		at: "5m",
		fires: series{
			`usher_roster_settled_timestamp_seconds{pod="a"}`: "1x10", `usher_roster_synced{pod="a"}`: "1x10",
		},
		silent: series{
			`usher_roster_settled_timestamp_seconds{pod="a"}`: "0+60x10", `usher_roster_synced{pod="a"}`: "1x10",
		},
		labels: map[string]string{"pod": "a"}, summary: "Replica a of Usher has decided nothing for 4m 59s.",
	},
	"UsherAccessNotCurrent": {
		at: "3m", fires: series{`usher_unpublished_age_seconds{pod="a"}`: "70+60x10", `usher_unpublished_age_seconds{pod="b"}`: "0x10"},
		silent:  series{`usher_unpublished_age_seconds{pod="a"}`: "59x10"},
		summary: "A change of access has not been published for 4m 10s.",
	},
	"UsherDocumentsBlocked": {
		at: "6m", fires: series{`usher_blocked_documents{pod="a"}`: "2x10", `usher_blocked_documents{pod="b"}`: "0x10"},
		silent:  series{`usher_blocked_documents{pod="a"}`: "0x10"},
		summary: "2 documents cannot be written.",
	},
	"UsherLossNotPublished": {
		at: "3m", fires: series{`usher_lossy_documents{pod="a"}`: "2x10", `usher_lossy_documents{pod="b"}`: "0x10"},
		silent:  series{`usher_lossy_documents{pod="a"}`: "0x10", `usher_blocked_documents{pod="a"}`: "2x10"},
		summary: "2 documents still give access that has been taken away.",
	},
	"UsherWriteErrors": {
		at:      "15m",
		fires:   series{`controller_runtime_reconcile_errors_total{controller="output",pod="a"}`: "0+2x20"},
		silent:  series{`controller_runtime_reconcile_errors_total{controller="output",pod="a"}`: "0+1x20"},
		summary: "Usher failed 10 times in five minutes to write what it should.",
	},
	"UsherWebhookErrors": {
		at:     "15m",
		fires:  series{`usher_admission_answers_total{answer="Error",pod="a"}`: "0+1x20"},
		silent: series{`usher_admission_answers_total{answer="Error",pod="a"}`: "3x20", `usher_admission_answers_total{answer="Invalid",pod="a"}`: "0+9x20"},
	},
	"UsherWebhookSlow": {
		at:      "15m",
		fires:   series{on(latency, "1"): "0+9x20", on(latency, "2.5"): "0+9x20", on(latency, "5"): "0+10x20", on(latency, "+Inf"): "0+10x20"},
		silent:  series{on(latency, "1"): "0+10x20", on(latency, "2.5"): "0+10x20", on(latency, "5"): "0+10x20", on(latency, "+Inf"): "0+10x20"},
		summary: "One admission request in a hundred takes 4.75s or more.",
	},
	"UsherCertificateExpires": {
		at:      "15m",
		fires:   series{`usher_webhook_certificate_expiry_timestamp_seconds{pod="a"}`: "360900x20"},
		silent:  series{`usher_webhook_certificate_expiry_timestamp_seconds{pod="a"}`: "2592000x20"},
		labels:  map[string]string{"pod": "a"},
		summary: "The certificate that replica a serves its webhook with ends in 4d 4h 0m 0s.",
	},
	"UsherRevocationRefused": {
		at:     "5m",
		fires:  series{`usher_admission_answers_total{answer="Braked",pod="a"}`: "0 0 0 1x20"},
		silent: series{`usher_admission_answers_total{answer="Braked",pod="a"}`: "1x20"},
	},
	"UsherAccessLost": {
		at:      "20m",
		fires:   series{`usher_access_changes_total{change="Lost",pod="a"}`: "0x14 30x20", `usher_resolved_users{pod="a"}`: "200x30"},
		silent:  series{`usher_access_changes_total{change="Lost",pod="a"}`: "0x14 30x20", `usher_resolved_users{pod="a"}`: "5000x30"},
		summary: "Users lost access to applications 30 times within ten minutes.",
	},
	"UsherRoleConflicts": {
		at: "70m", fires: series{`usher_role_conflicts{pod="a"}`: "3x80", `usher_role_conflicts{pod="b"}`: "3x80"},
		silent:  series{`usher_role_conflicts{pod="a"}`: "3x30 0x50"},
		summary: "Grants disagree in 3 cases.",
	},
	"UsherObjectsNotReady": {
		at:      "20m",
		fires:   series{`usher_not_ready_objects{kind="AccessGroup",reason="UnresolvedReferences",pod="a"}`: "2x30"},
		silent:  series{`usher_not_ready_objects{kind="AccessGroup",reason="Publishing",pod="a"}`: "2x30"},
		labels:  map[string]string{"kind": "AccessGroup", "reason": "UnresolvedReferences"},
		summary: "2 objects of kind AccessGroup are not ready: UnresolvedReferences.",
	},
}

// TestAlerts has Prometheus evaluate every rule in a situation in which it fires, with all that it says, and in one in
// which it is silent.
func TestAlerts(t *testing.T) {
	rules := readRules(t)
	directory := t.TempDir()
	write(t, filepath.Join(directory, "rules.yaml"), rules)
	var tests []any
	seen := map[string]bool{}
	for _, g := range rules.Groups {
		for i := range g.Rules {
			rule := &g.Rules[i]
			seen[rule.Alert] = true
			s, known := situations[rule.Alert]
			if !known {
				t.Errorf("alert %s: no situation in which it fires, and none in which it does not", rule.Alert)
				continue
			}
			tests = append(tests, s.test(rule, true), s.test(rule, false))
		}
	}
	for name := range situations {
		if !seen[name] {
			t.Errorf("situation %s: there is no such alert", name)
		}
	}
	write(t, filepath.Join(directory, "tests.yaml"), map[string]any{
		"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m", "tests": tests,
	})
	promtool(t, directory, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
	promtool(t, directory, "test", "rules", "tests.yaml")
}

// test says it in the words of Prometheus's rule tests.
func (s *situation) test(rule *alert, fires bool) map[string]any {
	name, scraped, expected := rule.Alert+" is silent", s.silent, []any{}
	if fires {
		name, scraped = rule.Alert+" fires", s.fires
		labels := map[string]string{"severity": rule.Labels["severity"]}
		for key, value := range s.labels {
			labels[key] = value
		}
		annotations := map[string]string{"summary": rule.Annotations["summary"], "description": rule.Annotations["description"]}
		if s.summary != "" {
			annotations["summary"] = s.summary
		}
		expected = append(expected, map[string]any{"exp_labels": labels, "exp_annotations": annotations})
	}
	var input []any
	for each, values := range scraped {
		input = append(input, map[string]string{"series": each, "values": values})
	}
	return map[string]any{
		"name": name, "interval": "1m", "input_series": input,
		"alert_rule_test": []any{map[string]any{"eval_time": s.at, "alertname": rule.Alert, "exp_alerts": expected}},
	}
}

// readRules reads the rules as the Prometheus operator hands them to Prometheus.
func readRules(t *testing.T) ruleFile {
	t.Helper()
	var object struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       ruleFile       `json:"spec"`
	}
	text, err := os.ReadFile("../../config/alerts/prometheus_rule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &object); err != nil {
		t.Fatal(err)
	}
	return object.Spec
}

// promtool runs the tool that Prometheus ships.
func promtool(t *testing.T, directory string, args ...string) {
	t.Helper()
	path, err := filepath.Abs("../../bin/promtool")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf(`%v: "make test-unit" builds it`, err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = directory
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, path string, value any) {
	t.Helper()
	text, err := json.Marshal(value) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

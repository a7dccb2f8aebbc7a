package monitoring_test

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// series are samples in the notation of Prometheus rule tests, one a minute, by series name.
type series map[string]string

// situation is what Prometheus has scraped: one case in which an alert fires, and a very similar one in which it does
// not.
type situation struct {
	at     string // the time of the evaluation
	fires  series
	silent series
	// labels and summary are the parts of the alert that are not literally in the rule.
	labels  map[string]string
	summary string
}

const (
	leader           = `leader_election_master_status{name="usher.access.usher.dev",pod="%"}`
	certificateEnds  = `usher_webhook_certificate_expiry_timestamp_seconds{pod="%"}`
	certificateValid = `usher_webhook_certificate_validity_seconds{pod="%"}`
	questions        = `usher_pdp_requests_total{endpoint="evaluation",pod="a",code="%"}`
	questionTime     = `usher_pdp_request_duration_seconds_bucket{endpoint="evaluation",le="%"}`
	provisioning     = `usher_scim_requests_total{resource="Users",method="POST",pod="a",code="%"}`
	latency          = `controller_runtime_webhook_latency_seconds_bucket{webhook="/validate-access-usher-dev-v1alpha1",le="%"}`
)

func on(pattern, value string) string { return strings.Replace(pattern, "%", value, 1) }

var situations = map[string]situation{
	"UsherDown": {
		at: "6m", fires: series{`usher_build_info{pod="pdp"}`: "1x10"}, silent: series{"usher_roster_synced": "0x10"},
	},
	"UsherNoLeader": {
		at: "5m", fires: series{on(leader, "a"): "0x10", on(leader, "b"): "0x10"},
		silent: series{on(leader, "a"): "0x10", on(leader, "b"): "1x10"},
	},
	"UsherSeveralLeaders": {
		at: "8m", fires: series{on(leader, "a"): "1x10", on(leader, "b"): "1x10"},
		silent:  series{on(leader, "a"): "1x3 0x10", on(leader, "b"): "1x10"}, // while the lease changes hands
		summary: "2 replicas of Usher consider themselves the leader.",
	},
	"UsherNotSynced": {
		at: "6m", fires: series{`usher_roster_synced{pod="a"}`: "0x10"},
		silent: series{`usher_roster_synced{pod="a"}`: "0 0 1x10"},
		labels: map[string]string{"pod": "a"}, summary: "Replica a of Usher has not loaded all objects yet.",
	},
	"UsherNotSettling": {
		at: "5m",
		fires: series{
			`usher_roster_settled_timestamp_seconds{pod="a"}`: "1x10", `usher_roster_synced{pod="a"}`: "1x10",
		},
		silent: series{
			`usher_roster_settled_timestamp_seconds{pod="a"}`: "0+60x10", `usher_roster_synced{pod="a"}`: "1x10",
		},
		labels: map[string]string{"pod": "a"}, summary: "Replica a of Usher has not settled for 4m 59s.",
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
		summary: "2 documents still give access that was removed.",
	},
	"UsherWriteErrors": {
		at:      "15m",
		fires:   series{`controller_runtime_reconcile_errors_total{controller="output",pod="a"}`: "0+2x20"},
		silent:  series{`controller_runtime_reconcile_errors_total{controller="output",pod="a"}`: "0+1x20"},
		summary: "10 writes of Usher failed within five minutes.",
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
		at: "15m",
		// a has four days left of 90, b a day left of three, and c a month of 90.
		fires: series{
			on(certificateEnds, "a"): "360900x20", on(certificateValid, "a"): "7776000x20",
			on(certificateEnds, "b"): "86400x20", on(certificateValid, "b"): "259200x20",
		},
		silent: series{
			on(certificateEnds, "b"): "86400x20", on(certificateValid, "b"): "259200x20",
			on(certificateEnds, "c"): "2592000x20", on(certificateValid, "c"): "7776000x20",
		},
		labels:  map[string]string{"pod": "a"},
		summary: "The webhook certificate of replica a expires in 4d 4h 0m 0s.",
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
		summary: "Grants conflict in 3 cases.",
	},
	"UsherReviewMissed": {
		at: "20m",
		fires: series{
			`usher_reviews{state="Ended",pod="a"}`: "2x30", `usher_reviews{state="Ended",pod="b"}`: "2x30",
			`usher_reviews{state="Pending",pod="a"}`: "0x30",
		},
		silent: series{
			`usher_reviews{state="Coming",pod="a"}`: "2x30", `usher_reviews{state="Pending",pod="a"}`: "1x10 0x20",
		},
		labels: map[string]string{"state": "Ended"}, summary: "2 reviews of groups are overdue: Ended.",
	},
	"UsherReviewComing": {
		at: "70m", fires: series{`usher_reviews{state="Coming",pod="a"}`: "3x80", `usher_reviews{state="Coming",pod="b"}`: "3x80"},
		silent:  series{`usher_reviews{state="Coming",pod="a"}`: "3x30 0x50", `usher_reviews{state="Pending",pod="a"}`: "3x80"},
		summary: "3 reviews of groups are due within 14 days.",
	},
	"UsherObjectsNotReady": {
		at:      "20m",
		fires:   series{`usher_not_ready_objects{kind="AccessGroup",reason="UnresolvedReferences",pod="a"}`: "2x30"},
		silent:  series{`usher_not_ready_objects{kind="AccessGroup",reason="Publishing",pod="a"}`: "2x30"},
		labels:  map[string]string{"kind": "AccessGroup", "reason": "UnresolvedReferences"},
		summary: "2 objects of kind AccessGroup are not ready: UnresolvedReferences.",
	},
	"UsherDecisionsStale": {
		at: "5m", fires: series{`usher_pdp_view_age_seconds{pod="a"}`: "30+60x10", `usher_pdp_view_age_seconds{pod="b"}`: "60x10"},
		silent: series{`usher_pdp_view_age_seconds{pod="a"}`: "60x10"}, // between two bookmarks
		labels: map[string]string{"pod": "a"}, summary: "Decision point a has received no data from the API server for 5m 30s.",
	},
	"UsherDecisionErrors": {
		at:      "15m",
		fires:   series{on(questions, "200"): "0+98x20", on(questions, "503"): "0+2x20"},
		silent:  series{on(questions, "200"): "0+995x20", on(questions, "503"): "0+5x20", on(questions, "403"): "0+100x20"},
		summary: "The decision point had no answer for 10 requests within five minutes.",
	},
	"UsherDecisionsSlow": {
		at: "15m",
		fires: series{
			on(questionTime, "0.244"): "0+95x20", on(questionTime, "0.61"): "0+100x20", on(questionTime, "+Inf"): "0+100x20",
		},
		silent: series{
			on(questionTime, "0.244"): "0+100x20", on(questionTime, "0.61"): "0+100x20", on(questionTime, "+Inf"): "0+100x20",
			`usher_pdp_request_duration_seconds_bucket{endpoint="search/subject",le="+Inf"}`: "0+100x20", // may take longer
		},
		summary: "One question in a hundred to the decision point takes 536.8ms or more.",
	},
	"UsherProvisioningUnauthorized": {
		at: "10m", fires: series{on(provisioning, "401"): "0 0 2x20", on(provisioning, "201"): "0+1x20"},
		silent: series{
			on(provisioning, "401"): "2x20", on(provisioning, "201"): "0+1x20",
			`usher_scim_requests_total{resource="other",method="GET",pod="a",code="401"}`: "0+1x20", // a scanner
		},
	},
	"UsherProvisioningRefused": {
		at: "5m", fires: series{on(provisioning, "403"): "0 0 0 1x20", on(provisioning, "409"): "0+1x20"},
		silent:  series{on(provisioning, "403"): "1x20", on(provisioning, "409"): "0+1x20"},
		labels:  map[string]string{"resource": "Users"},
		summary: "Requests of identity providers for Users were refused.",
	},
	"UsherProvisioningErrors": {
		at:      "15m",
		fires:   series{on(provisioning, "201"): "0+98x20", on(provisioning, "503"): "0+1x20", on(provisioning, "429"): "0+1x20"},
		silent:  series{on(provisioning, "201"): "0+995x20", on(provisioning, "503"): "0+5x20", on(provisioning, "403"): "0+100x20"},
		summary: "The SCIM server could not answer 10 requests within five minutes.",
	},
}

// TestAlerts evaluates every rule with Prometheus' query engine in a situation in which it fires, with the complete
// alert, and in one in which it is silent.
func TestAlerts(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range readRules(t).Groups {
		for i := range g.Rules {
			r := g.Rules[i]
			if seen[r.Alert] {
				t.Errorf("there are two alerts %s", r.Alert)
			}
			seen[r.Alert] = true
			s, known := situations[r.Alert]
			if !known {
				t.Errorf("alert %s: no situation in which it fires, and none in which it does not", r.Alert)
				continue
			}
			t.Run(r.Alert+" fires", func(t *testing.T) { s.expect(t, r, s.fires, []firing{s.alert(&r)}) })
			t.Run(r.Alert+" is silent", func(t *testing.T) { s.expect(t, r, s.silent, nil) })
		}
	}
	for name := range situations {
		if !seen[name] {
			t.Errorf("situation %s: there is no such alert", name)
		}
	}
}

func (s *situation) expect(t *testing.T, r rulefmt.Rule, scraped series, want []firing) {
	t.Helper()
	at, err := model.ParseDuration(s.at)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newRule(t, r, scraped).firingAt(t.Context(), time.Duration(at))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(firing{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// alert returns the expected alert in this situation.
func (s *situation) alert(r *rulefmt.Rule) firing {
	said := firing{labels: maps.Clone(s.labels), annotations: maps.Clone(r.Annotations)}
	if said.labels == nil {
		said.labels = map[string]string{}
	}
	said.labels["severity"] = r.Labels["severity"]
	if s.summary != "" {
		said.annotations["summary"] = s.summary
	}
	return said
}

// TestShortCertificates checks that, for any validity, a certificate causes no alert before it is due for renewal, when
// a third is left, and causes an alert before it expires.
func TestShortCertificates(t *testing.T) {
	var alert rulefmt.Rule
	for _, g := range readRules(t).Groups {
		for i := range g.Rules {
			if g.Rules[i].Alert == "UsherCertificateExpires" {
				alert = g.Rules[i]
			}
		}
	}
	const renewal = 15 * time.Minute // after the "for" of the alert
	for _, validity := range []time.Duration{6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 21 * 24 * time.Hour, 90 * 24 * time.Hour} {
		for left, want := range map[time.Duration]int{validity / 3: 0, validity / 5: 1} {
			if left > 7*24*time.Hour {
				want = 0 // there is still time
			}
			scraped := series{
				on(certificateEnds, "a"):  fmt.Sprintf("%dx20", int((renewal + left).Seconds())),
				on(certificateValid, "a"): fmt.Sprintf("%dx20", int(validity.Seconds())),
			}
			got, err := newRule(t, alert, scraped).firingAt(t.Context(), renewal)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != want {
				t.Errorf("valid for %s, with %s left: %d alerts, want %d", validity, left, len(got), want)
			}
		}
	}
}

// TestRulesWaitForTheirDuration checks that an expression must hold for the time in the rule.
func TestRulesWaitForTheirDuration(t *testing.T) {
	r := rulefmt.Rule{
		Alert: "Down", Expr: "up == 0", For: model.Duration(2 * time.Minute),
		Labels: map[string]string{"severity": "{{ $labels.pod }}"}, Annotations: map[string]string{"summary": "{{ $value }}"},
	}
	for name, tc := range map[string]struct {
		values string
		at     time.Duration
		fires  bool
	}{
		"too short":        {"0x9", time.Minute, false},
		"long enough":      {"0x9", 2 * time.Minute, true},
		"interrupted":      {"0 1 0x9", 3 * time.Minute, false},
		"after that again": {"0 1 0x9", 4 * time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newRule(t, r, series{`up{pod="a"}`: tc.values}).firingAt(t.Context(), tc.at)
			if err != nil {
				t.Fatal(err)
			}
			var want []firing
			if tc.fires {
				want = []firing{{
					labels:      map[string]string{"pod": "a", "severity": "a"},
					annotations: map[string]string{"summary": "0"},
				}}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(firing{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// readRules reads the rules as the Prometheus operator passes them to Prometheus, and validates them as Prometheus does
// when it loads a file.
func readRules(t *testing.T) *rulefmt.RuleGroups {
	t.Helper()
	text, err := os.ReadFile("../../config/alerts/prometheus_rule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	file, err := yaml.Marshal(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil || len(groups.Groups) == 0 {
		t.Fatal("there are no rules")
	}
	return groups
}

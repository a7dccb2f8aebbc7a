package controller

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// audited is a roster with an Audit, and the lines that the Audit wrote.
type audited struct {
	t      *testing.T
	roster *roster.Roster
	audit  *Audit
	lines  []map[string]any
}

func newAudited(t *testing.T) *audited {
	t.Helper()
	a := &audited{t: t, roster: roster.New(roster.Options{SystemNamespace: "access-system"})}
	log := funcr.NewJSON(func(line string) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Error(err)
		}
		delete(fields, "logger")
		delete(fields, "level")
		a.lines = append(a.lines, fields)
	}, funcr.Options{})
	requesters := func(object roster.Object, version roster.Version) []string {
		if object.Name == "france" && version.Generation == 2 {
			return []string{"ana@acme.example", "forged@acme.example"}
		}
		return nil
	}
	a.audit = NewAudit(log, requesters, NewMetrics(prometheus.NewRegistry()))
	a.settle(auditStart)
	a.lines = nil
	return a
}

var auditStart = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// settle settles the roster and returns the lines that the Audit wrote.
func (a *audited) settle(now time.Time, objects ...runtime.Object) []map[string]any {
	a.t.Helper()
	for _, each := range objects {
		if err := a.roster.Set(each); err != nil {
			a.t.Fatal(err)
		}
	}
	changes := a.roster.Settle(now)
	rules := map[string][]roster.Object{}
	for _, c := range changes.Rules {
		if c.Rules {
			rules[c.Organization] = c.Causes
		}
	}
	a.lines = nil
	a.audit.note(changes.Users, rules, a.roster.View())
	a.audit.drain()
	return a.lines
}

func france(generation int64, role string, members ...accessv1alpha1.Member) *accessv1alpha1.AccessGroup {
	return &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "france", UID: "uid-1", Generation: generation},
		Spec: accessv1alpha1.AccessGroupSpec{
			Type: accessv1alpha1.GroupTypeOrganization, Privileges: accessv1alpha1.GroupPrivilegesEnabled, Members: members,
			ApplicationAccess: []accessv1alpha1.ApplicationGrant{{Application: "finance", Role: accessv1alpha1.RoleName(role)}},
		},
	}
}

func TestAudit(t *testing.T) {
	a := newAudited(t)
	until := metav1.NewTime(auditStart.Add(time.Hour))
	amelie := accessv1alpha1.Member{User: "amelie@acme.example"}
	line := func(change, before, after, rule, source string, causes ...any) map[string]any {
		return map[string]any{
			"msg": "Access changed", "organization": "acme", "user": "amelie@acme.example", "application": "finance",
			"change": change, "before": before, "after": after, "rule": rule, "source": source, "causes": append([]any{}, causes...),
		}
	}
	by := func(generation float64, requesters ...any) map[string]any {
		c := map[string]any{"object": "AccessGroup/acme/france", "uid": "uid-1", "generation": generation}
		if len(requesters) > 0 {
			c["requestersByReview"] = requesters
		}
		return c
	}
	const source = "AccessGroup/acme/france"
	expect := func(what string, got []map[string]any, want ...map[string]any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	expect("a member", a.settle(auditStart, france(1, "Viewer", amelie)),
		line("Gained", "NoAccess", "Viewer", "OnlyGrant", source, by(1)))
	expect("nothing new", a.settle(auditStart, france(1, "Viewer", amelie)))
	expect("a better role, by somebody known", a.settle(auditStart, france(2, "Editor", amelie)),
		line("Raised", "Viewer", "Editor", "OnlyGrant", source, by(2, "ana@acme.example", "forged@acme.example")))
	amelie.NotAfter = &until
	expect("an end", a.settle(auditStart, france(3, "Editor", amelie)),
		line("End", "Editor", "Editor", "OnlyGrant", source, by(3)))
	expect("time that passes", a.settle(until.Time),
		line("Lost", "Editor", "NoAccess", "NoGrant", ""))
	if err := a.roster.Remove(france(3, "Editor", amelie)); err != nil {
		t.Fatal(err)
	}
	expect("the end of a group that gave nothing any more", a.settle(until.Time))

	for change, want := range map[string]float64{"Gained": 1, "Raised": 1, "End": 1, "Lost": 1, "Lowered": 0, "Rows": 0} {
		if got := testutil.ToFloat64(a.audit.Metrics.changes.WithLabelValues(change)); got != want {
			t.Errorf("%v changes are counted as %s, want %v", got, change, want)
		}
	}
}

func TestAuditIsBounded(t *testing.T) {
	a := newAudited(t)
	many := make([]roster.UserChange, mostUnaudited)
	a.audit.note(many, nil, a.roster.View())
	a.audit.note(many[:7], nil, a.roster.View())
	a.audit.drain()
	want := []map[string]any{{"msg": "Access changes were dropped from the audit log, because too many came at once", "users": 7.0}}
	if diff := cmp.Diff(want, a.lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got := testutil.ToFloat64(a.audit.Metrics.unaudited); got != 7 {
		t.Errorf("%v users are counted, want 7", got)
	}
	a.lines = nil
	a.audit.note(many, nil, a.roster.View())
	a.audit.drain()
	if len(a.lines) != 0 {
		t.Errorf("told %v although there is room again", a.lines)
	}
}

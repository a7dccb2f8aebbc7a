package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

func TestTurnsAreComparedOneByOne(t *testing.T) {
	var both turns
	both.add(2*time.Second, time.Second)
	both.add(30*time.Second, 9*time.Second, 11*time.Second) // the machine became slower
	if diff := cmp.Diff([]float64{2, 3}, both.ratios()); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	want := []time.Duration{time.Second, 9 * time.Second, 11 * time.Second}
	if diff := cmp.Diff(want, both.allBare()); diff != "" {
		t.Errorf("the bare client (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{2, 0.5}, pairRatios([]float64{4, 1}, []float64{2, 2})); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
}

func TestAimsDependOnTheSize(t *testing.T) {
	for members, want := range map[int]float64{50: 1.5, 500: 1.5, 5000: 2} {
		if got := revokeAimOf(members); got != want {
			t.Errorf("revocation of %d members: aim %v, want %v", members, got, want)
		}
	}
	for i, want := range []float64{1.5, 1.5, 2} {
		if got := singleAimOf(sizes[i]); got != want {
			t.Errorf("one member at %s: aim %v, want %v", sizes[i].Name, got, want)
		}
	}
}

// TestScenariosAndAimsAreDocumented checks that the table of docs/scale.md has each scenario with its aims.
func TestScenariosAndAimsAreDocumented(t *testing.T) {
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "scale.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			rows[strings.Trim(cells[1], " `")] = cells[3]
		}
	}
	aims := map[string][]float64{
		fanOut: {fanOutAim}, revoke: {revokeAim}, restart: {restartAim, megabytes}, single: {singleAim, singleTailAim},
		admission: {admissionAim, admissionLargeAim}, contention: {contentionAim}, resolving: {resolveAim}, growth: {memoryAim},
	}
	for _, scenario := range scenarios {
		row, found := rows[scenario]
		if !found {
			t.Errorf("docs/scale.md has no row for %s", scenario)
		}
		for _, aim := range aims[scenario] {
			if !strings.Contains(row, fmt.Sprint(aim)) {
				t.Errorf("docs/scale.md does not have the aim %v of %s: %s", aim, scenario, row)
			}
		}
	}
}

func TestAnswersOfAdmission(t *testing.T) {
	got, err := parseAnswers([]byte(`# HELP usher_admission_answers_total Admission requests by what was answered, dry runs included.
# TYPE usher_admission_answers_total counter
usher_admission_answers_total{answer="Allowed"} 3
usher_admission_answers_total{answer="Warned"} 2
# TYPE usher_access_reviews_total counter
usher_access_reviews_total{result="allowed"} 100
`))
	if err != nil || got != 5 {
		t.Errorf("got %d, %v, want 5", got, err)
	}
	if got, err := parseAnswers([]byte("# nothing\n")); err == nil {
		t.Errorf("got %d where there is no such metric", got)
	}
}

func TestRefusal(t *testing.T) {
	for name, tc := range map[string]struct {
		status     int
		text, want string
	}{
		"yes":             {200, `{"response":{"uid":"1","allowed":true}}`, ""},
		"no":              {200, `{"response":{"uid":"1","allowed":false,"status":{"code":422,"message":"why"}}}`, "422: why"},
		"no, without why": {200, `{"response":{"uid":"1","allowed":false}}`, "refused without a reason"},
		"no answer":       {503, `too many reviews`, "status 503: too many reviews"},
		"no review":       {200, `{}`, "status 200: {}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refusal(tc.status, []byte(tc.text)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestReviewsAreOfOneMember holds that a review changes one member, whether the user is in the group or not.
func TestReviewsAreOfOneMember(t *testing.T) {
	w := newWorld(sizes[0])
	c := &contenders{group: w.group(w.waves[0].group)}
	members := len(c.group.Spec.Members)
	for user, want := range map[string]int{w.users[0]: members - 1, w.users[members]: members + 1} {
		body, err := c.oneMemberBody(user)
		if err != nil {
			t.Fatal(err)
		}
		review := &admissionv1.AdmissionReview{}
		if err := json.Unmarshal(body, review); err != nil {
			t.Fatal(err)
		}
		var old, updated accessv1alpha1.AccessGroup
		for raw, into := range map[string]*accessv1alpha1.AccessGroup{
			string(review.Request.OldObject.Raw): &old, string(review.Request.Object.Raw): &updated,
		} {
			if err := json.Unmarshal([]byte(raw), into); err != nil {
				t.Fatal(err)
			}
		}
		if len(old.Spec.Members) != members || len(updated.Spec.Members) != want {
			t.Errorf("%s: from %d members to %d, want from %d to %d", user, len(old.Spec.Members), len(updated.Spec.Members), members, want)
		}
	}
}

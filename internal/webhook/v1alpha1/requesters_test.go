package v1alpha1

import (
	"strconv"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

func TestRequesters(t *testing.T) {
	requesters := NewRequesters(logr.Discard())
	france := roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "france"}
	at := func(uid string, generation int64) roster.Version {
		return roster.Version{UID: types.UID(uid), Generation: generation}
	}
	state := func(version roster.Version) *accessv1alpha1.AccessGroup {
		return newGroup(func(g *accessv1alpha1.AccessGroup) { g.UID, g.Generation = version.UID, version.Generation })
	}
	first, second, again := at("1", 1), at("1", 2), at("2", 1)
	requesters.note(admissionv1.Update, kindGroup, &validation.Request{New: state(first)}, "ana")
	requesters.note(admissionv1.Update, kindGroup, &validation.Request{Old: state(first), New: state(second)}, "bruno")
	requesters.note(admissionv1.Update, kindGroup, &validation.Request{Old: state(second)}, "clara")
	expect := func(version roster.Version, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, requesters.Of(france, version)); diff != "" {
			t.Errorf("requesters of version %v (-want +got):\n%s", version, diff)
		}
	}
	expect(first, "ana")
	expect(second, "bruno")
	expect(roster.Version{}, "clara")
	expect(again)

	for i := range mostRequested + 1 {
		requesters.note(admissionv1.Update, kindGroup, &validation.Request{New: state(at("many"+strconv.Itoa(i), 1))}, "eve")
	}
	if len(requesters.of) != mostRequested || len(requesters.order) != mostRequested {
		t.Errorf("remembers %d in the order of %d", len(requesters.of), len(requesters.order))
	}
	expect(at("many0", 1)) // the oldest
	expect(at("many"+strconv.Itoa(mostRequested), 1), "eve")
}

// TestAttackForgedRequester names another user as the requester of a real change, before and after it.
func TestAttackForgedRequester(t *testing.T) {
	var lines []string
	requesters := NewRequesters(funcr.NewJSON(func(line string) { lines = append(lines, line) }, funcr.Options{}))
	france := roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "france"}
	version := roster.Version{UID: "1", Generation: 2}
	change := &validation.Request{New: newGroup(func(g *accessv1alpha1.AccessGroup) { g.UID, g.Generation = version.UID, version.Generation })}
	for _, user := range []string{"forged", "ana", "forged", "also forged"} {
		requesters.note(admissionv1.Update, kindGroup, change, user)
	}
	if diff := cmp.Diff([]string{"forged", "ana", "also forged"}, requesters.Of(france, version)); diff != "" {
		t.Errorf("requesters (-want +got):\n%s", diff)
	}
	if line := lines[0]; !strings.Contains(line, `"msg":"Review allowed"`) || !strings.Contains(line, `"requesterByReview":"forged"`) {
		t.Errorf("the line says more than that a review named somebody: %s", line)
	}

	// A flood of names replaces none and takes little memory.
	for i := range 1000 {
		requesters.note(admissionv1.Update, kindGroup, change, strconv.Itoa(i)+strings.Repeat("x", 1<<20))
	}
	got := requesters.Of(france, version)
	if len(got) != mostRequesters+1 || got[1] != "ana" || got[mostRequesters] != others || len(got[3]) > 300 {
		t.Errorf("got %.300q", got)
	}
}

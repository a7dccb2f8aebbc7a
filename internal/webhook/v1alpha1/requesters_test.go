package v1alpha1

import (
	"strconv"
	"testing"

	"github.com/go-logr/logr"
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
	for version, want := range map[roster.Version]string{first: "ana", second: "bruno", {}: "clara", again: ""} {
		if got := requesters.Of(france, version); got != want {
			t.Errorf("version %v was asked for by %q, want %q", version, got, want)
		}
	}

	// Who tries again is who counts.
	requesters.note(admissionv1.Update, kindGroup, &validation.Request{Old: state(first), New: state(second)}, "dana")
	if got := requesters.Of(france, second); got != "dana" {
		t.Errorf("the second try was %q's", got)
	}

	for i := range mostRequesters + 1 {
		requesters.note(admissionv1.Update, kindGroup, &validation.Request{New: state(at("many"+strconv.Itoa(i), 1))}, "eve")
	}
	if len(requesters.of) != mostRequesters || len(requesters.order) != mostRequesters {
		t.Errorf("remembers %d in the order of %d", len(requesters.of), len(requesters.order))
	}
	if got := requesters.Of(france, at("many0", 1)); got != "" {
		t.Errorf("the oldest is still %q's", got)
	}
	if got := requesters.Of(france, at("many"+strconv.Itoa(mostRequesters), 1)); got != "eve" {
		t.Errorf("the newest is %q's", got)
	}
}

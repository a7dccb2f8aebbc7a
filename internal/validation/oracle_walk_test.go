package validation_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/usher-dev/usher/internal/validation"
)

// TestNoWayToMoreThanOneMayGrant makes many random requests for a user who may grant only Viewer and Editor. It
// applies those that require no other right. No user may get any other role that they did not have at that minute,
// however the requests work together. In half of the worlds the requester may grant nothing. No user may then gain
// anything, rows included.
func TestNoWayToMoreThanOneMayGrant(t *testing.T) {
	for seed := range *plays {
		p := newPlay(t, seed, 25, 24)
		may := []string{"Viewer", "Editor"}
		if seed%2 == 1 {
			may = nil
		}
		begun := p.objects
		var done []string
		for range 30 {
			c := p.change()
			if j := p.judge(c); len(j.Errors) > 0 || slices.ContainsFunc(j.Rights, func(r validation.Right) bool { return !holds(may, &r) }) {
				continue
			}
			p.keep(c.key, c.afters[0])
			p.roster.Settle(p.now)
			done = append(done, c.describe())
		}
		f := look(t, p.options, begun, p.objects, p.now, true)
		for r := range f.rises() {
			if !slices.Contains(may, r.role) {
				t.Fatalf("seed %d: somebody came to %+v by\n%s\nfrom\n%s", seed, r, lines(done), p.all(begun))
			}
		}
		if surely, _ := f.widens(); len(may) == 0 && len(surely) > 0 {
			t.Fatalf("seed %d: somebody came to rows of %v by\n%s\nfrom\n%s", seed, surely, lines(done), p.all(begun))
		}
	}
}

// holds reports whether the requester may grant one of the alternatives. Naming groups is always allowed.
func holds(may []string, r *validation.Right) bool {
	return slices.ContainsFunc(r.AnyOf, func(a validation.Attributes) bool {
		return a.Verb == validation.VerbJoin || (a.Verb == validation.VerbGrant && slices.Contains(may, a.Name) &&
			slices.Contains([]string{onApplications, onOrganizations}, a.Resource))
	})
}

func lines(all []string) string {
	var text string
	for i, line := range all {
		text += fmt.Sprintf("%d. %s\n", i+1, line)
	}
	return text
}

// all formats the objects for failure messages.
func (p *play) all(of objects) string {
	var all []string
	for _, object := range of.sorted() {
		all = append(all, (&change{key: "is there", request: &validation.Request{Old: object}}).describe())
	}
	return lines(all)
}

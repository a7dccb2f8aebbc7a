package validation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// TestAttackAPairOfTwoObjectsIsNotJudged passes an object of one name as the old state of an object with another
// name.
func TestAttackAPairOfTwoObjectsIsNotJudged(t *testing.T) {
	s := situate(t, `
AccessGroup acme/staff
spec: {members: [{user: ana}], applicationAccess: [{application: "*", role: Viewer}]}
`)
	was := rostertest.Dump(s.roster)
	forged := parse(t, `
AccessGroup acme/phantom
spec: {members: [{user: eve}], applicationAccess: [{application: "*", role: Administrator}]}
---
AccessGroup acme/a1
spec: {members: [{user: eve}]}
`)
	const want = "the object before it is AccessGroup/acme/phantom, the object after it is AccessGroup/acme/a1"
	_, err := s.validator.Judge(t.Context(), &validation.Request{Old: forged[0], New: forged[1], Now: june})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that says %q", err, want)
	}
	if diff := cmp.Diff(was, rostertest.Dump(s.roster)); diff != "" {
		t.Errorf("the roster has changed (-before +after):\n%s", diff)
	}
}

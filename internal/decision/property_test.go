package decision_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/decision"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

var asked = []string{"administer", "manage-rules", "edit", "view", "other", ""}

// TestAllWaysToAskAgree asks for every user, application and permission of random objects, both now and later
// without a new settle. Evaluation, the three searches, the mounted user document and resolve.Organization.Can must
// agree. There is one exception: if the filters leave no row, the decision point denies what the others permit.
func TestAllWaysToAskAgree(t *testing.T) {
	permits, denials, noRows := 0, 0, 0
	for seed := range uint64(40) {
		w := rostertest.NewWorld(seed, 41)
		r := roster.New(roster.Options{SystemNamespace: rostertest.System})
		for range 30 {
			if err := r.Set(w.Object()); err != nil {
				t.Fatal(err)
			}
		}
		r.Settle(w.Start)
		v := r.View()
		var clock atomic.Pointer[time.Time]
		for _, organization := range v.Organizations() {
			rules := v.Organization(organization)
			clock.Store(&w.Start)
			documents := map[string]*document.UserFollower{}
			for _, user := range rostertest.Users {
				if d := v.Decision(organization, user); d != nil {
					documents[user] = mounted(t, rules, user, d, v.Applications(organization), &clock)
				}
			}
			for _, late := range []time.Duration{0, rostertest.Horizon / 2, 2 * rostertest.Horizon} {
				now := w.Start.Add(late)
				clock.Store(&now)
				for _, application := range v.Applications(organization) {
					for _, permission := range asked {
						for _, user := range rostertest.Users {
							d := v.Decision(organization, user)
							can := rules.Can(d, resolve.Question{Application: application, Permission: permission}, now)
							if follower := documents[user]; follower != nil && follower.Can(application, permission) != can.Allowed {
								t.Errorf("seed %d after %s: %s, %s in %s of %s: the document differs from Can, which says %t",
									seed, late, user, permission, application, organization, can.Allowed)
							}
							noRow := resolve.ShowNoRow(can.Access.Filters)
							want := can.Allowed && !noRow
							switch {
							case can.Allowed && noRow:
								noRows++
							case want:
								permits++
							default:
								denials++
							}
							for way, got := range ways(v, organization, user, application, permission, now) {
								if got != want {
									t.Errorf("seed %d after %s: %s, %s in %s of %s: %s says %t, want %t",
										seed, late, user, permission, application, organization, way, got, want)
								}
							}
						}
					}
				}
			}
			for _, each := range documents {
				each.Close()
			}
		}
	}
	if permits == 0 || denials == 0 || noRows == 0 {
		t.Errorf("%d permits, %d denials, %d without a row", permits, denials, noRows)
	}
}

// ways asks the question through every function of the decision point.
func ways(v *roster.View, organization, user, application, permission string, now time.Time) map[string]bool {
	q := decision.Question{
		SubjectType: decision.TypeUser, User: user, Permission: permission,
		Resource: decision.Resource{Kind: decision.KindApplication, Application: application},
	}
	all := decision.Page{First: true, Limit: 100}
	users, _ := decision.Subjects(v, organization, &q, all, now)
	applications, _ := decision.Resources(v, organization, &q, all, now)
	permissions, _ := decision.Actions(v, organization, &q, all, now)
	answer := decision.Evaluate(v, organization, &q, now)
	return map[string]bool{
		"evaluation":      answer.Decision,
		"subject search":  slices.Contains(users, user),
		"resource search": slices.Contains(applications, application),
		"action search":   slices.Contains(permissions, permission),
	}
}

// mounted follows the user document as a workload does.
func mounted(
	t *testing.T, rules *resolve.Organization, user string, d *resolve.Decision, applications []string, clock *atomic.Pointer[time.Time],
) *document.UserFollower {
	t.Helper()
	data, _ := publish.FitUserData(publish.User(rules, user, d, applications))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, document.AccessKey), []byte(data[document.AccessKey]), 0o600); err != nil {
		t.Fatal(err)
	}
	follower, err := document.FollowUser(t.Context(), user, document.Options{
		Directories: []string{dir}, Watching: document.PollOnly, PollInterval: time.Minute, Now: func() time.Time { return *clock.Load() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return follower
}

// TestPagesAreTheWholeResult reads all pages with every page size.
func TestPagesAreTheWholeResult(t *testing.T) {
	w := rostertest.NewWorld(1, 43)
	r := roster.New(roster.Options{SystemNamespace: rostertest.System})
	for range 60 {
		if err := r.Set(w.Object()); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle(w.Start)
	v := r.View()
	found := 0
	for _, organization := range v.Organizations() {
		for _, application := range v.Applications(organization) {
			q := decision.Question{
				SubjectType: decision.TypeUser, Permission: "view",
				Resource: decision.Resource{Kind: decision.KindApplication, Application: application},
			}
			want, more := decision.Subjects(v, organization, &q, decision.Page{First: true, Limit: 1000}, w.Start)
			if more {
				t.Fatal("there are more than 1000 users")
			}
			found += len(want)
			for limit := 1; limit <= len(want); limit++ {
				var got []string
				page := decision.Page{First: true, Limit: limit}
				for more := true; more; {
					var results []string
					results, more = decision.Subjects(v, organization, &q, page, w.Start)
					got = append(got, results...)
					page = decision.Page{After: got[len(got)-1], Limit: limit}
				}
				if !slices.Equal(got, want) {
					t.Errorf("pages of %d: got %v, want %v", limit, got, want)
				}
			}
		}
	}
	if found == 0 {
		t.Error("nobody was found")
	}
}

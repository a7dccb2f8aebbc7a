package validation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// windows returns a group that takes one application after the other from its members, a second apart.
func windows(name string, entries int, users ...string) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
	for _, user := range users {
		g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(user)})
	}
	for i := range entries {
		at := metav1.NewTime(june.Add(time.Duration(i+1) * time.Second))
		g.Spec.ApplicationAccess = append(g.Spec.ApplicationAccess, accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(fmt.Sprintf("app-%d", i)), Role: "NoAccess", NotBefore: &at,
		})
	}
	return g
}

// allocations returns how often judging the request allocates: it grows with the evaluations of entries.
func allocations(t *testing.T, request *validation.Request, objects ...client.Object) float64 {
	t.Helper()
	r := roster.New(roster.Options{SystemNamespace: system})
	for i, o := range objects {
		o.SetResourceVersion(fmt.Sprint(i + 1))
		if err := r.Set(o); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle(june)
	v := &validation.Validator{Roster: r, Settle: func() { r.Settle(june) }, Losses: validation.NewLosses()}
	request.Now = june
	return testing.AllocsPerRun(1, func() {
		if _, err := v.Judge(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	})
}

// Two thousand windows of one user are no reason to decide for the user two thousand times: each entry is evaluated when a
// window of its own opens.
func TestAttackFreezesReviewsWithWindows(t *testing.T) {
	var users []string
	for i := range 50 {
		users = append(users, fmt.Sprintf("user-%d", i))
	}
	var objects []client.Object
	for i := range 4 {
		objects = append(objects, windows(fmt.Sprintf("w%d", i), 500, users...))
	}
	const entries = 4 * 500
	perUser := func(all float64) float64 { return all / float64(len(users)) }
	// The groups themselves are copied and read once; beyond that a few allocations for an entry.
	if got := perUser(allocations(t, &validation.Request{Old: objects[0]}, objects...)); got > 30*entries {
		t.Errorf("the deletion of one of the groups allocates %.0f times for each of its members", got)
	}
	elsewhere := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "globex", Name: "g"}}
	elsewhere.Spec.Members = []accessv1alpha1.Member{{User: "ana"}}
	if got := allocations(t, &validation.Request{New: elsewhere}, objects...); got > 2000 {
		t.Errorf("a change in another organization allocates %.0f times", got)
	}
	label := objects[0].DeepCopyObject().(*accessv1alpha1.AccessGroup)
	label.Spec.Members = label.Spec.Members[1:]
	if got := allocations(t, &validation.Request{Old: objects[0], New: label}, objects...); got > 60*entries {
		t.Errorf("taking one member out allocates %.0f times", got)
	}
}

// manyWindows is a user with as many groups that give Viewer for a minute each.
func manyWindows(groups int, extra string) string {
	var all strings.Builder
	for i := range groups {
		from, to := june.Add(time.Duration(2*i+1)*time.Minute), june.Add(time.Duration(2*i+2)*time.Minute)
		fmt.Fprintf(&all, "AccessGroup acme/g%d\nspec:\n  members: [{user: pat}]\n  applicationAccess: "+
			"[{application: red, role: Viewer, notBefore: %q, notAfter: %q}]\n---\n", i, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return all.String() + extra
}

const oneMoreWindow = "AccessGroup acme/more\nspec:\n  members: [{user: pat}]\n" +
	"  applicationAccess: [{application: red, role: NoAccess, notBefore: \"2026-08-01T00:00:00Z\"}]\n"

func TestAttackHidesBehindWindows(t *testing.T) {
	admins := "AccessGroup acme/admins\nspec:\n  members: [{user: pat, notBefore: \"2026-09-01T00:00:00Z\"}]\n" +
		"  applicationAccess: [{application: red, role: Administrator}]\n---\n"
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"few windows":            {manyWindows(31, ""), oneMoreWindow, []string{}},
		"too many for an entry":  {manyWindows(32, ""), oneMoreWindow, []string{mayViewRed}},
		"where more is declared": {manyWindows(32, admins), oneMoreWindow, []string{mayAdministerRed}},
		"no role at all": {
			strings.ReplaceAll(manyWindows(32, ""), "Viewer", "NoAccess"), oneMoreWindow,
			[]string{"grant applicationroles/red @acme | grant applicationroles @acme"},
		},
		"fewer than before":      {manyWindows(40, ""), "delete AccessGroup acme/g0", []string{}},
		"past what is looked at": {manyWindows(140, admins), "delete AccessGroup acme/g0", []string{mayAdministerRed, mayShowRedRow}},
		"somebody else":          {manyWindows(140, admins), "AccessGroup acme/more\nspec: {members: [{user: sam}]}", []string{}},
		"a text":                 {manyWindows(140, admins), strings.Replace(admins, "spec:\n", "spec:\n  description: text\n", 1), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			change, _, _ := strings.Cut(tc.change, "---\n")
			j := situate(t, tc.before).judge(t, change)
			if diff := cmp.Diff(tc.want, rightsOf(j)); diff != "" {
				t.Error(diff)
			}
			if name == "too many for an entry" && !strings.Contains(j.Rights[0].Reason, "windows that open or close would change the role in "+
				"application red of pat in organization acme at 65 instants, and more than 64 take the right to grant") {
				t.Error(j.Rights[0].Reason)
			}
		})
	}
}

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

// windows returns a group that takes one application after the other from its members, one second apart.
func windows(name string, first, entries int, users ...string) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
	for _, user := range users {
		g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(user)})
	}
	for i := range entries {
		at := metav1.NewTime(june.Add(time.Duration(first+i+1) * time.Second))
		g.Spec.ApplicationAccess = append(g.Spec.ApplicationAccess, accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(fmt.Sprintf("app-%d", i)), Role: "NoAccess", NotBefore: &at,
		})
	}
	return g
}

// evaluations judges the request and returns how often it evaluated an entry.
func evaluations(t *testing.T, request *validation.Request, objects ...client.Object) int {
	t.Helper()
	r := roster.New(roster.Options{SystemNamespace: system})
	for i, o := range objects {
		o.SetResourceVersion(fmt.Sprint(i + 1))
		if err := r.Set(o); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle(june)
	v := &validation.Validator{View: viewOf(r), Losses: validation.NewLosses()}
	request.Now = june
	j, err := v.Judge(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return j.Evaluations
}

// Two thousand windows of one user are no reason to evaluate five hundred applications two thousand times, which
// is two million evaluations per user. An entry is evaluated when one of its own windows opens.
func TestAttackFreezesReviewsWithWindows(t *testing.T) {
	var users []string
	for i := range 10 {
		users = append(users, fmt.Sprintf("user-%d", i))
	}
	var objects []client.Object
	for i := range 4 {
		objects = append(objects, windows(fmt.Sprintf("w%d", i), 500*i, 500, users...))
	}
	// Before and after the change: each of 500 applications now and at its own four instants, and two more entries.
	const perUser = 2 * (500*5 + 2)
	if got := evaluations(t, &validation.Request{Old: objects[0]}, objects...); got > perUser*len(users) {
		t.Errorf("the deletion of one of the groups takes %d evaluations for %d members", got, len(users))
	}
	elsewhere := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "globex", Name: "g"}}
	elsewhere.Spec.Members = []accessv1alpha1.Member{{User: "user-0"}}
	if got := evaluations(t, &validation.Request{New: elsewhere}, objects...); got > 4 {
		t.Errorf("a change in another organization takes %d evaluations", got)
	}
	fewer := objects[0].DeepCopyObject().(*accessv1alpha1.AccessGroup)
	fewer.Spec.Members = fewer.Spec.Members[1:]
	if got := evaluations(t, &validation.Request{Old: objects[0], New: fewer}, objects...); got > perUser {
		t.Errorf("taking one member out takes %d evaluations", got)
	}
}

// hiddenWindows returns a group of so many users, a group that gives each of them Viewer in 500 applications, and
// 32 groups that take every other application from them for one minute each. No window takes anything away, but
// each affects every entry.
func hiddenWindows(users int) []client.Object {
	group := func(name string) *accessv1alpha1.AccessGroup {
		return &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
	}
	all, viewers := group("all"), group("viewers")
	for i := range users {
		all.Spec.Members = append(all.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(fmt.Sprintf("user-%d", i))})
	}
	viewers.Spec.MemberGroups = []accessv1alpha1.GroupName{"all"}
	for i := range 500 {
		viewers.Spec.ApplicationAccess = append(viewers.Spec.ApplicationAccess, accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(fmt.Sprintf("app-%d", i)), Role: "Viewer",
		})
	}
	objects := []client.Object{all, viewers}
	for i := range 32 {
		g := group(fmt.Sprintf("w%d", i))
		g.Spec.MemberGroups = []accessv1alpha1.GroupName{"all"}
		from, to := metav1.NewTime(june.Add(time.Duration(2*i+1)*time.Minute)), metav1.NewTime(june.Add(time.Duration(2*i+2)*time.Minute))
		g.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{Application: accessv1alpha1.All, Role: "NoAccess", NotBefore: &from, NotAfter: &to}}
		objects = append(objects, g)
	}
	return objects
}

// Windows in entries for all applications affect every application of every member. The deletion of such a group
// took longer than a review may take, even for requesters who may grant everything.
func TestAttackFreezesReviewsWithWindowsOfAllApplications(t *testing.T) {
	objects := hiddenWindows(20)
	const most, perUser = 1_000_000, 2 * 502 * 65
	got := evaluations(t, &validation.Request{Old: objects[2]}, objects...)
	if got > most+perUser {
		t.Errorf("the deletion of one of the groups takes %d evaluations", got)
	}
	if got < most {
		t.Errorf("the deletion takes %d evaluations, too few to reach the bound", got)
	}
}

// Once the evaluations of a request are used up, the highest declared role counts as the future role.
func TestAttackHidesBehindTheWindowsOfOthers(t *testing.T) {
	before := `
AccessGroup acme/crowd
spec: {members: [{user: a, notAfter: "2026-07-01T00:00:00Z"}, {user: b, notAfter: "2026-07-01T00:00:00Z"}]}
---
AccessGroup acme/admins
spec: {members: [{user: b, notBefore: "2026-06-20T00:00:00Z"}], applicationAccess: [{application: red, role: Administrator}]}
---
AccessGroup acme/viewers
spec: {memberGroups: [crowd], applicationAccess: [{application: red, role: Viewer}]}
`
	const change = "delete AccessGroup acme/viewers"
	for most, want := range map[int][]string{
		0: {mayAdministerRed}, // viewers restrict b
		1: {mayAdministerRed, mayShowRedRow},
	} {
		s := situate(t, before)
		s.validator.MostEvaluations = most
		j := s.judge(t, change)
		if diff := cmp.Diff(want, rightsOf(j)); diff != "" {
			t.Errorf("%d: %s", most, diff)
		}
	}
}

// manyWindows returns a user and as many groups, each of which gives Viewer for one minute.
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
				"application red of pat in organization acme at 65 instants, and more than 64 require the right to grant") {
				t.Error(j.Rights[0].Reason)
			}
		})
	}
}

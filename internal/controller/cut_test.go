package controller

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// rows returns data permissions for application red with that many requirements of a hundred values of 200 bytes each.
func rows(seed string, requirements int) string {
	var list []string
	for r := range requirements {
		values := make([]string, 100)
		for i := range values {
			values[i] = fmt.Sprintf("%s-%d-%d-%s", seed, r, i, strings.Repeat("x", 200-len(seed)))
		}
		list = append(list, fmt.Sprintf("{attribute: a%d, operator: In, values: [%s]}", r, strings.Join(values, ", ")))
	}
	return fmt.Sprintf("dataPermissions: [{application: red, anyOf: [{allOf: [%s]}]}]", strings.Join(list, ", "))
}

// tooLarge refuses what does not fit into a ConfigMap, as the API server does.
func tooLarge(o client.Object) error {
	cm, ok := o.(*corev1.ConfigMap)
	size := 0
	if ok {
		for key, text := range cm.Data {
			size += len(key) + len(text)
		}
	}
	if size > corev1.MaxSecretSize {
		return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ConfigMap").GroupKind(), cm.Name, nil)
	}
	return nil
}

// TestAttackRowsOfOneUserDelayNoRevocation gives one user more rows than fit into a ConfigMap, and then revokes access
// of others.
func TestAttackRowsOfOneUserDelayNoRevocation(t *testing.T) {
	w := newWorld(t)
	w.refuse = tooLarge
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	var users, members []string
	for shard := range 8 {
		user := userInShard("user", shard, 8)
		users = append(users, user)
		members = append(members, fmt.Sprintf("{user: %q}", user))
	}
	team := func(members []string) string {
		return fmt.Sprintf("{members: [{user: mallory@acme.example}, %s], applicationAccess: [{application: red, role: Editor}]}",
			strings.Join(members, ", "))
	}
	w.declare(&accessv1alpha1.AccessGroup{}, "team", team(members))
	w.declare(&accessv1alpha1.AccessGroup{}, "rows", fmt.Sprintf(
		"{members: [{user: mallory@acme.example}], privileges: Disabled, %s}", rows("m", 60)))
	w.declare(&accessv1alpha1.AccessGroup{}, "team", team(nil))
	for name, cm := range w.reconciler.Publisher.Observed.Shards("acme", "red") {
		for _, user := range users {
			if strings.Contains(w.published(cm.Name, document.AccessKey), user) {
				t.Errorf("shard %d still has %s, whose access was taken", name, user)
			}
		}
	}
	w.ready(GroupStatus, "team", accessv1alpha1.ReasonPublished)
}

// TestDocumentTooLarge gives several users more rows of their own than fit into a ConfigMap. No status may report that
// they have them.
func TestDocumentTooLarge(t *testing.T) {
	const user, affected, bystander = "user-9@acme.example", "rows-9", "ana@acme.example"
	w := newWorld(t)
	w.refuse = tooLarge
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.declare(&accessv1alpha1.UserAccess{}, "user", fmt.Sprintf("{user: %s}", user))
	w.declare(&accessv1alpha1.UserAccess{}, "ana", fmt.Sprintf("{user: %s}", bystander))
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		fmt.Sprintf("{members: [{user: %s}], applicationAccess: [{application: red, role: Editor}]}", bystander))
	for i := range 20 {
		w.declare(&accessv1alpha1.AccessGroup{}, fmt.Sprintf("rows-%d", i), fmt.Sprintf(
			"{members: [{user: user-%d@acme.example}], applicationAccess: [{application: red, role: Editor}], %s}",
			i, rows(strings.Repeat("y", i+1), 3)))
	}
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonDocumentTooLarge, "Shown no row: ", user)
	w.ready(UserStatus, "user", accessv1alpha1.ReasonDocumentTooLarge, "ApplicationAccess acme/red")
	w.ready(GroupStatus, affected, accessv1alpha1.ReasonPublished, "status.unpublished counts (1)")
	if got := w.reconciler.unpublished(roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: affected}); got != 1 {
		t.Errorf("group %s counts %d as unpublished, want its one member", affected, got)
	}
	w.ready(UserStatus, "ana", accessv1alpha1.ReasonPublished)
	if got := w.reconciler.unpublished(roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "team"}); got != 0 {
		t.Errorf("the group of %s counts %d as unpublished, want none", bystander, got)
	}

	for i := range 20 {
		w.drop(&accessv1alpha1.AccessGroup{}, fmt.Sprintf("rows-%d", i))
	}
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)
	w.ready(UserStatus, "user", accessv1alpha1.ReasonPublished)
}

func TestCutNamesTheFirstTwenty(t *testing.T) {
	users := func(prefix string, count int) []string {
		names := make([]string, count)
		for i := range names {
			names[i] = fmt.Sprintf("%s%02d", prefix, i)
		}
		return names
	}
	for name, tc := range map[string]struct {
		lacks cut
		want  string
	}{
		"nothing": {cut{}, ""},
		"one left out": {cut{leftOut: users("a", 1)}, "Not everything that is decided fits into the document. Raise " +
			"publish.minimumShards (at most 64), or shorten the data permissions of these users. Left out, " +
			"without access: 1 (a00)."},
		"many": {cut{leftOut: users("a", 18), withoutRows: users("b", 5)}, "Not everything that is decided fits into the document. " +
			"Raise publish.minimumShards (at most 64), or shorten the data permissions of these users. Left out, " +
			"without access: 18 (a00, a01, a02, a03, a04, a05, a06, a07, a08, a09, a10, a11, a12, a13, a14, a15, a16, a17). " +
			"Shown no row: 5 (b00, b01 and 3 more)."},
		"more than are named": {cut{leftOut: users("a", 21), withoutRows: users("b", 1)}, "Not everything that is decided fits into " +
			"the document. Raise publish.minimumShards (at most 64), or shorten the data permissions of these users. Left out, " +
			"without access: 21 (a00, a01, a02, a03, a04, a05, a06, a07, a08, a09, a10, a11, a12, a13, a14, a15, a16, " +
			"a17, a18, a19 and 1 more). Shown no row: 1."},
		"the ladder": {cut{withoutPermissions: true}, "The ladder of application roles is too large for the document, which has the " +
			"roles without their permissions. Shorten the ladder in the AccessPolicy."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.lacks.message(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

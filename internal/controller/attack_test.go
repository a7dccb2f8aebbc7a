package controller

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// refuses rejects writes of ConfigMaps with these names, as an admission policy or a quota does.
func refuses(names ...string) func(client.Object) error {
	return func(o client.Object) error {
		for _, name := range names {
			if _, ok := o.(*corev1.ConfigMap); ok && o.GetName() == name {
				return apierrors.NewForbidden(corev1.Resource("configmaps"), name, errors.New("no writes on Sundays"))
			}
		}
		return nil
	}
}

// userInShard returns a user who belongs to the shard, out of that many shards.
func userInShard(prefix string, shard, shards int) string {
	for i := 0; ; i++ {
		user := fmt.Sprintf("%s-%d@acme.example", prefix, i)
		h := fnv.New32a()
		h.Write([]byte(user))
		if int(h.Sum32()%uint32(shards)) == shard {
			return user
		}
	}
}

// TestAttackRefusedShardDelaysNoRevocation makes the last shard of a document impossible to write, and revokes access
// of users in every shard.
func TestAttackRefusedShardDelaysNoRevocation(t *testing.T) {
	const roles = "applicationAccess: [{application: red, role: Editor}]"
	last := publish.ApplicationName("red", 3)
	for name, tc := range map[string]struct {
		begin, end func(w *world)
		why        string
	}{
		"the API server refuses it": {
			begin: func(w *world) { w.refuse = refuses(last) }, end: func(w *world) { w.refuse = nil }, why: "no writes on Sundays",
		},
		"it is immutable and held by a finalizer": {
			begin: func(w *world) {
				w.edit(last, func(cm *corev1.ConfigMap) { cm.Immutable, cm.Finalizers = new(true), []string{"example.com/hold"} })
			},
			end: func(w *world) { w.edit(last, func(cm *corev1.ConfigMap) { cm.Finalizers = nil }) },
			why: "its finalizers (example.com/hold) block the deletion: remove them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{publish: {minimumShards: 4}}")
			var users, members []string
			for shard := range 4 {
				user := userInShard("user", shard, 4)
				users = append(users, user)
				members = append(members, fmt.Sprintf("{user: %q}", user))
			}
			w.declare(&accessv1alpha1.AccessGroup{}, "team", fmt.Sprintf("{members: [%s], %s}", strings.Join(members, ", "), roles))
			has := func(shard int) bool {
				return strings.Contains(w.published(publish.ApplicationName("red", shard), document.AccessKey), users[shard])
			}
			for shard := range users {
				if !has(shard) {
					t.Fatalf("user %s is not in shard %d", users[shard], shard)
				}
			}

			tc.begin(w)
			w.declare(&accessv1alpha1.AccessGroup{}, "team", "{members: [], "+roles+"}")
			for shard := range 3 {
				if has(shard) {
					t.Errorf("the revocation of %s is not published in shard %d, because of shard 3", users[shard], shard)
				}
			}
			w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonLossNotPublished, last, users[3], tc.why)
			w.ready(GroupStatus, "team", accessv1alpha1.ReasonLossNotPublished, last, users[3])

			tc.end(w)
			w.pass(lastBlocked)
			w.run()
			if has(3) {
				t.Error("the revocation is not published when it can be")
			}
			w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)
			w.ready(GroupStatus, "team", accessv1alpha1.ReasonPublished)
		})
	}
}

// TestRefusedSurplusShardKeepsNoOtherShard has the API server refuse to end one of the surplus shards of a document.
func TestRefusedSurplusShardKeepsNoOtherShard(t *testing.T) {
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{publish: {minimumShards: 4}}")
	w.refuse = refuses(publish.ApplicationName("red", 1))
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.pass(w.reconciler.Publisher.Grace)
	w.run()
	for shard, want := range []bool{true, true, false, false} {
		if got := w.published(publish.ApplicationName("red", shard), document.AccessKey) != ""; got != want {
			t.Errorf("shard %d is there: %t, want %t", shard, got, want)
		}
	}
}

// TestShardsOfAnEarlierVersionEnd starts with a document that has more shards than the maximum. All but shard 0 are
// removed.
func TestShardsOfAnEarlierVersionEnd(t *testing.T) {
	const before = publish.MaximumShards + 36
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	for shard := 1; shard < before; shard++ {
		if err := w.kube.Create(t.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "acme", Name: publish.ApplicationName("red", shard), Labels: map[string]string{
					accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy, accessv1alpha1.LabelDocument: accessv1alpha1.DocumentApplication,
				},
			},
			Data: map[string]string{document.AccessKey: "{}"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}")
	w.pass(w.reconciler.Publisher.Grace)
	w.run()
	if got := len(w.reconciler.Publisher.Observed.Shards("acme", "red")); got != 1 {
		t.Errorf("%d shards are left, want 1", got)
	}
}

// TestAttackLossNotPublished revokes access in every way while the document cannot be written. The object that revokes
// it must not become ready. After a restart, the owner of the document must not be ready.
func TestAttackLossNotPublished(t *testing.T) {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	const team = "{members: [{user: ana@acme.example}, {user: ben@acme.example}], applicationAccess: [{application: red, role: Editor}]}"
	applicationMap, userMap := publish.ApplicationName("red", 0), publish.UserDocumentName(identity.Name(ana))
	for name, tc := range map[string]struct {
		object     client.Object
		kind       OutputKind
		name, spec string
		gone       bool // the object is deleted instead
		restart    bool // the object reports it after a restart, too
	}{
		"suspended": {
			&accessv1alpha1.UserAccess{}, UserStatus, "ana", "{user: ana@acme.example, state: Suspended}", false, true,
		},
		"member removed": {
			&accessv1alpha1.AccessGroup{}, GroupStatus, "team",
			"{members: [{user: ben@acme.example}], applicationAccess: [{application: red, role: Editor}]}", false, false,
		},
		"role lowered": {
			&accessv1alpha1.AccessGroup{}, GroupStatus, "team",
			"{members: [{user: ana@acme.example}, {user: ben@acme.example}], applicationAccess: [{application: red, role: Viewer}]}",
			false, false,
		},
		"demoted by another group": {
			&accessv1alpha1.AccessGroup{}, GroupStatus, "limit",
			"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}", false, true,
		},
		"rows taken": {
			&accessv1alpha1.AccessGroup{}, GroupStatus, "rows",
			"{members: [{user: ana@acme.example}], dataPermissions: [{application: red, anyOf: [{allOf: " +
				"[{attribute: country, operator: In, values: [France]}]}]}]}", false, false,
		},
		"an end": {
			&accessv1alpha1.AccessGroup{}, GroupStatus, "team",
			"{members: [{user: ana@acme.example, notAfter: '2030-01-01T00:00:00Z'}, {user: ben@acme.example}], " +
				"applicationAccess: [{application: red, role: Editor}]}", false, false,
		},
		"permissions of the role taken": {
			&accessv1alpha1.AccessPolicy{}, PolicyStatus, "default",
			"{applicationRoles: [{name: Administrator}, {name: Editor, permissions: [look]}]}", false, false,
		},
		"group deleted": {&accessv1alpha1.AccessGroup{}, "", "team", "", true, false},
	} {
		for document, owner := range map[string]Output{
			applicationMap: {ApplicationStatus, "acme", "red"}, userMap: {UserStatus, "acme", "ana"},
		} {
			t.Run(name+" in "+document, func(t *testing.T) {
				w, object := newWorld(t), tc.object.DeepCopyObject().(client.Object)
				w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
				w.declare(&accessv1alpha1.UserAccess{}, "ana", "{user: ana@acme.example}")
				w.declare(&accessv1alpha1.AccessGroup{}, "team", team)
				w.declare(&accessv1alpha1.AccessGroup{}, "bystanders",
					"{members: [{user: cy@acme.example}], applicationAccess: [{application: red, role: Editor}]}")
				w.ready(owner.Kind, owner.Name, accessv1alpha1.ReasonPublished)

				w.refuse = refuses(document)
				if tc.gone {
					w.drop(object, tc.name)
				} else {
					w.declare(object, tc.name, tc.spec)
					w.ready(tc.kind, tc.name, accessv1alpha1.ReasonLossNotPublished, document, ana, "no writes on Sundays")
				}
				w.ready(owner.Kind, owner.Name, accessv1alpha1.ReasonLossNotPublished, document, ana, "no writes on Sundays")
				w.ready(GroupStatus, "bystanders", accessv1alpha1.ReasonPublished)
				if _, _, _, lossy := w.reconciler.tracker.backlog(); lossy != 1 {
					t.Errorf("%d documents count as giving too much, want 1", lossy)
				}

				w.restart()
				w.ready(owner.Kind, owner.Name, accessv1alpha1.ReasonLossNotPublished, document, ana)
				if tc.restart {
					w.ready(tc.kind, tc.name, accessv1alpha1.ReasonLossNotPublished, document, ana)
				}

				w.refuse = nil
				w.pass(lastBlocked)
				w.run()
				w.ready(owner.Kind, owner.Name, accessv1alpha1.ReasonPublished)
				if !tc.gone {
					w.ready(tc.kind, tc.name, accessv1alpha1.ReasonPublished)
				}
				if _, _, _, lossy := w.reconciler.tracker.backlog(); lossy != 0 {
					t.Errorf("%d documents count as giving too much, want none", lossy)
				}
			})
		}
	}
}

// TestRefusedGrantDelaysNoGroup checks that a document which cannot be written, but gives nobody too much, keeps no
// group from being ready.
func TestRefusedGrantDelaysNoGroup(t *testing.T) {
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.refuse = refuses(publish.ApplicationName("red", 0))
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}")
	w.ready(GroupStatus, "team", accessv1alpha1.ReasonPublished)
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublishFailed, "no writes on Sundays")
}

// TestAttackNameTaken creates a UserAccess of one user with the name that another user's materialized UserAccess needs.
func TestAttackNameTaken(t *testing.T) {
	const ana = "ana@acme.example"
	name := identity.Name(ana)
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.declare(&accessv1alpha1.UserAccess{}, name, "{user: mallory@acme.example}")
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}")
	gives := func() bool {
		return strings.Contains(w.published(publish.UserDocumentName(name), document.AccessKey), `"role":"Editor"`)
	}
	if !gives() {
		t.Error("the user has no document because the name of their UserAccess is taken")
	}
	if got := w.condition(UserStatus, name, accessv1alpha1.ConditionNameTaken); got.Status != metav1.ConditionTrue ||
		!strings.Contains(got.Message, ana) {
		t.Errorf("the object that has the name says %+v", got)
	}

	w.drop(&accessv1alpha1.UserAccess{}, name)
	// The garbage collector deletes the dependents of the object.
	cm := &corev1.ConfigMap{}
	if err := w.kube.Get(t.Context(), types.NamespacedName{Namespace: "acme", Name: publish.UserDocumentName(name)}, cm); err != nil {
		t.Fatal(err)
	}
	if err := w.kube.Delete(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	w.run()
	if !gives() {
		t.Error("the document does not come back when the name is free")
	}
	if ua := w.reconciler.view().Index().Namespace("acme").UserAccess(name); ua == nil || string(ua.Spec.User) != ana {
		t.Errorf("the name has %v, want the user's own UserAccess", ua)
	}
}

// TestGroupCountsUnpublishedDocuments has a quota refuse the documents of a group's members.
func TestGroupCountsUnpublishedDocuments(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(o client.Object) error {
		if _, ok := o.(*corev1.ConfigMap); ok && strings.HasPrefix(o.GetName(), "user-access-") {
			return apierrors.NewForbidden(corev1.Resource("configmaps"), o.GetName(), errors.New("exceeded quota: cms"))
		}
		return nil
	}
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana}, {user: ben}, {user: cy}, {user: dan}], applicationAccess: [{application: red, role: Viewer}]}")
	w.ready(GroupStatus, "team", accessv1alpha1.ReasonPublished, "except for what status.unpublished counts (4)",
		"The objects that own these documents say why")
	w.ready(UserStatus, identity.Name("ana"), accessv1alpha1.ReasonPublishFailed, "exceeded quota: cms")
	// A group of another organization with the same members counts none of these documents.
	w.declare(&accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "globex"}}, "team",
		"{members: [{user: ana}], applicationAccess: [{application: red, role: Viewer}]}")
	elsewhere := roster.Object{Kind: roster.KindAccessGroup, Namespace: "globex", Name: "team"}
	if got := w.reconciler.unpublished(elsewhere); got != 1 {
		t.Errorf("the group in globex counts %d unpublished documents, want the one of its member there", got)
	}
	w.refuse = nil
	w.pass(lastBlocked)
	w.run()
	if got := w.condition(GroupStatus, "team", accessv1alpha1.ConditionReady); got.Message != "All that this generation changes is published." {
		t.Errorf("after the quota is lifted, Ready says: %s", got.Message)
	}
}

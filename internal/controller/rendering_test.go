package controller

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

// changes declares random objects in a world.
type changes struct {
	*world

	random *rand.Rand
	users  []string
}

// members returns a list of some of the users. A few of the memberships end soon.
func (c *changes) members() string {
	var members []string
	for _, user := range c.users {
		switch c.random.IntN(6) {
		case 0, 1:
			members = append(members, fmt.Sprintf("{user: %q}", user))
		case 2:
			end := c.now.Add(time.Duration(1+c.random.IntN(60)) * time.Second)
			members = append(members, fmt.Sprintf("{user: %q, notAfter: %q}", user, end.Format(time.RFC3339)))
		}
	}
	return "[" + strings.Join(members, ", ") + "]"
}

func (c *changes) one(of ...string) string { return of[c.random.IntN(len(of))] }

// step makes a random change and returns its description.
func (c *changes) step() string {
	application, team := c.one("red", "blue"), c.one("one", "two", "three")
	switch c.random.IntN(12) {
	case 0, 1, 2, 3:
		c.declare(&accessv1alpha1.AccessGroup{}, team, fmt.Sprintf(
			"{members: %s, applicationAccess: [{application: %q, role: %s}]}",
			c.members(), c.one("red", "blue", "*"), c.one("Editor", "Viewer", "NoAccess")))
		return "a group gives roles"
	case 4, 5:
		c.declare(&accessv1alpha1.AccessGroup{}, "rows-"+team, fmt.Sprintf(
			"{members: %s, dataPermissions: [{application: %q, anyOf: [{allOf: [{attribute: a, operator: In, values: ['%d']}]}]}]}",
			c.members(), c.one("red", "blue", "*"), c.random.IntN(20)))
		return "a group limits rows"
	case 6:
		c.declare(&accessv1alpha1.ApplicationAccess{}, application, fmt.Sprintf("{unmatchedRows: %s, publish: {minimumShards: %d, formats: [%s]}}",
			c.one("All", "None"), 1<<c.random.IntN(5), c.one("", "CSV", "OPA, Casbin")))
		return "an application changes"
	case 7:
		c.drop(&accessv1alpha1.ApplicationAccess{}, application)
		c.declare(&accessv1alpha1.ApplicationAccess{}, application, "{publish: {minimumShards: 8}}")
		return "an application is deleted and created"
	case 8:
		c.declare(&accessv1alpha1.AccessPolicy{}, accessv1alpha1.AccessPolicyName, fmt.Sprintf(
			"{conflictResolution: %s, applicationRoles: [{name: Administrator, permissions: [administer]}, "+
				"{name: Editor, permissions: [edit-%d]}, {name: Viewer, permissions: [view]}]}",
			c.one("MostRestrictive", "MostPermissive"), c.random.IntN(3)))
		return "the rules change"
	case 9:
		for n, name := range []string{publish.ApplicationName(application, 0), publish.ApplicationName(application, 1)} {
			if n == 0 || c.published(name, document.AccessKey) != "" {
				c.edit(name, func(cm *corev1.ConfigMap) { cm.Data[document.AccessKey] = "edited" })
			}
		}
		c.run()
		return "somebody edits shards"
	case 10:
		c.refuse = refuses(publish.ApplicationName(application, 1))
		c.declare(&accessv1alpha1.AccessGroup{}, team, fmt.Sprintf(
			"{members: %s, applicationAccess: [{application: '*', role: Viewer}]}", c.members()))
		c.refuse = nil
		c.pass(lastBlocked)
		c.run()
		return "a shard is refused for a while"
	default:
		c.pass(30 * time.Second)
		c.run()
		return "time passes"
	}
}

// check compares the published ConfigMaps with a full rendering.
func (c *changes) check(what string) {
	c.t.Helper()
	view := c.reconciler.view()
	for _, application := range []string{"red", "blue"} {
		object := view.Index().Namespace("acme").Application(application)
		want := publish.Application(view.Organization("acme"), application, int(object.Spec.Publish.MinimumShards),
			func(yield func(string, *resolve.Decision)) {
				for user, d := range view.Decisions("acme") {
					yield(user, d)
				}
			}, object.Spec.Publish.Formats...)
		for n := range want.Shards {
			for key, text := range want.Data(n) {
				if diff := cmp.Diff(text, c.published(publish.ApplicationName(application, n), key)); diff != "" {
					c.t.Fatalf("%s: %s of shard %d of %s (-whole rendering +published):\n%s", what, key, n, application, diff)
				}
			}
		}
		o := Output{ApplicationDocument, "acme", application}
		if diff := cmp.Diff(holdersIn(want), c.reconciler.tracker.holdersOf(o), cmp.AllowUnexported(holders{})); diff != "" {
			c.t.Fatalf("%s: the counts of %s (-whole rendering +noted):\n%s", what, application, diff)
		}
	}
}

// TestShardsFollowEveryChange changes objects, time and published ConfigMaps at random. After each change it checks
// that every shard equals that of a full rendering.
func TestShardsFollowEveryChange(t *testing.T) {
	for seed := range uint64(2) {
		c := &changes{world: newWorld(t), random: rand.New(rand.NewPCG(seed, 3))}
		for i := range 20 {
			c.users = append(c.users, fmt.Sprintf("user-%d@acme.example", i))
		}
		for _, application := range []string{"red", "blue"} {
			c.declare(&accessv1alpha1.ApplicationAccess{}, application, "{publish: {minimumShards: 8}}")
		}
		for range 25 {
			c.check(c.step())
		}
	}
}

// TestOneUserTouchesOneShard checks that a change touches the shards of the users whose access it changes, and every
// shard if the change is not about users.
func TestOneUserTouchesOneShard(t *testing.T) {
	red := Output{ApplicationDocument, "acme", "red"}
	ana, ben := userInShard("ana", 1, 4), userInShard("ben", 2, 4)
	group := "{members: [{user: %q}], applicationAccess: [{application: %s, role: Viewer}]}"
	for name, tc := range map[string]struct {
		change func(w *world)
		want   publish.ShardSet
	}{
		"a member of a group": {func(w *world) {
			w.write(&accessv1alpha1.AccessGroup{}, "other", fmt.Sprintf(group, ben, "red"))
		}, publish.ShardOf(ben)},
		"another member of a group": {func(w *world) {
			w.write(&accessv1alpha1.AccessGroup{}, "team", fmt.Sprintf(group, ben, "red"))
		}, publish.ShardOf(ana) | publish.ShardOf(ben)},
		"a member of a group that gives another application": {func(w *world) {
			w.write(&accessv1alpha1.AccessGroup{}, "other", fmt.Sprintf(group, ben, "blue"))
		}, 0},
		"the application": {func(w *world) {
			w.write(&accessv1alpha1.ApplicationAccess{}, "red", "{publish: {minimumShards: 4}, displayName: Red}")
		}, publish.EveryShard},
		"the rules": {func(w *world) {
			w.write(&accessv1alpha1.AccessPolicy{}, accessv1alpha1.AccessPolicyName, "{conflictResolution: MostPermissive}")
		}, publish.EveryShard},
		"a resync": {func(w *world) { w.reconciler.resync() }, publish.EveryShard},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tracker := w.reconciler.tracker
			w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{publish: {minimumShards: 4}}")
			w.declare(&accessv1alpha1.AccessGroup{}, "team", fmt.Sprintf(group, ana, "red"))
			if _, open := tracker.planOf(red); open != 0 {
				t.Fatalf("shards %b are to be rendered although all are published", open)
			}
			tc.change(w)
			w.reconciler.settle()
			if _, open := tracker.planOf(red); open != tc.want {
				t.Errorf("shards %b are to be rendered, want %b", open, tc.want)
			}
			w.run()
			if _, open := tracker.planOf(red); open != 0 {
				t.Errorf("shards %b are to be rendered although all are published", open)
			}
		})
	}
}

// TestTouchDuringARenderingStaysOpen checks that a change which is marked after a rendering began stays open,
// because it is not known whether the rendering includes it.
func TestTouchDuringARenderingStaysOpen(t *testing.T) {
	tr, red := newTracker(), Output{ApplicationDocument, "acme", "red"}
	open := func(want publish.ShardSet) {
		t.Helper()
		if _, got := tr.planOf(red); got != want {
			t.Errorf("shards %b are to be rendered, want %b", got, want)
		}
	}
	open(publish.EveryShard) // the document has no state
	tr.touch(red, touch{}, june)
	open(publish.EveryShard)
	tr.planned(red, tr.begin(red))
	open(0)
	ana, ben := publish.ShardOf(userInShard("ana", 1, 4)), publish.ShardOf(userInShard("ben", 2, 4))
	tr.touch(red, touch{shards: ana}, june)
	began := tr.begin(red)
	tr.touch(red, touch{shards: ben}, june)
	open(ana | ben)
	tr.planned(red, began)
	open(ben)
	tr.touch(red, touch{shards: ana}, june)
	open(ana | ben)
	tr.planned(red, tr.begin(red))
	open(0)
}

// orderedQueue records the order in which outputs are added.
type orderedQueue struct {
	*world

	order []Output
}

func (q *orderedQueue) AddWithOpts(options priorityqueue.AddOpts, outputs ...Output) {
	q.order = append(q.order, outputs...)
	q.world.AddWithOpts(options, outputs...)
}

// TestApplicationDocumentsAreMarkedFirst changes, in one settlement, the rules of two organizations and a member of a
// third one.
func TestApplicationDocumentsAreMarkedFirst(t *testing.T) {
	w := newWorld(t)
	group := "{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: %s}]}"
	organizations := []string{"acme", "globex", "initech"}
	for _, namespace := range organizations {
		w.write(&accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}, "red", "{}")
		w.write(&accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}, "team", fmt.Sprintf(group, "Viewer"))
	}
	w.run()
	queue := &orderedQueue{world: w}
	w.reconciler.queue = queue
	for _, namespace := range organizations[:2] {
		w.write(&accessv1alpha1.AccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}},
			accessv1alpha1.AccessPolicyName, "{conflictResolution: MostPermissive}")
	}
	w.write(&accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: organizations[2]}}, "team", fmt.Sprintf(group, "Editor"))
	w.reconciler.settle()
	var kinds []OutputKind
	for _, o := range queue.order {
		if o.isDocument() {
			kinds = append(kinds, o.Kind)
		}
	}
	applications, users := 0, 0
	for _, kind := range kinds {
		switch kind {
		case ApplicationDocument:
			applications++
			if users > 0 {
				t.Fatalf("documents are marked in the order %v, want every application document first", kinds)
			}
		case UserDocument:
			users++
		}
	}
	if applications != len(organizations) || users < len(organizations) {
		t.Errorf("documents are marked in the order %v, want one of each organization's application and user", kinds)
	}
}

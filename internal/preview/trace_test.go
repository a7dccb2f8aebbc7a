package preview_test

import (
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// TestAttackAPreviewLeavesNoTrace previews arbitrary pairs of objects. An API server would not send most of
// them: versions of objects that the roster does not have, other users, unknown namespaces, and objects that do
// not exist. After each preview, the state of the roster must be unchanged. At the end, it must equal that of a
// new roster.
func TestAttackAPreviewLeavesNoTrace(t *testing.T) {
	for seed := range uint64(8) {
		w := rostertest.NewWorld(seed, 23)
		options := roster.Options{SystemNamespace: rostertest.System}
		objects := map[string]client.Object{}
		for i := range 40 {
			o := w.Object()
			o.SetResourceVersion(strconv.Itoa(i))
			o.SetUID(types.UID(strconv.Itoa(w.IntN(3))))
			objects[rostertest.Key(o)] = o
		}
		r := freshRoster(t, options, objects, w.Start)
		for step := range 60 {
			before, after := pair(w, objects)
			was := rostertest.Dump(r)
			_, _ = preview.Of(t.Context(), r.View(), before, after, w.Start.Add(time.Second)) // Of rejects some pairs
			if diff := cmp.Diff(was, rostertest.Dump(r)); diff != "" {
				t.Fatalf("seed %d, step %d: a preview of %s left a trace (-before +after):\n%s", seed, step, pairName(before, after), diff)
			}
		}
		// Deciding again for all users reveals differences in cached data.
		changeAllRules(t, w, r, objects)
		if diff := cmp.Diff(rostertest.DumpLasting(freshRoster(t, options, objects, w.Start)), rostertest.DumpLasting(r)); diff != "" {
			t.Fatalf("seed %d: the roster differs from a newly built one (-new +kept):\n%s", seed, diff)
		}
	}
}

// changeAllRules makes the roster decide again for every user of every organization.
func changeAllRules(t *testing.T, w *rostertest.World, r *roster.Roster, objects map[string]client.Object) {
	t.Helper()
	for _, namespace := range rostertest.Namespaces {
		policy := &accessv1alpha1.AccessPolicy{}
		policy.Namespace, policy.Name = namespace, accessv1alpha1.AccessPolicyName
		policy = w.Another(policy).(*accessv1alpha1.AccessPolicy)
		must(t, r.Set(policy))
		objects[rostertest.Key(policy)] = policy
	}
	r.Settle(w.Start)
}

// pair returns the two objects of an admission review, forged or not.
func pair(w *rostertest.World, objects map[string]client.Object) (before, after client.Object) {
	after = w.Object()
	switch w.IntN(5) {
	case 0:
		if known := objects[rostertest.Key(after)]; known != nil { // otherwise it is created
			before = known.DeepCopyObject().(client.Object)
		}
	case 1:
		before = w.Another(after)
	case 2:
		before = w.Object() // any other object
	case 3:
		after.SetNamespace("unknown-" + strconv.Itoa(w.IntN(100)))
		before = w.Another(after)
	case 4:
		before, after = after, nil
	}
	if before != nil && w.Chance(50) {
		before.SetResourceVersion(strconv.Itoa(w.IntN(100)))
		before.SetUID(types.UID(strconv.Itoa(w.IntN(3))))
	}
	if user, is := before.(*accessv1alpha1.UserAccess); is && w.Chance(30) {
		user.Spec.User = accessv1alpha1.UserName(rostertest.Pick(w, rostertest.Users))
	}
	if after != nil {
		after.SetGeneration(int64(w.IntN(3)))
		after.SetUID(types.UID(strconv.Itoa(w.IntN(3))))
	}
	return before, after
}

func pairName(before, after client.Object) string {
	name := func(o client.Object) string {
		if o == nil {
			return "nothing"
		}
		return rostertest.Key(o)
	}
	return name(before) + " to " + name(after)
}

// TestAttackPhantom previews an object over another object with a different name. The second object used to stay
// in the roster, and the next decision for its user applied it.
func TestAttackPhantom(t *testing.T) {
	for name, namespace := range map[string]string{"of an organization": "acme", "of the system namespace": rostertest.System} {
		t.Run(name, func(t *testing.T) {
			staff := namedGroup("acme", "staff", "ana", "Viewer")
			objects := map[string]client.Object{"staff": staff}
			r := freshRoster(t, roster.Options{SystemNamespace: rostertest.System}, objects, rostertest.NewWorld(0, 0).Start)
			was := rostertest.Dump(r)
			forged, phantom := namedGroup(namespace, "a1", "eve", "Viewer"), namedGroup(namespace, "phantom", "eve", "Administrator")
			refuses(t, r, phantom, forged)
			refuses(t, r, namedGroup(namespace, "staff", "eve", "Viewer"), namedGroup("other", "staff", "eve", "Viewer"))
			refuses(t, r, phantom, &accessv1alpha1.UserAccess{ObjectMeta: phantom.ObjectMeta})
			refuses(t, r, nil, nil)
			if diff := cmp.Diff(was, rostertest.Dump(r)); diff != "" {
				t.Errorf("a phantom stays (-before +after):\n%s", diff)
			}
		})
	}
}

func refuses(t *testing.T, r *roster.Roster, before, after client.Object) {
	t.Helper()
	if _, err := preview.Of(t.Context(), r.View(), before, after, rostertest.NewWorld(0, 0).Start); err == nil {
		t.Errorf("%s was previewed", pairName(before, after))
	}
}

func namedGroup(namespace, name, user, role string) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{}
	g.Namespace, g.Name = namespace, name
	g.Spec.Members = []accessv1alpha1.Member{{User: accessv1alpha1.UserName(user)}}
	if namespace != rostertest.System {
		g.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{Application: accessv1alpha1.All, Role: accessv1alpha1.RoleName(role)}}
		return g
	}
	g.Spec.Type = accessv1alpha1.GroupTypeSystem
	g.Spec.SystemAccess = []accessv1alpha1.SystemGrant{{Organization: accessv1alpha1.All, Role: "SystemAdministrator"}}
	return g
}

// TestTheDumpSeesDifferences checks that the dump differs between different rosters. With a dump that shows no
// differences, every test would pass.
func TestTheDumpSeesDifferences(t *testing.T) {
	seen := map[string]string{}
	for seed := range uint64(200) {
		w := rostertest.NewWorld(seed, 29)
		objects := map[string]client.Object{}
		for range 6 {
			o := w.Object()
			objects[rostertest.Key(o)] = o
		}
		options := roster.Options{SystemNamespace: rostertest.System}
		r := freshRoster(t, options, objects, w.Start)
		text := fmt.Sprint(rostertest.DumpLasting(r))
		if another := fmt.Sprint(rostertest.DumpLasting(freshRoster(t, options, maps.Clone(objects), w.Start))); another != text {
			t.Fatalf("seed %d: the same objects differ:\n%s", seed, cmp.Diff(text, another))
		}
		if other, again := seen[text]; again {
			t.Fatalf("seeds %d and %s look the same", seed, other)
		}
		seen[text] = strconv.Itoa(int(seed))
	}
}

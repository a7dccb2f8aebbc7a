package console

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

// groupAt returns a version of an AccessGroup with one member.
func groupAt(name string, version uint64, user accessv1alpha1.UserName) *accessv1alpha1.AccessGroup {
	return &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "acme", ResourceVersion: fmt.Sprint(version), UID: types.UID(name),
		},
		Spec: accessv1alpha1.AccessGroupSpec{
			Members: []accessv1alpha1.Member{{User: user}}, OrganizationRole: "Viewer",
		},
	}
}

func settledBy(tb testing.TB, all ...client.Object) *source.World {
	tb.Helper()
	set := &objects.Set{}
	for _, o := range all {
		set.Objects = append(set.Objects, objects.Object{Object: o})
	}
	w, err := (&source.Source{SystemNamespace: "access-system"}).Settle(set, "", now)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// TestMergeSeenVersions checks which versions of objects a world takes over from watches and writes.
func TestMergeSeenVersions(t *testing.T) {
	const name = "AccessGroup/acme/readers"
	for title, c := range map[string]struct {
		pending map[string]seen
		// users are those with access afterwards. Nil means that nothing is published.
		users []string
	}{
		"nothing":                 {nil, nil},
		"the known version":       {map[string]seen{name: {groupAt("readers", 5, "ana"), 5}}, nil},
		"an older version":        {map[string]seen{name: {groupAt("readers", 4, "old"), 4}}, nil},
		"an older deletion":       {map[string]seen{name: {nil, 4}}, nil},
		"a newer version":         {map[string]seen{name: {groupAt("readers", 6, "ben"), 6}}, []string{"ben"}},
		"a deletion":              {map[string]seen{name: {nil, 6}}, []string{}},
		"a new object":            {map[string]seen{"AccessGroup/acme/others": {groupAt("others", 6, "ben"), 6}}, []string{"ana", "ben"}},
		"an unknown deletion":     {map[string]seen{"AccessGroup/acme/others": {nil, 6}}, nil},
		"a version and a new one": {map[string]seen{name: {groupAt("readers", 7, "clara"), 7}, "AccessGroup/acme/others": {groupAt("others", 6, "ben"), 6}}, []string{"ben", "clara"}},
	} {
		t.Run(title, func(t *testing.T) {
			w := settledBy(t, groupAt("readers", 5, "ana"))
			made, err := merge(w, c.pending, now, true, nil)
			if err != nil {
				t.Fatal(err)
			}
			if (made == nil) != (c.users == nil) {
				t.Fatalf("published: %t", made != nil)
			}
			if made == nil {
				return
			}
			if diff := cmp.Diff(c.users, append([]string{}, made.Users("acme")...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := w.Users("acme"); !slices.Equal(got, []string{"ana"}) {
				t.Errorf("the world before has changed: %v", got)
			}
		})
	}
}

func TestReplacedListsDelete(t *testing.T) {
	b := &clusterBackend{clock: func() time.Time { return now }}
	b.pending.objects, b.pending.signal = map[string]seen{}, make(chan struct{}, 1)
	b.failures.by = map[string]error{}
	b.set(settledBy(t))
	s := &watched{backend: b, names: map[string]bool{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Replace([]any{groupAt("readers", 1, "ana"), groupAt("others", 2, "ben")}, "2"))
	b.takeOver()
	must(s.Update(groupAt("others", 4, "clara")))
	must(s.Replace([]any{groupAt("others", 4, "clara")}, "5"))
	b.takeOver()
	w, version := b.World()
	if got := w.Users("acme"); !slices.Equal(got, []string{"clara"}) {
		t.Errorf("users: %v", got)
	}
	must(s.Delete(groupAt("others", 6, "clara")))
	b.takeOver()
	w, later := b.World()
	if got := w.Users("acme"); len(got) != 0 || version == later {
		t.Errorf("users: %v, version %s after %s", got, later, version)
	}
}

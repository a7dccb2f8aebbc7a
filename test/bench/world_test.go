package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func TestWorldHasItsSize(t *testing.T) {
	for _, s := range sizes[:2] {
		t.Run(s.Name, func(t *testing.T) {
			w := newWorld(s)
			if len(w.users) != s.Users || len(w.groups) != s.Groups || len(w.applications) != s.Applications {
				t.Errorf("%d users, %d groups, %d applications", len(w.users), len(w.groups), len(w.applications))
			}
			memberships := 0
			names := map[string]bool{}
			for _, g := range w.groups {
				if names[g.Name] {
					t.Errorf("two groups %s", g.Name)
				}
				names[g.Name] = true
				memberships += len(g.Spec.Members)
			}
			if average := float64(memberships) / float64(s.Users); average < 9.5 || average > 11 {
				t.Errorf("a user is in %.1f groups", average)
			}
			if len(w.newcomers) < singles {
				t.Errorf("%d newcomers", len(w.newcomers))
			}
			if diff := cmp.Diff(w.group(w.joined), newWorld(s).group(w.joined)); diff != "" {
				t.Errorf("another world the second time:\n%s", diff)
			}
		})
	}
}

// TestOnlyTheWaveGivesItsAccess checks that no other group gives the same access, because its members would
// otherwise stay in the document after a deletion.
func TestOnlyTheWaveGivesItsAccess(t *testing.T) {
	w := newWorld(sizes[0])
	for _, v := range w.waves {
		in := map[accessv1alpha1.UserName]bool{}
		for _, m := range w.group(v.group).Spec.Members {
			in[m.User] = true
		}
		if len(in) != v.members {
			t.Errorf("%s has %d members", v.group, len(in))
		}
		others := 0
		for _, g := range w.groups {
			for _, a := range g.Spec.ApplicationAccess {
				if string(a.Application) != v.application || g.Name == v.group {
					continue
				}
				others += len(g.Spec.Members)
				for _, m := range g.Spec.Members {
					if in[m.User] {
						t.Errorf("%s gives %s to %s too", g.Name, v.application, m.User)
					}
				}
				if len(g.Spec.MemberGroups) > 0 {
					t.Errorf("%s gives %s to a user who is not one of its members", g.Name, v.application)
				}
			}
		}
		if others == 0 {
			t.Errorf("nobody else is in %s", v.application)
		}
	}
}

func TestEveryUserHasAnAttribute(t *testing.T) {
	for own, want := range map[bool]int{true: sizes[0].Users, false: 1} {
		w := newAttributeWorld(sizes[0], own)
		values, members := map[accessv1alpha1.AttributeValue]bool{}, 0
		for _, ua := range w.declared {
			values[ua.Spec.Attributes[0].Values[0]] = true
		}
		for _, g := range w.groups {
			members += len(g.Spec.Members)
		}
		if len(values) != want || members != sizes[0].Users {
			t.Errorf("own %t: %d distinct values of %d members, want %d", own, len(values), members, want)
		}
	}
}

func TestDifference(t *testing.T) {
	put := func(s snapshot, resource, name, bytes string) {
		s[written{resource, name}] = content{object(resource, name), bytes}
	}
	before, after := snapshot{}, snapshot{}
	put(before, configMaps, "user-access-ana", "old")
	put(after, configMaps, "user-access-ana", "new")
	put(before, configMaps, "user-access-ben", "same")
	put(after, configMaps, "user-access-ben", "same")
	put(before, userAccess, "ana", "old")
	put(after, userAccess, "ana", "new")
	put(before, groupAccess, "gone", "old")
	put(after, groupAccess, "come", "new")
	put(before, configMaps, "application-access-red", "old")
	put(after, configMaps, "application-access-red", "new")
	put(after, configMaps, "application-access-red.1", "new")
	changes := difference(before, after)
	list := func(changes []change) string {
		var names []string
		for _, c := range changes {
			names = append(names, c.resource+" "+c.name)
		}
		return strings.Join(names, ", ")
	}
	for got, want := range map[string]string{
		list(changes): "configmaps application-access-red, configmaps application-access-red.1, " +
			"configmaps user-access-ana, accessgroups come, useraccesses ana",
		list(of(changes, "red")): "configmaps application-access-red, configmaps application-access-red.1",
		list(updates(changes)):   "configmaps application-access-red, configmaps user-access-ana, useraccesses ana",
	} {
		if got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

func object(resource, name string) client.Object {
	if resource == configMaps {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	return &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestMissingScenarioIsNamed(t *testing.T) {
	for _, tc := range []struct{ size, only, want string }{
		{"XL", "", `no size "XL": take one of S, M, L`},
		{"S", "speed", `no scenario "speed": take one of fan-out, `},
	} {
		if _, err := newBench(tc.size, tc.only, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

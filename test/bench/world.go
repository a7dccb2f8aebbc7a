package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	organization = "acme"

	// seed makes every run measure the same objects.
	seed = 20260601

	// groupsEach is the approximate number of groups of a user.
	groupsEach = 10
	// reserved is the number of applications to which only the waves and their neighbours give access. The next
	// application is reserved for the group joined.
	reserved = 3
	// newcomers is the number of users who can join a group and are then in a document because of it.
	newcomers = 400
)

// wave is a group for a scenario. No other group gives its members access to its application.
type wave struct {
	group       string
	application string
	members     int
}

// world is the declared state. It has what real organizations have: nested groups, rows, ends, conflicting roles, and
// users with and without a declared UserAccess.
type world struct {
	size         size
	users        []string
	policy       *accessv1alpha1.AccessPolicy
	applications []*accessv1alpha1.ApplicationAccess
	groups       []*accessv1alpha1.AccessGroup
	declared     []*accessv1alpha1.UserAccess
	waves        []wave
	// joined is the group that newcomers join. It gives access to joinedApplication.
	joined            string
	joinedApplication string
	newcomers         []string
}

// newWorld returns the world for a size. It is deterministic.
func newWorld(s size) *world {
	random := rand.New(rand.NewPCG(seed, uint64(s.Users)))
	w := &world{size: s, policy: newPolicy(s)}
	for i := range s.Users {
		w.users = append(w.users, fmt.Sprintf("user-%05d@acme.example", i))
	}
	for i := range s.Applications {
		w.applications = append(w.applications, &accessv1alpha1.ApplicationAccess{
			ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: applicationName(i)},
		})
	}
	for i := 0; i < s.Users; i += 10 {
		w.declared = append(w.declared, &accessv1alpha1.UserAccess{
			ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: fmt.Sprintf("declared-%05d", i)},
			Spec:       accessv1alpha1.UserAccessSpec{User: accessv1alpha1.UserName(w.users[i])},
		})
	}
	w.addWaves()
	w.addGroups(random)
	w.fillGroups(random)
	w.findNewcomers()
	return w
}

func applicationName(i int) string { return fmt.Sprintf("application-%03d", i) }

// newPolicy returns a policy with every expensive check enabled, and with bounds that are never reached.
func newPolicy(s size) *accessv1alpha1.AccessPolicy {
	return &accessv1alpha1.AccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: "default"},
		Spec: accessv1alpha1.AccessPolicySpec{
			ExclusiveAccess: []accessv1alpha1.ExclusiveAccess{{
				Name: "one-or-the-other", MinimumRole: "Administrator",
				Applications: []accessv1alpha1.ApplicationName{
					accessv1alpha1.ApplicationName(applicationName(s.Applications - 2)),
					accessv1alpha1.ApplicationName(applicationName(s.Applications - 1)),
				},
			}},
			RevocationLimit: accessv1alpha1.RevocationLimit{Users: new(int32(1_000_000))},
		},
	}
}

func newGroup(name string, gives ...accessv1alpha1.ApplicationGrant) *accessv1alpha1.AccessGroup {
	return &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: name},
		Spec:       accessv1alpha1.AccessGroupSpec{ApplicationAccess: gives},
	}
}

func gives(application, role string) accessv1alpha1.ApplicationGrant {
	return accessv1alpha1.ApplicationGrant{
		Application: accessv1alpha1.ApplicationSelector(application), Role: accessv1alpha1.RoleName(role),
	}
}

func member(user string) accessv1alpha1.Member {
	return accessv1alpha1.Member{User: accessv1alpha1.UserName(user)}
}

// addWaves puts the first users into the waves. Members of the smaller wave are also in the larger one.
func (w *world) addWaves() {
	for i, members := range w.size.Waves {
		v := wave{fmt.Sprintf("wave-%d", members), applicationName(i), members}
		g := newGroup(v.group, gives(v.application, "Viewer"))
		for _, user := range w.users[:members] {
			g.Spec.Members = append(g.Spec.Members, member(user))
		}
		w.waves, w.groups = append(w.waves, v), append(w.groups, g)
	}
	administrators := newGroup("administrators")
	administrators.Spec.OrganizationRole = "Administrator"
	for _, user := range w.users[len(w.users)-3:] {
		administrators.Spec.Members = append(administrators.Spec.Members, member(user))
	}
	w.joined, w.joinedApplication = "joined", applicationName(reserved)
	joined := newGroup(w.joined, gives(w.joinedApplication, "Editor"))
	joined.Spec.Members = administrators.Spec.Members[:1]
	w.groups = append(w.groups, administrators, joined)
}

// neighbours returns the number of groups that give the reserved applications to about two thirds of the users who are
// in no wave, so that a document still has users after a wave is deleted.
func (w *world) neighbours() int { return w.size.Groups / 10 }

// addGroups adds the other groups, without members.
func (w *world) addGroups(random *rand.Rand) {
	special := len(w.groups)
	for i := range w.size.Groups - special {
		g := newGroup(fmt.Sprintf("group-%04d", i))
		w.groups = append(w.groups, g)
		if i < w.neighbours() {
			for a := range reserved {
				g.Spec.ApplicationAccess = append(g.Spec.ApplicationAccess, gives(applicationName(a), anyRole(random)))
			}
			continue
		}
		nested := i%30 == 0
		first := reserved
		if nested {
			first++ // members of nested groups are not among the newcomers
			g.Spec.MemberGroups = []accessv1alpha1.GroupName{accessv1alpha1.GroupName(w.groups[len(w.groups)-2].Name)}
		}
		for _, a := range random.Perm(w.size.Applications - first)[:1+random.IntN(3)] {
			g.Spec.ApplicationAccess = append(g.Spec.ApplicationAccess, gives(applicationName(first+a), anyRole(random)))
		}
		if i%10 == 0 {
			g.Spec.DataPermissions = []accessv1alpha1.DataPermission{{
				Application: g.Spec.ApplicationAccess[0].Application,
				AnyOf: []accessv1alpha1.RowAlternative{{AllOf: []accessv1alpha1.RowRequirement{{
					Attribute: "country", Operator: accessv1alpha1.DataOperatorIn, Values: []accessv1alpha1.AttributeValue{"France", "Spain"},
				}}}},
			}}
		}
	}
}

func anyRole(random *rand.Rand) string {
	return []string{
		"Viewer", "Viewer", "Viewer", "Viewer", "Viewer", "Viewer", "Editor", "Editor", "Editor", "Administrator",
	}[random.IntN(10)]
}

// fillGroups puts every user into about ten groups.
func (w *world) fillGroups(random *rand.Rand) {
	special := len(w.size.Waves) + 2
	end := metav1.NewTime(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
	for i, user := range w.users {
		from := special
		if i < w.size.largest() {
			from += w.neighbours()
		}
		for _, g := range random.Perm(len(w.groups) - from)[:groupsEach-2+random.IntN(5)] {
			m := member(user)
			if random.IntN(50) == 0 {
				m.NotAfter = &end
			}
			group := w.groups[from+g]
			group.Spec.Members = append(group.Spec.Members, m)
		}
	}
}

// findNewcomers finds users without a role in the application of the group that they are to join.
func (w *world) findNewcomers() {
	has := map[string]bool{}
	for _, g := range w.groups {
		if g.Name == "administrators" || slices.ContainsFunc(g.Spec.ApplicationAccess, func(a accessv1alpha1.ApplicationGrant) bool {
			return string(a.Application) == w.joinedApplication
		}) {
			for i := range g.Spec.Members {
				has[string(g.Spec.Members[i].User)] = true
			}
		}
	}
	for _, user := range w.users {
		if !has[user] && len(w.newcomers) < newcomers {
			w.newcomers = append(w.newcomers, user)
		}
	}
}

// largest returns the largest wave.
func (w *world) largest() wave { return w.waves[len(w.waves)-1] }

// group returns a copy of a declared group.
func (w *world) group(name string) *accessv1alpha1.AccessGroup {
	for _, g := range w.groups {
		if g.Name == name {
			return g.DeepCopy()
		}
	}
	return nil
}

// objects returns all declared objects, those that others refer to first.
func (w *world) objects() []client.Object {
	all := []client.Object{w.policy}
	for _, o := range w.applications {
		all = append(all, o)
	}
	for _, o := range w.groups {
		all = append(all, o)
	}
	for _, o := range w.declared {
		all = append(all, o)
	}
	return all
}

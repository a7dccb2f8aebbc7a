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

	// groupsEach is about how many groups a user is in.
	groupsEach = 10
	// reserved applications are given by the waves and their neighbours only, one after them by joined.
	reserved = 3
	// newcomers are users who can join a group and come into a document by it.
	newcomers = 400
)

// wave is a group on which a scenario turns: nothing else gives its members anything in its application.
type wave struct {
	group       string
	application string
	members     int
}

// world is what is declared. It holds what real organizations hold: groups in groups, rows, ends, roles that conflict,
// users declared and users only named.
type world struct {
	size         size
	users        []string
	policy       *accessv1alpha1.AccessPolicy
	applications []*accessv1alpha1.ApplicationAccess
	groups       []*accessv1alpha1.AccessGroup
	declared     []*accessv1alpha1.UserAccess
	waves        []wave
	// joined is the group that newcomers join, and by that come into the document of joinedApplication.
	joined            string
	joinedApplication string
	newcomers         []string
}

// newWorld makes the same world for a size every time.
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

// newPolicy has every check on that costs something, with bounds that are never reached.
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

// addWaves puts the first users into the waves: everybody in the smaller one is also in the larger one.
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

// neighbours are as many groups as give the reserved applications to those who are in no wave, to about two of three of
// them: a group that goes leaves a document behind in which there are others.
func (w *world) neighbours() int { return w.size.Groups / 10 }

// addGroups adds the groups that are there beside the special ones, without members.
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
			first++ // whom a group has by another one is not looked for among newcomers
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

// findNewcomers finds users to whom nothing gives a role in the application of the group that they are to join.
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

// wave returns the largest one.
func (w *world) largest() wave { return w.waves[len(w.waves)-1] }

// group returns a copy of what is declared.
func (w *world) group(name string) *accessv1alpha1.AccessGroup {
	for _, g := range w.groups {
		if g.Name == name {
			return g.DeepCopy()
		}
	}
	return nil
}

// objects are all that is declared, those that others name first.
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

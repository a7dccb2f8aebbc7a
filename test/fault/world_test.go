package fault_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	systemNamespace = "access-system"
	// first has all users, and second every third of them, so that these have an organizations document.
	firstOrganization  = "acme"
	secondOrganization = "globex"
)

// world is the declared state: two small organizations with everything that real ones have. Every change replaces an
// object and leaves the previous one unmodified.
type world struct {
	random  *rand.Rand
	users   []string
	objects []client.Object
}

// wave is the group whose changes affect all of its members and nobody else, because no other group gives access to its
// application.
const (
	wave            = "wave"
	waveApplication = "red"
)

// team returns the name of another group.
func team(i int) string { return fmt.Sprintf("team-%02d", i) }

func newWorld(random *rand.Rand, users int) *world {
	w := &world{random: random}
	for i := range users {
		w.users = append(w.users, fmt.Sprintf("user-%04d@acme.example", i))
	}
	for _, name := range []string{systemNamespace, firstOrganization, secondOrganization} {
		w.objects = append(w.objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for _, o := range []string{firstOrganization, secondOrganization} {
		for _, name := range []string{waveApplication, "blue", "green", "gray"} {
			w.objects = append(w.objects, &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: o, Name: name}})
		}
	}
	w.objects = append(w.objects, &accessv1alpha1.AccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: firstOrganization, Name: accessv1alpha1.AccessPolicyName},
		Spec: accessv1alpha1.AccessPolicySpec{ExclusiveAccess: []accessv1alpha1.ExclusiveAccess{{
			Name: "green-or-gray", Applications: []accessv1alpha1.ApplicationName{"green", "gray"}, MinimumRole: "Editor",
		}}},
	})
	w.addUsers()
	w.addGroups()
	return w
}

// addUsers declares some of the users. Every second one of these has a role of their own.
func (w *world) addUsers() {
	for i := 0; i < len(w.users); i += 10 {
		ua := &accessv1alpha1.UserAccess{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: firstOrganization, Name: fmt.Sprintf("declared-%04d", i), Labels: map[string]string{"desk": "one"},
			},
			Spec: accessv1alpha1.UserAccessSpec{User: accessv1alpha1.UserName(w.users[i])},
		}
		if i%20 == 0 {
			ua.Spec.OrganizationRole = "Viewer"
		}
		w.objects = append(w.objects, ua)
	}
}

func (w *world) addGroups() {
	big := newGroup(firstOrganization, wave, gives(waveApplication, "Viewer"))
	for _, user := range w.users[:len(w.users)*3/4] {
		big.Spec.Members = append(big.Spec.Members, member(user))
	}
	w.objects = append(w.objects, big)
	end, begin := metav1.NewTime(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)), metav1.NewTime(time.Date(2098, 1, 1, 0, 0, 0, 0, time.UTC))
	for i := range max(len(w.users)/10, 4) {
		g := newGroup(firstOrganization, team(i), gives([]string{"blue", "green", "gray", "*"}[i%4], anyRole(w.random)))
		for _, n := range w.random.Perm(len(w.users))[:8] {
			m := member(w.users[n])
			switch w.random.IntN(8) {
			case 0:
				m.NotAfter = &end
			case 1:
				m.NotBefore = &begin
			}
			g.Spec.Members = append(g.Spec.Members, m)
		}
		switch i % 5 {
		case 1:
			g.Spec.DataPermissions = rows(w.random)
		case 2:
			g.Spec.MemberGroups = []accessv1alpha1.GroupName{accessv1alpha1.GroupName(team(i - 1))}
		case 3:
			g.Spec.MemberSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"desk": "one"}}
		}
		w.objects = append(w.objects, g)
	}
	other := newGroup(secondOrganization, "everybody", gives("blue", "Editor"))
	for i := 0; i < len(w.users); i += 3 {
		other.Spec.Members = append(other.Spec.Members, member(w.users[i]))
	}
	observers := newGroup(systemNamespace, "observers")
	observers.Spec.Type = accessv1alpha1.GroupTypeSystem
	observers.Spec.SystemAccess = []accessv1alpha1.SystemGrant{{Organization: accessv1alpha1.All, Role: "Observer"}}
	for _, user := range w.users[:4] {
		observers.Spec.Members = append(observers.Spec.Members, member(user))
	}
	w.objects = append(w.objects, other, observers)
}

func newGroup(namespace, name string, grants ...accessv1alpha1.ApplicationGrant) *accessv1alpha1.AccessGroup {
	return &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       accessv1alpha1.AccessGroupSpec{ApplicationAccess: grants},
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

func anyRole(random *rand.Rand) string {
	return []string{"Viewer", "Viewer", "Editor", "RulesAdmin", "Administrator", "NoAccess"}[random.IntN(6)]
}

func rows(random *rand.Rand) []accessv1alpha1.DataPermission {
	countries := []accessv1alpha1.AttributeValue{"France", "Germany", "Italy", "Spain"}
	return []accessv1alpha1.DataPermission{{
		Application: accessv1alpha1.All,
		AnyOf: []accessv1alpha1.RowAlternative{{AllOf: []accessv1alpha1.RowRequirement{{
			Attribute: "country", Operator: accessv1alpha1.DataOperatorIn, Values: countries[:1+random.IntN(len(countries))],
		}}}},
	}}
}

// get returns a copy of an object of the kind of example, to modify it and put it back.
func get[T client.Object](w *world, namespace, name string) T {
	i := slices.IndexFunc(w.objects, func(o client.Object) bool {
		_, ok := o.(T)
		return ok && o.GetNamespace() == namespace && o.GetName() == name
	})
	return w.objects[i].DeepCopyObject().(T)
}

// put replaces the object of that kind and name. Earlier copies of the world do not change.
func (w *world) put(changed client.Object) {
	w.objects = slices.Clone(w.objects)
	for i, o := range w.objects {
		if fmt.Sprintf("%T", o) == fmt.Sprintf("%T", changed) && client.ObjectKeyFromObject(o) == client.ObjectKeyFromObject(changed) {
			w.objects[i] = changed
		}
	}
}

// waveGives changes what all members of the wave have, independently of its previous state.
func (w *world) waveGives(role string) client.Object {
	g := get[*accessv1alpha1.AccessGroup](w, firstOrganization, wave)
	g.Spec.Privileges, g.Spec.DataPermissions = accessv1alpha1.GroupPrivilegesEnabled, nil
	g.Spec.ApplicationAccess[0].Role = accessv1alpha1.RoleName(role)
	return g
}

// otherRole returns a role that the wave does not give now and that includes access.
func (w *world) otherRole() string {
	now := string(get[*accessv1alpha1.AccessGroup](w, firstOrganization, wave).Spec.ApplicationAccess[0].Role)
	roles := slices.DeleteFunc([]string{"Viewer", "Editor", "RulesAdmin", "Administrator"}, func(r string) bool { return r == now })
	return roles[w.random.IntN(len(roles))]
}

// anyChange changes one group at random.
func (w *world) anyChange() client.Object {
	name := team(w.random.IntN(max(len(w.users)/10, 4)))
	if w.random.IntN(3) == 0 {
		name = wave
	}
	return w.changeOf(name)
}

// changeOf changes a group of the first organization.
func (w *world) changeOf(name string) client.Object {
	g := get[*accessv1alpha1.AccessGroup](w, firstOrganization, name)
	switch w.random.IntN(5) {
	case 0:
		g.Spec.ApplicationAccess[0].Role = accessv1alpha1.RoleName(anyRole(w.random))
	case 1:
		if g.Spec.Privileges == accessv1alpha1.GroupPrivilegesDisabled {
			g.Spec.Privileges = accessv1alpha1.GroupPrivilegesEnabled
		} else {
			g.Spec.Privileges = accessv1alpha1.GroupPrivilegesDisabled
		}
	case 2:
		if g.Spec.DataPermissions = rows(w.random); w.random.IntN(3) == 0 {
			g.Spec.DataPermissions = nil
		}
	default:
		for range 1 + w.random.IntN(5) {
			toggle(g, w.users[w.random.IntN(len(w.users))])
		}
	}
	return g
}

func toggle(g *accessv1alpha1.AccessGroup, user string) {
	isUser := func(m accessv1alpha1.Member) bool { return string(m.User) == user }
	if slices.ContainsFunc(g.Spec.Members, isUser) {
		g.Spec.Members = slices.DeleteFunc(g.Spec.Members, isUser)
		return
	}
	g.Spec.Members = append(g.Spec.Members, member(user))
}

// shards changes how an application is published, which changes nobody's access.
func (w *world) shards(application string, minimum int32, formats ...accessv1alpha1.PublishFormat) client.Object {
	o := get[*accessv1alpha1.ApplicationAccess](w, firstOrganization, application)
	o.Spec.Publish = &accessv1alpha1.PublishSpec{MinimumShards: minimum, Formats: formats}
	return o
}

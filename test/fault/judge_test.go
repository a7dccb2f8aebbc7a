package fault_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
)

// play is a small world that goes from one state to another, and what a manager writes then.
type play struct {
	world         *world
	before, after contents
}

func newPlay(t *testing.T) *play {
	t.Helper()
	w := newWorld(rand.New(rand.NewPCG(1, 1)), 40)
	// A member of the wave has an end and rows, and the application is published in every format.
	g := get[*accessv1alpha1.AccessGroup](w, firstOrganization, wave)
	end := metav1.NewTime(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
	g.Spec.Members[7].NotAfter = &end
	w.put(g)
	w.put(w.shards(waveApplication, 2, accessv1alpha1.PublishFormatCSV, accessv1alpha1.PublishFormatCasbin, accessv1alpha1.PublishFormatOPA))
	p := &play{world: w, before: statesOf(t, w)}
	w.put(w.waveGives("Editor"))
	w.put(w.shards(waveApplication, 4))
	p.after = statesOf(t, w)
	return p
}

func statesOf(t *testing.T, w *world) contents {
	t.Helper()
	_, resolved, err := resolveAnew(w.objects, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return resolved.data()
}

// history writes the differences, the last shard first and removed ConfigMaps last.
func (p *play) history() *history {
	h := &history{before: p.before, states: []contents{p.before, p.after}, foreign: map[int64]struct{}{}}
	for _, key := range slices.Backward(slices.SortedFunc(maps.Keys(p.after), compareKeys)) {
		if !maps.Equal(p.before[key], p.after[key]) {
			h.write(key, p.after[key])
		}
	}
	for key := range p.before {
		if p.after[key] == nil {
			h.write(key, nil)
		}
	}
	return h
}

func (h *history) write(key types.NamespacedName, data map[string]string) {
	h.versions = append(h.versions, version{key: key, revision: int64(len(h.versions) + 1), data: data})
}

// replace writes the final content of a ConfigMap with one text replaced by another. The text must be in it.
func (p *play) replace(t *testing.T, h *history, key types.NamespacedName, from contents, old, text string) {
	t.Helper()
	changed := maps.Clone(from[key])
	for name, content := range changed {
		changed[name] = strings.ReplaceAll(content, old, text)
	}
	if maps.Equal(changed, from[key]) {
		t.Fatalf("%s does not hold %q:\n%s", key, old, textOf(from[key]))
	}
	h.write(key, changed)
}

func TestJudge(t *testing.T) {
	inFirst := func(name string) types.NamespacedName {
		return types.NamespacedName{Namespace: firstOrganization, Name: name}
	}
	red := inFirst(publish.ApplicationName(waveApplication, 0))
	member := func(p *play) string { return p.world.users[5] } // in the wave, without an end
	shardOf := func(c contents, user string) types.NamespacedName {
		for i := range 4 {
			if key := inFirst(publish.ApplicationName(waveApplication, i)); strings.Contains(c[key][document.AccessKey], user) {
				return key
			}
		}
		panic("nobody has " + user)
	}
	ofUser := func(user string) types.NamespacedName {
		return inFirst(publish.UserDocumentName(identity.Name(user)))
	}
	for name, tc := range map[string]struct {
		mutate func(t *testing.T, p *play, h *history)
		want   string // in the error; "" for no error
	}{
		"what a manager writes": {mutate: func(*testing.T, *play, *history) {}},
		"back to the state before": {mutate: func(_ *testing.T, p *play, h *history) {
			h.write(ofUser(member(p)), p.before[ofUser(member(p))])
		}},
		"a role that no state gives": {func(t *testing.T, p *play, h *history) {
			p.replace(t, h, red, p.after, `"role":"Editor"`, `"role":"Administrator"`)
		}, "what no state gives"},
		"the role of another application": {func(t *testing.T, p *play, h *history) {
			p.replace(t, h, ofUser(member(p)), p.after, `"role":"Editor"`, `"role":"RulesAdmin"`)
		}, "what no state gives"},
		"a stranger": {func(t *testing.T, p *play, h *history) {
			key := shardOf(p.after, member(p))
			p.replace(t, h, key, p.after, member(p), "mallory@acme.example")
		}, "mallory@acme.example"},
		"an end that is gone": {func(t *testing.T, p *play, h *history) {
			p.replace(t, h, shardOf(p.after, p.world.users[7]), p.after, `"notAfter":"2099-01-01T00:00:00Z",`, "")
		}, "what no state gives"},
		"a later end": {func(t *testing.T, p *play, h *history) {
			p.replace(t, h, ofUser(p.world.users[7]), p.after, "2099-01-01", "2199-01-01")
		}, "what no state gives"},
		"a user document that mixes two states": {func(t *testing.T, p *play, h *history) {
			key := ofUser(member(p))
			p.replace(t, h, key, p.after, `"defaultRole":"`+defaultRole(t, p.after[key])+`"`, `"defaultRole":"Administrator"`)
		}, "what no state gives"},
		"a user who is missing for a moment": {func(t *testing.T, p *play, h *history) {
			key := shardOf(p.after, member(p))
			without := maps.Clone(p.after[key])
			without[document.AccessKey] = withoutUsers(t, without[document.AccessKey])
			h.write(key, without)
			h.write(key, p.after[key])
		}, "leaves out"},
		"a shard that goes before its users are elsewhere": {func(_ *testing.T, _ *play, h *history) {
			h.versions = nil
			h.write(inFirst(publish.ApplicationName(waveApplication, 1)), nil)
		}, "leaves out"},
		"a user document that goes for a moment": {func(_ *testing.T, p *play, h *history) {
			h.write(ofUser(member(p)), nil)
			h.write(ofUser(member(p)), p.after[ofUser(member(p))])
		}, "leaves out"},
		"a user document that is empty for a moment": {func(_ *testing.T, p *play, h *history) {
			h.write(ofUser(member(p)), publish.UserData(publish.EmptyUser(firstOrganization, member(p))))
		}, "leaves out"},
		"an organization that the user may not enter": {func(t *testing.T, p *play, h *history) {
			key := types.NamespacedName{Namespace: systemNamespace, Name: publish.OrganizationsName(identity.Name(p.world.users[0]))}
			p.replace(t, h, key, p.after, `"name":"globex"`, `"name":"initech"`)
		}, "initech"},
		"a format that gives more": {func(_ *testing.T, p *play, h *history) {
			changed := maps.Clone(p.before[red])
			changed[publish.UsersCSVKey] += "mallory@acme.example,Viewer\n"
			h.write(red, changed)
		}, "access.csv gives mallory@acme.example"},
		"policies that give more": {func(_ *testing.T, p *play, h *history) {
			changed := maps.Clone(p.before[red])
			changed[publish.CasbinKey] += "g, mallory@acme.example, Viewer, red\n"
			h.write(red, changed)
		}, "policy.csv gives mallory@acme.example"},
		"a copy that differs": {func(_ *testing.T, p *play, h *history) {
			changed := maps.Clone(p.before[red])
			changed[publish.OPAKey] = p.after[red][document.AccessKey]
			h.write(red, changed)
		}, "data.json differs"},
		"no document": {func(_ *testing.T, _ *play, h *history) {
			h.write(red, map[string]string{})
		}, red.String()},
		"somebody else's edit, put right": {mutate: func(t *testing.T, p *play, h *history) {
			p.replace(t, h, red, p.after, `"role":"Editor"`, `"role":"Administrator"`)
			h.foreign[h.versions[len(h.versions)-1].revision] = struct{}{}
			h.write(red, p.after[red])
		}},
		"the manager's own after somebody else's edit": {func(t *testing.T, p *play, h *history) {
			h.write(red, nil)
			h.foreign[h.versions[len(h.versions)-1].revision] = struct{}{}
			p.replace(t, h, red, p.after, `"role":"Editor"`, `"role":"Administrator"`)
		}, "what no state gives"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			h := p.history()
			tc.mutate(t, p, h)
			switch err := h.judge(); {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want something about %q", err, tc.want)
			}
		})
	}
}

func defaultRole(t *testing.T, data map[string]string) string {
	t.Helper()
	read, err := document.Parse([]byte(data[document.AccessKey]))
	if err != nil {
		t.Fatal(err)
	}
	return read.Users[0].DefaultRole
}

func withoutUsers(t *testing.T, text string) string {
	t.Helper()
	head, _, found := strings.Cut(text, `"users":{`)
	if !found {
		t.Fatalf("no users in %s", text)
	}
	return head + `"users":{}}`
}

// TestSettledDetectsStaleObjects checks that every difference from a fresh resolution is detected.
func TestSettledDetectsStaleObjects(t *testing.T) {
	for name, tc := range map[string]struct {
		mutate func(l *listed)
		want   string
	}{
		"nothing": {mutate: func(*listed) {}},
		"a document of a state before": {func(l *listed) {
			cm := l.anyOf("application-access-")
			cm.Data = map[string]string{document.AccessKey: "{}"}
		}, "application-access-"},
		"a digest": {func(l *listed) {
			l.anyOf("user-access-").Annotations[accessv1alpha1.AnnotationDigest] = "0"
		}, "Digest"},
		"a label":             {func(l *listed) { l.anyOf("user-access-").Labels["more"] = "yes" }, "Labels"},
		"an owner":            {func(l *listed) { l.anyOf("application-access-").OwnerReferences = nil }, "Owners"},
		"a ConfigMap less":    {func(l *listed) { delete(l.configMaps, client.ObjectKeyFromObject(l.anyOf("user-access-"))) }, "does not exist"},
		"a ConfigMap more":    {func(l *listed) { l.configMaps[client.ObjectKey{Name: "more"}] = &corev1.ConfigMap{} }, "should not be there"},
		"a generation":        {func(l *listed) { l.group().Generation++ }, "observedGeneration"},
		"a condition":         {func(l *listed) { l.group().Status.Conditions[0].Status = metav1.ConditionFalse }, "Ready is"},
		"an old condition":    {func(l *listed) { l.group().Status.Conditions[0].ObservedGeneration-- }, "Ready is"},
		"a number of members": {func(l *listed) { l.group().Status.Members++ }, "status of"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListed(t)
			r, want, err := resolveAnew(l.objects, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			tc.mutate(l)
			got := fmt.Sprint(l.published(want), l.stated(r))
			if tc.want == "" && got != "<nil> <nil>" || !strings.Contains(got, tc.want) {
				t.Errorf("got %s, want something about %q", got, tc.want)
			}
		})
	}
}

// newListed returns what an API server holds in the settled state, except for materialized objects, because the
// resolution has no UIDs.
func newListed(t *testing.T) *listed {
	t.Helper()
	w := newWorld(rand.New(rand.NewPCG(1, 1)), 40)
	r, want, err := resolveAnew(w.objects, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l := &listed{configMaps: map[types.NamespacedName]*corev1.ConfigMap{}}
	ready := []metav1.Condition{{Type: accessv1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 1}}
	for _, object := range w.objects {
		object = object.DeepCopyObject().(client.Object)
		object.SetGeneration(1)
		switch o := object.(type) {
		case *accessv1alpha1.AccessGroup:
			o.Status = accessv1alpha1.AccessGroupStatus{
				Conditions: slices.Clone(ready), ObservedGeneration: 1, Members: int32(r.Group(o.Namespace, o.Name, 0).Members),
			}
		case *accessv1alpha1.UserAccess:
			o.Status = accessv1alpha1.UserAccessStatus{Conditions: slices.Clone(ready), ObservedGeneration: 1}
			for name, role := range rolesResolved(r, o) {
				if name == "" {
					o.Status.OrganizationRole = accessv1alpha1.RoleName(role)
					continue
				}
				o.Status.Applications = append(o.Status.Applications, accessv1alpha1.EffectiveRole{
					Name: accessv1alpha1.ApplicationName(name), Role: accessv1alpha1.RoleName(role),
				})
			}
		case *accessv1alpha1.ApplicationAccess:
			o.Status = accessv1alpha1.ApplicationAccessStatus{
				Conditions: slices.Clone(ready), ObservedGeneration: 1, Users: int32(usersOf(r, o)),
			}
		case *accessv1alpha1.AccessPolicy:
			o.Status = accessv1alpha1.AccessPolicyStatus{Conditions: slices.Clone(ready), ObservedGeneration: 1}
		}
		l.objects = append(l.objects, object)
	}
	for key, p := range want {
		cm := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: key.Namespace, Name: key.Name, Labels: maps.Clone(p.labels),
				Annotations: map[string]string{accessv1alpha1.AnnotationDigest: publish.Digest(p.data)},
			},
			Data: p.data,
		}
		if kind, owner := p.owner(); owner != nil {
			cm.OwnerReferences = []metav1.OwnerReference{publish.Owner(kind, owner)}
		}
		l.configMaps[key] = cm
	}
	return l
}

// anyOf returns a ConfigMap whose name has the prefix.
func (l *listed) anyOf(prefix string) *corev1.ConfigMap {
	for _, key := range slices.SortedFunc(maps.Keys(l.configMaps), compareKeys) {
		if strings.HasPrefix(key.Name, prefix) {
			return l.configMaps[key]
		}
	}
	panic("no ConfigMap " + prefix)
}

func (l *listed) group() *accessv1alpha1.AccessGroup {
	for _, o := range l.objects {
		if g, ok := o.(*accessv1alpha1.AccessGroup); ok {
			return g
		}
	}
	panic("no group")
}

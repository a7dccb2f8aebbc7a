package validation_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// play is a random world with the roster that judges changes to it.
type play struct {
	*rostertest.World
	t       *testing.T
	options roster.Options
	objects objects
	roster  *roster.Roster
	now     time.Time
	version int
}

func newPlay(t *testing.T, seed, stream uint64, many int) *play {
	t.Helper()
	p := &play{
		World: rostertest.NewWorld(seed, stream), t: t, objects: objects{},
		options: roster.Options{SystemNamespace: rostertest.System},
	}
	p.now = p.Start.Add(time.Duration(p.IntN(15)) * time.Minute)
	p.roster = roster.New(p.options)
	for range many {
		o := p.Object()
		p.keep(rostertest.Key(o), p.versioned(o))
	}
	for range 4 {
		p.relabel()
	}
	p.roster.Settle(p.now)
	return p
}

// relabel gives a namespace other labels, which is not judged.
func (p *play) relabel() {
	p.t.Helper()
	n := p.Namespace()
	p.keep(rostertest.Key(n), p.versioned(n))
}

// declared returns an existing object of the four kinds, or nil if there is none.
func (p *play) declared() client.Object {
	all := slices.DeleteFunc(p.objects.sorted(), func(o client.Object) bool {
		_, is := o.(*corev1.Namespace)
		return is
	})
	if len(all) == 0 {
		return nil
	}
	return rostertest.Pick(p.World, all)
}

func (p *play) versioned(o client.Object) client.Object {
	p.version++
	o.SetResourceVersion(strconv.Itoa(p.version))
	return o
}

// keep applies the change. A nil object is removed.
func (p *play) keep(key string, o client.Object) {
	p.t.Helper()
	old := p.objects[key]
	p.objects = p.objects.with(key, o)
	var err error
	switch {
	case o != nil:
		err = p.roster.Set(o)
	case old != nil:
		err = p.roster.Remove(old)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// change is a request with its possible outcomes: an object that is deleted while finalizers keep it is first
// being deleted, then removed.
type change struct {
	key     string
	request *validation.Request
	afters  []client.Object
}

// change returns a random request that the API server might send.
func (p *play) change() *change {
	request := &validation.Request{Now: p.now}
	candidate := p.Object()
	if there := p.declared(); p.Chance(75) && there != nil { // mostly something that is there
		candidate = there
	}
	key := rostertest.Key(candidate)
	old, is := p.objects[key]
	c := &change{key: key, request: request}
	switch {
	case !is:
		candidate.SetDeletionTimestamp(nil)
		request.New = p.versioned(candidate)
	case old.GetDeletionTimestamp() != nil:
		request.Old, request.New = old, p.versioned(old.DeepCopyObject().(client.Object))
		request.New.SetFinalizers(nil)
		c.afters = []client.Object{nil}
		return c
	case p.Chance(20):
		request.Old = old
		c.afters = []client.Object{nil}
		if request.Lingers = p.Chance(40); request.Lingers {
			c.afters = []client.Object{onItsWay(old, p.now), nil}
		}
		return c
	default:
		request.Old, request.New = old, p.versioned(p.edited(old))
	}
	c.afters = []client.Object{request.New}
	return c
}

func onItsWay(old client.Object, now time.Time) client.Object {
	leaving := old.DeepCopyObject().(client.Object)
	at := metav1.NewTime(now)
	leaving.SetDeletionTimestamp(&at)
	leaving.SetFinalizers([]string{"example.com/hold"})
	return leaving
}

// edited returns the object with one field, or all of them, copied from another object.
func (p *play) edited(old client.Object) client.Object {
	other := p.Another(old)
	if p.Chance(30) {
		other.SetDeletionTimestamp(nil)
		other.SetFinalizers(nil)
		return other
	}
	made := old.DeepCopyObject().(client.Object)
	if p.Chance(15) {
		made.SetLabels(other.GetLabels())
		return made
	}
	to, from := reflect.ValueOf(made).Elem().FieldByName("Spec"), reflect.ValueOf(other).Elem().FieldByName("Spec")
	if g, is := made.(*accessv1alpha1.AccessGroup); is && p.Chance(30) {
		p.editMembers(g)
		return made
	}
	for range 8 { // until something differs
		at := p.IntN(to.NumField())
		if !reflect.DeepEqual(to.Field(at).Interface(), from.Field(at).Interface()) {
			to.Field(at).Set(from.Field(at))
			break
		}
	}
	return made
}

func (p *play) editMembers(g *accessv1alpha1.AccessGroup) {
	if len(g.Spec.Members) > 0 && p.Chance(50) {
		g.Spec.Members = g.Spec.Members[1:]
		return
	}
	user := accessv1alpha1.UserName(rostertest.Pick(p.World, rostertest.Users))
	for i := range g.Spec.Members {
		if g.Spec.Members[i].User == user {
			g.Spec.Members[i] = accessv1alpha1.Member{User: user}
			return
		}
	}
	g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: user})
}

// isAhead reports whether the change sets a review too far in the future. Such a request is refused.
func (p *play) isAhead(c *change) bool {
	made, _ := c.request.New.(*accessv1alpha1.AccessGroup)
	if made == nil || made.Spec.ReviewedAt == nil || !made.Spec.ReviewedAt.After(p.now.Add(5*time.Minute)) {
		return false
	}
	old, _ := c.request.Old.(*accessv1alpha1.AccessGroup)
	return old == nil || !made.Spec.ReviewedAt.Equal(old.Spec.ReviewedAt)
}

func (p *play) judge(c *change) *validation.Judgement {
	p.t.Helper()
	validator := &validation.Validator{
		View: func() *roster.View { return p.roster.View() }, Losses: validation.NewLosses(),
	}
	j, err := validator.Judge(p.t.Context(), c.request)
	if err != nil {
		p.t.Fatal(err)
	}
	return j
}

// unchanged compares the roster with one that has never judged anything.
func (p *play) unchanged(where string) {
	p.t.Helper()
	if changes := p.roster.Settle(p.now); len(changes.Users)+len(changes.Rules)+len(changes.Objects)+len(changes.Accounts)+
		len(changes.Applications) > 0 {
		p.t.Fatalf("%s: the judgement has left notes: %+v", where, changes)
	}
	fresh := settled(p.t, p.options, p.objects, p.now)
	if differences := preview.Diff(fresh.View(), p.roster.View()); len(differences) > 0 {
		p.t.Fatalf("%s: the judgement has left a trace: %+v", where, differences[0])
	}
}

func (c *change) String() string {
	what := "update"
	switch {
	case c.request.Old == nil:
		what = "create"
	case c.request.New == nil && c.request.Lingers:
		what = "delete with finalizers"
	case c.request.New == nil:
		what = "delete"
	case c.request.Old.GetDeletionTimestamp() != nil:
		what = "last finalizer of"
	}
	return fmt.Sprintf("%s %s", what, c.key)
}

// describe returns the change in full, for failure messages.
func (c *change) describe() string {
	text := c.String()
	for _, o := range []client.Object{c.request.Old, c.request.New} {
		if o != nil {
			text += fmt.Sprintf("\n%s labels %v: %+v", rostertest.Key(o), o.GetLabels(), reflect.ValueOf(o).Elem().FieldByName("Spec"))
		}
	}
	return text
}

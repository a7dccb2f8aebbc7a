package validation_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// TestAttackByRequestsAtTheSameTime judges many random requests of a user who may grant Viewer and Editor, or
// nothing, against one state. It applies those that require no other right together, two or three at a time. No
// user may get a role that the requester may not grant and that they did not have at that minute.
func TestAttackByRequestsAtTheSameTime(t *testing.T) {
	for seed := range 5 * *plays {
		p := newDensePlay(t, seed, 27, 12+int(seed%12))
		may := []string{"Viewer", "Editor"}
		if seed%2 == 1 {
			may = nil
		}
		o := &together{play: p, may: may, before: p.declaredEverywhere()}
		o.begin()
		passing := o.passing(60, 14)
		for i, a := range passing {
			for k := range i {
				o.compare(a, passing[k])
			}
			if i > 1 {
				o.compare(a, passing[p.IntN(i)], passing[p.IntN(i)])
			}
		}
	}
}

// together checks the combined effect of several requests that were judged against the same state.
type together struct {
	*play
	may    []string
	before objects
	past   []*roster.Roster
}

// newDensePlay returns a random world with only one organization, in which the objects interact more often.
func newDensePlay(t *testing.T, seed, stream uint64, many int) *play {
	t.Helper()
	p := newPlay(t, seed, stream, 0)
	for range many {
		o := p.Object()
		for !slices.Contains(rostertest.Namespaces[:2], o.GetNamespace()) {
			o = p.Object()
		}
		p.keep(rostertest.Key(o), p.versioned(o))
	}
	p.roster.Settle(p.now)
	return p
}

// loosening returns a random request, mostly one that deletes an object or removes a part of it.
func (o *together) loosening() *change {
	if o.Chance(30) {
		return o.change()
	}
	old := o.declared()
	c := &change{key: rostertest.Key(old), request: &validation.Request{Old: old, Now: o.now}}
	if old.GetDeletionTimestamp() != nil {
		return o.change()
	}
	made := o.versioned(old.DeepCopyObject().(client.Object))
	switch spec := made.(type) {
	case *accessv1alpha1.AccessGroup:
		o.loosenGroup(&spec.Spec)
	case *accessv1alpha1.UserAccess:
		o.loosenUser(&spec.Spec)
	case *accessv1alpha1.ApplicationAccess:
		made.SetLabels(o.Another(old).GetLabels())
	}
	same := reflect.DeepEqual(specOf(old), specOf(made)) && reflect.DeepEqual(old.GetLabels(), made.GetLabels())
	if o.Chance(40) || same {
		made = nil
	}
	c.request.New, c.afters = made, []client.Object{made}
	return c
}

func specOf(o client.Object) any { return reflect.ValueOf(o).Elem().FieldByName("Spec").Interface() }

func (o *together) loosenGroup(spec *accessv1alpha1.AccessGroupSpec) {
	switch o.IntN(10) {
	case 0:
		spec.Members = dropOne(o, spec.Members)
	case 1:
		spec.ApplicationAccess = dropOne(o, spec.ApplicationAccess)
	case 2:
		spec.MemberGroups = dropOne(o, spec.MemberGroups)
	case 3:
		spec.Privileges = accessv1alpha1.GroupPrivilegesDisabled
	case 4:
		spec.SystemAccess = dropOne(o, spec.SystemAccess)
	case 5:
		spec.OrganizationRole = ""
	case 6:
		spec.ApplicationSelectors = dropOne(o, spec.ApplicationSelectors)
	case 7:
		spec.SystemAccessSelectors = dropOne(o, spec.SystemAccessSelectors)
	case 8:
		spec.Review = accessv1alpha1.GroupReview{}
	default:
		spec.DataPermissions = dropOne(o, spec.DataPermissions)
	}
}

func (o *together) loosenUser(spec *accessv1alpha1.UserAccessSpec) {
	switch o.IntN(7) {
	case 0:
		spec.ApplicationAccess = dropOne(o, spec.ApplicationAccess)
	case 1:
		spec.Groups = dropOne(o, spec.Groups)
	case 2:
		spec.SystemAccess = dropOne(o, spec.SystemAccess)
	case 3:
		spec.ApplicationSelectors = dropOne(o, spec.ApplicationSelectors)
	case 4:
		spec.SystemAccessSelectors = dropOne(o, spec.SystemAccessSelectors)
	case 5:
		spec.Attributes = dropOne(o, spec.Attributes)
	default:
		spec.State, spec.NotBefore, spec.NotAfter = "", nil, nil
	}
}

func dropOne[T any](o *together, list []T) []T {
	if len(list) == 0 {
		return list
	}
	at := o.IntN(len(list))
	return slices.Delete(slices.Clone(list), at, at+1)
}

// someMinutes are the minutes at which decisions are compared.
var someMinutes = []int{0, 1, 3, 7, 12, 18, 24, 29, 34, 39}

// declaredEverywhere returns the objects, with an additional one in each namespace that an object is in or names.
// The additional object makes the namespace an organization, which by itself must not give a user anything.
func (p *play) declaredEverywhere() objects {
	all := p.objects
	for _, name := range p.namespacesNamed() {
		all = all.with("declared "+name,
			&accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "zz-declared"}})
	}
	return all
}

func (p *play) namespacesNamed() []string {
	var names []string
	for _, object := range p.objects {
		names = append(names, object.GetNamespace())
		var grants []accessv1alpha1.SystemGrant
		switch of := object.(type) {
		case *accessv1alpha1.AccessGroup:
			grants = of.Spec.SystemAccess
		case *accessv1alpha1.UserAccess:
			grants = of.Spec.SystemAccess
		}
		for i := range grants {
			if object.GetNamespace() == rostertest.System {
				names = append(names, string(grants[i].Organization))
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return name == rostertest.System || name == "*" || name == "" // a Namespace object is in none
	})
}

func (o *together) begin() { o.past = o.at(o.before) }

func (o *together) at(all objects) []*roster.Roster {
	var rosters []*roster.Roster
	for _, at := range o.instants() {
		rosters = append(rosters, settled(o.t, o.options, all, at))
	}
	return rosters
}

// instants returns the instants at which decisions are compared. At the last one, every review is due.
func (o *together) instants() []time.Time {
	var instants []time.Time
	for _, minute := range append(slices.Clone(someMinutes), 24*60+int(rostertest.Horizon/time.Minute)) {
		instants = append(instants, o.now.Add(time.Duration(minute)*time.Minute))
	}
	return instants
}

// passing makes random requests until so many pass, each for another object.
func (o *together) passing(tries, wanted int) []*change {
	var all []*change
	for range tries {
		c := o.loosening()
		if slices.ContainsFunc(all, func(other *change) bool { return other.key == c.key }) {
			continue
		}
		j := o.judge(c)
		if len(j.Errors) > 0 || slices.ContainsFunc(j.Rights, func(r validation.Right) bool { return !holds(o.may, &r) }) {
			continue
		}
		if all = append(all, c); len(all) == wanted {
			break
		}
	}
	return all
}

func (o *together) compare(changes ...*change) {
	o.t.Helper()
	after := o.before
	for _, c := range changes {
		after = after.with(c.key, c.afters[len(c.afters)-1])
	}
	f := &futures{before: o.past, after: o.at(after), at: o.instants()}
	for r := range f.rises() {
		if !slices.Contains(o.may, r.role) && o.past[0].View().Organization(r.organization) != nil {
			o.t.Fatalf("%s: somebody came to %+v by\n%s\nfrom\n%s", o.now, r, described(changes), o.all(o.objects))
		}
	}
	if len(o.may) > 0 {
		return
	}
	f.each(func(s *standing) {
		if s.ladders == nil || s.ladders.Rules().Strategy == resolve.MostPermissive {
			return // the last of several filters restricts, and not each
		}
		for _, application := range everyApplication {
			was, is := access(s.was, application), access(s.is, application)
			if was.Role == resolve.NoAccess || is.Role == resolve.NoAccess {
				continue
			}
			if slices.ContainsFunc(someRows, func(r row) bool { return r.shown(is) && !r.shown(was) }) {
				o.t.Fatalf("%s came to rows of %s in %s by\n%s\nfrom\n%s", s.user, application, s.organization, described(changes),
					o.all(o.objects))
			}
		}
	})
}

func described(changes []*change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.describe())
	}
	return lines(all)
}

package validation_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// TestAttackByRequestsAtTheSameTime judges many random requests of somebody who may grant Viewer and Editor, or nothing,
// against one state. Those that take no more come true together, two and three at a time: nobody comes to a role that the
// requester may not grant, and that was not theirs at that minute.
func TestAttackByRequestsAtTheSameTime(t *testing.T) {
	for seed := range 5 * *plays {
		p := newPlay(t, seed, 27, 10+int(seed%12))
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

// together looks at what several requests bring that were judged against the same state.
type together struct {
	*play
	may    []string
	before objects
	past   []*roster.Roster
}

// someMinutes are those at which decisions are compared.
var someMinutes = []int{0, 1, 3, 7, 12, 18, 24, 29, 34, 39}

// declaredEverywhere returns the objects, and one in each namespace that makes it an organization: that a namespace becomes
// one gives nobody anything.
func (p *play) declaredEverywhere() objects {
	all := p.objects
	for _, name := range rostertest.Namespaces[1:] {
		all = all.with("declared "+name,
			&accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "zz-declared"}})
	}
	return all
}

func (o *together) begin() { o.past = o.at(o.before) }

func (o *together) at(all objects) []*roster.Roster {
	var rosters []*roster.Roster
	for _, minute := range someMinutes {
		rosters = append(rosters, settled(o.t, o.options, all, o.now.Add(time.Duration(minute)*time.Minute)))
	}
	return rosters
}

// passing makes random requests until so many pass, each to another object.
func (o *together) passing(tries, wanted int) []*change {
	var all []*change
	for range tries {
		c := o.change()
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
	f := &futures{before: o.past, after: o.at(after), now: o.now}
	for r := range f.rises() {
		if !slices.Contains(o.may, r.role) {
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

package validation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// horizon is how far the oracle looks, in minutes: further than any window.
const horizon = 50

// anywhere is an application that nothing names.
const anywhere = "elsewhere"

// everyApplication is what the oracle looks at.
var everyApplication = append(slices.Clone(rostertest.Applications), "yellow", anywhere)

// futures are the decisions before and after a change at every minute to come.
type futures struct {
	before, after []*roster.Roster
	now           time.Time
}

// look builds a roster anew for every minute. Where the change makes a namespace an organization, or makes it none,
// they are compared as if it always were: by that alone nobody gains. asIf says whether to look so.
func look(t *testing.T, options roster.Options, before, after objects, now time.Time, asIf bool) *futures {
	t.Helper()
	if asIf {
		was, is := organizations(t, options, before), organizations(t, options, after)
		for _, name := range append(slices.Clone(was), is...) {
			if !slices.Contains(was, name) || !slices.Contains(is, name) {
				declared := &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "zz-declared"}}
				before = before.with("declared "+name, declared)
				after = after.with("declared "+name, declared)
			}
		}
	}
	f := &futures{now: now}
	for minute := range horizon {
		at := now.Add(time.Duration(minute) * time.Minute)
		f.before = append(f.before, settled(t, options, before, at))
		f.after = append(f.after, settled(t, options, after, at))
	}
	return f
}

func settled(t *testing.T, options roster.Options, all objects, at time.Time) *roster.Roster {
	t.Helper()
	r := roster.New(options)
	mustSet(t, r, all)
	r.Settle(at)
	return r
}

func organizations(t *testing.T, options roster.Options, all objects) []string {
	t.Helper()
	return settled(t, options, all, time.Time{}).View().Organizations()
}

// each calls yield for every organization, user and minute.
func (f *futures) each(yield func(s *standing)) {
	for minute := range f.before {
		for _, organization := range rostertest.Namespaces[1:] {
			for _, user := range rostertest.Users {
				yield(&standing{
					organization: organization, user: user, at: f.now.Add(time.Duration(minute) * time.Minute),
					was: f.before[minute].View().Decision(organization, user), is: f.after[minute].View().Decision(organization, user),
					ladders: f.after[minute].View().Organization(organization),
				})
			}
		}
	}
}

// standing is what one user may do at one minute, before and after. Nil stands for nothing.
type standing struct {
	organization, user string
	at                 time.Time
	was, is            *resolve.Decision
	ladders            *resolve.Organization
}

// height is the place of a role on a ladder, the higher the more; 0 is NoAccess.
func height(ladder []string, role string) int {
	if i := slices.Index(ladder, role); i >= 0 {
		return len(ladder) - i
	}
	return 0
}

func (s *standing) applicationLadder() []string {
	var names []string
	for _, r := range s.ladders.Rules().ApplicationRoles {
		names = append(names, r.Name)
	}
	return names
}

func (s *standing) organizationLadder() []string {
	var names []string
	for _, r := range s.ladders.Rules().OrganizationRoles {
		names = append(names, r.Name)
	}
	return names
}

func access(d *resolve.Decision, application string) *resolve.Access {
	if d == nil {
		return &resolve.Access{Outcome: resolve.Outcome{Role: resolve.NoAccess}}
	}
	return d.Application(application)
}

func organizationRole(d *resolve.Decision) *resolve.Outcome {
	if d == nil {
		return &resolve.Outcome{Role: resolve.NoAccess}
	}
	return &d.OrganizationRole
}

// rise is a role that becomes effective where it was lower: in the application "" that of the organization, in "*" the
// one in any application that nothing names.
type rise struct{ organization, application, role, source string }

// rises returns every rise with the rules by which it is one.
func (f *futures) rises() map[rise]*resolve.Organization {
	found := map[rise]*resolve.Organization{}
	f.each(func(s *standing) {
		if s.ladders == nil {
			return
		}
		was, is := organizationRole(s.was), organizationRole(s.is)
		if ladder := s.organizationLadder(); height(ladder, is.Role) > height(ladder, was.Role) {
			found[rise{s.organization, "", is.Role, is.Source}] = s.ladders
		}
		ladder := s.applicationLadder()
		for _, application := range everyApplication {
			was, is := access(s.was, application), access(s.is, application)
			if height(ladder, is.Role) <= height(ladder, was.Role) {
				continue
			}
			if application == anywhere {
				application = "*"
			}
			found[rise{s.organization, application, is.Role, is.Source}] = s.ladders
		}
	})
	return found
}

// row is one row that a filter may show.
type row map[string]string

var someRows = []row{
	{}, {"country": "France"}, {"country": "Germany"}, {"country": "Spain"},
	{"country": "France", "line": "x"}, {"country": "Germany", "line": "y"}, {"country": "Spain", "line": "x"}, {"line": "x"},
}

func (r row) shown(a *resolve.Access) bool {
	return a.Role != resolve.NoAccess && !slices.ContainsFunc(a.Filters, func(f resolve.Filter) bool {
		return !slices.ContainsFunc(f.AnyOf, r.meets)
	})
}

func (r row) meets(a resolve.Alternative) bool {
	return !slices.ContainsFunc(a.AllOf, func(q resolve.Requirement) bool {
		value, has := r[q.Attribute]
		return !has || slices.Contains(q.Values, value) == (q.Operator == "NotIn")
	})
}

// widened is an application, or "" for those that nothing names, in which somebody sees more rows.
type widened struct{ organization, application string }

// widens returns where somebody with access before and after sees a row more; suspected is where their filters differ
// at all.
func (f *futures) widens() (surely, suspected map[widened]bool) {
	surely, suspected = map[widened]bool{}, map[widened]bool{}
	f.each(func(s *standing) {
		for _, application := range everyApplication {
			was, is := access(s.was, application), access(s.is, application)
			if was.Role == resolve.NoAccess || is.Role == resolve.NoAccess {
				continue
			}
			where := widened{s.organization, application}
			if application == anywhere {
				where.application = ""
			}
			if fmt.Sprint(was.Filters) != fmt.Sprint(is.Filters) {
				suspected[where] = true
			}
			if slices.ContainsFunc(someRows, func(r row) bool { return r.shown(is) && !r.shown(was) }) {
				surely[where] = true
			}
		}
	})
	return surely, suspected
}

// unbarred returns the objects with every suspension lifted and every window of a UserAccess open.
func unbarred(all objects) objects {
	free := objects{}
	for key, object := range all {
		if ua, is := object.(*accessv1alpha1.UserAccess); is && !roster.IsMaterialized(ua) {
			ua = ua.DeepCopy()
			ua.Spec.State, ua.Spec.NotBefore, ua.Spec.NotAfter = "", nil, nil
			ua.Spec.DisplayName = "declared" // whatever else it says
			object = ua
		}
		free[key] = object
	}
	return free
}

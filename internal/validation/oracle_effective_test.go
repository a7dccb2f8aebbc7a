package validation_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// horizon is how many minutes the oracle looks ahead. It is larger than any window.
const horizon = 50

// anywhere is an application that nothing names.
const anywhere = "elsewhere"

// everyApplication lists the applications that the oracle checks.
var everyApplication = append(slices.Clone(rostertest.Applications), "yellow", anywhere)

// futures are the decisions before and after a change, at every future minute and at each instant at which a
// review is due.
type futures struct {
	before, after []*roster.Roster
	at            []time.Time
}

// look builds a new roster for every minute. asIf compares the states as if every namespace with an object of the four
// kinds always were an organization: a user gains nothing by that alone.
func look(t *testing.T, options roster.Options, before, after objects, now time.Time, asIf bool) *futures {
	t.Helper()
	if asIf {
		was, is := organizations(t, options, before), organizations(t, options, after)
		for _, name := range inhabited(before, after) {
			if !slices.Contains(was, name) || !slices.Contains(is, name) {
				declared := &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "zz-declared"}}
				before = before.with("declared "+name, declared)
				after = after.with("declared "+name, declared)
			}
		}
	}
	f := &futures{}
	for minute := range horizon {
		f.at = append(f.at, now.Add(time.Duration(minute)*time.Minute))
	}
	f.at = append(f.at, dueAfter(f.at[horizon-1], before, after)...)
	for _, at := range f.at {
		f.before = append(f.before, settled(t, options, before, at))
		f.after = append(f.after, settled(t, options, after, at))
	}
	return f
}

// inhabited returns the namespaces other than the system namespace that hold an object of the four kinds in any of the worlds.
func inhabited(worlds ...objects) []string {
	names := map[string]bool{}
	for _, all := range worlds {
		for _, object := range all {
			if name := object.GetNamespace(); name != "" && name != rostertest.System {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// dueAfter returns the instants after the given one at which a review of any of the objects is due.
func dueAfter(instant time.Time, worlds ...objects) []time.Time {
	var due []time.Time
	for _, all := range worlds {
		for _, object := range all {
			g, is := object.(*accessv1alpha1.AccessGroup)
			if !is || g.Spec.Review.EveryDays == 0 || g.Spec.ReviewedAt == nil {
				continue
			}
			at := g.Spec.ReviewedAt.Add(time.Duration(g.Spec.Review.EveryDays) * 24 * time.Hour)
			if at.After(instant) && !slices.ContainsFunc(due, at.Equal) {
				due = append(due, at)
			}
		}
	}
	slices.SortFunc(due, time.Time.Compare)
	return due
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
	for i, at := range f.at {
		for _, organization := range rostertest.Namespaces[1:] {
			for _, user := range rostertest.Users {
				yield(&standing{
					organization: organization, user: user, at: at,
					was: f.before[i].View().Decision(organization, user), is: f.after[i].View().Decision(organization, user),
					rules: f.before[i].View().Organization(organization), ladders: f.after[i].View().Organization(organization),
				})
			}
		}
	}
}

// standing is what one user may do at one minute, before and after the change. Nil means nothing.
type standing struct {
	organization, user string
	at                 time.Time
	was, is            *resolve.Decision
	rules, ladders     *resolve.Organization // before and after
}

// height returns the rank of a role on a ladder. A higher role has a higher rank, and NoAccess has 0.
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

// rise is a role that becomes effective and is higher than before. Application "" means the organization role, and
// "*" means the role in any application that nothing names.
type rise struct{ organization, application, role, source string }

// rises returns every rise with the rules that make it one.
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
	{"country": "France", "level": "5"}, {"country": "Germany", "level": "2"}, {"country": "Spain", "level": "3.5", "line": "x"},
}

func (r row) shown(a *resolve.Access) bool {
	return a.Role != resolve.NoAccess && !slices.ContainsFunc(a.Filters, func(f resolve.Filter) bool {
		return !slices.ContainsFunc(f.AnyOf, r.meets)
	})
}

func (r row) meets(a resolve.Alternative) bool {
	return !slices.ContainsFunc(a.AllOf, func(q resolve.Requirement) bool {
		value, has := r[q.Attribute]
		return !has || !holdsFor(value, &q)
	})
}

// holdsFor reports whether a value of the attribute meets the requirement.
func holdsFor(value string, q *resolve.Requirement) bool {
	switch q.Operator {
	case "In":
		return slices.Contains(q.Values, value)
	case "NotIn":
		return !slices.Contains(q.Values, value)
	}
	number, err := strconv.ParseFloat(value, 64)
	bound, boundErr := strconv.ParseFloat(q.Values[0], 64)
	if err != nil || boundErr != nil {
		return false
	}
	return (q.Operator == "GreaterThan" && number > bound) || (q.Operator == "LessThan" && number < bound)
}

// widened is an application in which a user sees more rows. An empty name means the applications that nothing
// names.
type widened struct{ organization, application string }

// widens returns the applications in which a user with access before and after the change sees an additional row.
// In suspected applications the filters merely differ.
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

// unbarred returns the objects without any suspension and with every window of a UserAccess open.
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

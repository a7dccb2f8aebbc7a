package report

import (
	"fmt"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// Audit is the content of the report. The package print names its fields in JSON.
type Audit struct {
	At              time.Time
	Days            int
	SystemNamespace string
	Organizations   []Organization
	Incomplete      []string
	Holdings        []query.Holding
	Protected       []UserGrant
	SystemLevel     []UserGrant
	Conflicts       []query.Conflict
	Exclusions      []query.Exclusion
	Barred          []UserBar
	Ending          []query.Holding
	Beginning       []UserGrant
	WithoutGrant    []Account
	Reviews         []query.Review // due, or due within the period
	Unresolved      []query.Remark
	BarsNobody      []query.Remark
	Hints           []query.Remark
	Outside         []Outside
	NotRead         []string // why inventories could not be read
	// granted contains the users with a grant that counts.
	granted map[string]bool
}

// Organization contains the counts of one organization.
type Organization struct {
	Organization string       `json:"organization"`
	Policy       query.Policy `json:"policy"`
	Users        int          `json:"users"`
	WithAccess   int          `json:"usersWithAccess"`
	Applications int          `json:"applications"`
}

// UserGrant is a grant for a user.
type UserGrant struct {
	Organization string `json:"organization"`
	User         string `json:"user"`
	query.Grant
}

// UserBar takes all access from a user.
type UserBar struct {
	Organization string `json:"organization"`
	User         string `json:"user"`
	query.Bar
}

// Account is a declared UserAccess. A UserAccess in the system namespace belongs to no organization.
type Account struct {
	Organization string `json:"organization,omitempty"`
	User         string `json:"user"`
	Object       string `json:"object"`
}

// NewAudit returns the report on the organizations. It lists what ends and begins within the days.
func NewAudit(w *source.World, organizations []string, days int) *Audit {
	a := &Audit{
		At: w.Now(), Days: days, SystemNamespace: w.SystemNamespace(), granted: map[string]bool{},
	}
	for _, p := range w.Set.Problems {
		a.Incomplete = append(a.Incomplete, p.String())
	}
	for _, organization := range organizations {
		of := Organization{
			Organization: organization, Policy: query.PolicyOf(w, organization),
			Applications: len(w.Applications(organization)),
		}
		for _, user := range w.Users(organization) {
			of.Users++
			if w.Decision(organization, user).Enters {
				of.WithAccess++
			}
			a.addUser(w, organization, user)
		}
		a.Organizations = append(a.Organizations, of)
		a.addUnresolved(w, organization)
	}
	if len(organizations) > 0 {
		a.addUnresolved(w, w.SystemNamespace())
	}
	asked := organizations
	// A report on one organization does not know the grants in the others.
	if w.Scope == "" {
		a.addSystemAccounts(w)
		asked = append(slices.Clone(organizations), w.SystemNamespace())
	}
	a.addReviews(w, asked)
	a.addHints(w, asked)
	return a
}

func (a *Audit) addUser(w *source.World, organization, user string) {
	deadline := a.At.AddDate(0, 0, a.Days)
	d := w.Decision(organization, user)
	for _, h := range query.Holdings(w, organization, user) {
		if !h.Gives() {
			continue
		}
		a.Holdings = append(a.Holdings, h)
		if h.NotAfter != nil && !h.NotAfter.After(deadline) {
			a.Ending = append(a.Ending, h)
		}
	}
	for _, c := range d.Conflicts {
		a.Conflicts = append(a.Conflicts, query.NewConflict(organization, user, c))
	}
	for _, e := range d.Exclusions {
		a.Exclusions = append(a.Exclusions, query.NewExclusion(organization, user, e))
	}
	e := query.Sources(w, organization, user)
	for _, b := range e.Bars {
		a.Barred = append(a.Barred, UserBar{organization, user, b})
	}
	counts := false
	for i := range e.Grants {
		counts = a.addGrant(organization, user, &e.Grants[i], deadline) || counts
	}
	if counts {
		a.granted[user] = true
		return
	}
	for _, ua := range w.Index().Namespace(organization).Account(user).All() {
		if !roster.IsMaterialized(ua) {
			a.WithoutGrant = append(a.WithoutGrant, Account{
				organization, user, query.ObjectName(roster.KindUserAccess, organization, ua.Name),
			})
		}
	}
}

// addGrant records the special properties of a grant, and reports whether the grant counts.
func (a *Audit) addGrant(organization, user string, g *query.Grant, deadline time.Time) bool {
	of := UserGrant{organization, user, *g}
	if g.Fate == string(resolve.FateNotYet) && !g.Begins.After(deadline) {
		a.Beginning = append(a.Beginning, of)
	}
	if g.Fate != string(resolve.FateCounts) {
		return false
	}
	if g.Protected {
		a.Protected = append(a.Protected, of)
	}
	if source, ok := roster.ParseObject(g.Source); ok && source.Namespace == a.SystemNamespace {
		a.SystemLevel = append(a.SystemLevel, of)
	}
	return true
}

// addReviews adds the reviews of groups in the namespaces that are due, or become due within the period.
func (a *Audit) addReviews(w *source.World, namespaces []string) {
	groups := slices.DeleteFunc(w.GroupObjects(""), func(o *objects.Object) bool {
		return !slices.Contains(namespaces, o.GetNamespace())
	})
	a.Reviews = query.Reviews(w, groups, a.At.AddDate(0, 0, a.Days))
	for i := range a.Reviews {
		a.Reviews[i].ChangedBy = nil // omitted, so that the same objects in files give the same report
	}
}

// addSystemAccounts adds the UserAccess objects of the system namespace whose users have no grant in any
// organization.
func (a *Audit) addSystemAccounts(w *source.World) {
	system := w.Index().System()
	for o := range system.Objects() {
		if o.Kind != roster.KindUserAccess {
			continue
		}
		user := string(system.UserAccess(o.Name).Spec.User)
		if !a.granted[user] {
			a.WithoutGrant = append(a.WithoutGrant, Account{User: user, Object: o.String()})
		}
	}
}

func (a *Audit) addUnresolved(w *source.World, namespace string) {
	for o := range w.Index().Namespace(namespace).Objects() {
		for _, u := range unresolvedIn(w, o) {
			in := ""
			if u.Organization != "" {
				in = " in " + string(u.Organization)
			}
			message := fmt.Sprintf("there is no %s %s%s", u.Kind, u.Name, in)
			if meant := words.Meant(validation.NearestReference(w.View, &u, namespace)); meant != "" {
				message += "; " + meant
			}
			a.Unresolved = append(a.Unresolved, query.Remark{Object: o.String(), Field: u.Field, Message: message})
		}
	}
}

func unresolvedIn(w *source.World, o roster.Object) []accessv1alpha1.UnresolvedReference {
	switch o.Kind {
	case roster.KindAccessGroup:
		return w.Group(o.Namespace, o.Name, 0).Unresolved
	case roster.KindUserAccess:
		return w.User(o.Namespace, o.Name, 0).Unresolved
	case roster.KindAccessPolicy:
		return w.Policy(o.Namespace).Unresolved
	default:
		return nil
	}
}

package query

import (
	"cmp"
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
)

// GroupOverview is an AccessGroup with its counts, and in words what it gives.
type GroupOverview struct {
	*roster.GroupReport
	Gives []string
}

// Groups returns the groups in the scope of the world, sorted by namespace and name.
func Groups(w *source.World) []GroupOverview {
	var groups []GroupOverview
	for _, o := range w.GroupObjects(w.Scope) {
		g := o.Object.(*accessv1alpha1.AccessGroup)
		groups = append(groups, GroupOverview{w.Group(g.Namespace, g.Name, 0), GivenBy(g)})
	}
	slices.SortFunc(groups, func(a, b GroupOverview) int {
		return cmp.Or(cmp.Compare(a.Object.Namespace, b.Object.Namespace), cmp.Compare(a.Object.Name, b.Object.Name))
	})
	return groups
}

// UserOverview is a user with the organizations that the user can enter.
type UserOverview struct {
	User    string
	Entries []roster.Entry
	// Accounts are the declared UserAccess objects of the user: of the organizations in the scope, and of the system
	// namespace.
	Accounts []*accessv1alpha1.UserAccess
}

// UserOverviews returns the known users of the organizations in the scope, sorted by name.
func UserOverviews(w *source.World) []UserOverview {
	asked := w.Asked()
	var users []UserOverview
	for _, user := range Users(w, asked) {
		one := UserOverview{User: user}
		for _, entry := range w.Entries(user) {
			if slices.Contains(asked, entry.Organization) {
				one.Entries = append(one.Entries, entry)
			}
		}
		for _, namespace := range append(slices.Clone(asked), w.SystemNamespace()) {
			for _, ua := range w.Index().Namespace(namespace).Account(user).All() {
				if !roster.IsMaterialized(ua) {
					one.Accounts = append(one.Accounts, ua)
				}
			}
		}
		users = append(users, one)
	}
	return users
}

// ApplicationOverview is an application of an organization with the number of users who have access.
type ApplicationOverview struct {
	Organization, Name string
	// Title is the name of the application for people.
	Title string
	// Object is nil if only grants name the application.
	Object *accessv1alpha1.ApplicationAccess
	Users  int
}

// ApplicationOverviews returns the applications that the organizations in the scope name, sorted.
func ApplicationOverviews(w *source.World) []ApplicationOverview {
	var applications []ApplicationOverview
	for _, organization := range w.Asked() {
		holders := w.Holders(organization)
		for _, name := range w.Applications(organization) {
			applications = append(applications, ApplicationOverview{
				Organization: organization, Name: name, Title: Title(w, organization, name),
				Object: w.Index().Namespace(organization).Application(name), Users: holders(name),
			})
		}
	}
	return applications
}

package publish

import (
	"slices"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/resolve"
)

// Entry is what a user document says of one application.
type Entry struct {
	Application string
	Access      *resolve.Access
}

// Entries lists what a user document says of the applications named in the organization, which are sorted: one in which
// the user's role and the default role are both NoAccess is left out.
func Entries(d *resolve.Decision, applications []string) []Entry {
	var entries []Entry
	for name, access := range d.Each(applications) {
		if access.GivesAccess() || d.Default.GivesAccess() {
			entries = append(entries, Entry{name, access})
		}
	}
	return entries
}

// User makes the user document. The applications are those named in the organization, sorted.
func User(o *resolve.Organization, user string, d *resolve.Decision, applications []string) document.User {
	made := EmptyUser(o.Rules().Organization, user)
	made.DefaultRole, made.OrganizationRole = d.Default.Role, d.OrganizationRole.Role
	made.NotAfter = earlier(d.OrganizationRole.NotAfter, d.Default.NotAfter)
	entries := Entries(d, applications)
	list := newFilterList()
	sets := make([]*filterSet, len(entries)+1) // the last one is for defaultFilters
	for i, e := range entries {
		if e.Access.GivesAccess() {
			sets[i] = list.add(e.Access.Filters)
		}
	}
	if d.Default.GivesAccess() {
		sets[len(entries)] = list.add(d.Default.Filters)
	}
	list.rank()
	used, places := list.places(slices.Values(sets), nil)
	for _, rank := range used {
		made.Filters = append(made.Filters, documentFilter(list.filters[rank]))
	}
	made.DefaultFilters = sets[len(entries)].at(places)
	made.Applications = make(map[string]document.UserApplication, len(entries))
	for i, e := range entries {
		if !e.Access.GivesAccess() {
			made.Applications[e.Application] = document.UserApplication{Role: document.NoAccess}
			continue
		}
		made.Applications[e.Application] = document.UserApplication{
			Filters: sets[i].at(places), NotAfter: e.Access.NotAfter,
			Permissions: o.Permissions(e.Access.Role), Role: e.Access.Role, Source: e.Access.Source,
		}
	}
	return made
}

// EmptyUser makes the document of a user who may do nothing.
func EmptyUser(organization, user string) document.User {
	return document.User{
		APIVersion: document.APIVersion, Kind: document.KindUser, Organization: organization, User: user,
		OrganizationRole: document.NoAccess, DefaultRole: document.NoAccess,
		Applications: map[string]document.UserApplication{},
	}
}

// UserData is the data of a user document's ConfigMap.
func UserData(d document.User) map[string]string {
	return map[string]string{document.AccessKey: canonical(d)}
}

// OrganizationsData is the data of an organizations document's ConfigMap. The organizations must be sorted by name.
func OrganizationsData(user string, organizations []document.Organization) map[string]string {
	if organizations == nil {
		organizations = []document.Organization{}
	}
	return map[string]string{document.OrganizationsKey: canonical(document.Organizations{
		APIVersion: document.APIVersion, Kind: document.KindOrganizations, Organizations: organizations, User: user,
	})}
}

func earlier[T interface {
	IsZero() bool
	Before(T) bool
}](a, b T) T {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

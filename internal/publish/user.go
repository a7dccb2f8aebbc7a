package publish

import (
	"maps"
	"slices"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/resolve"
)

// Entry is the entry of one application in a user document.
type Entry struct {
	Application string
	Access      *resolve.Access
}

// Entries returns the entries of a user document. applications lists the named applications of the organization,
// sorted. An application is left out if both the user's role in it and the default role are NoAccess.
func Entries(d *resolve.Decision, applications []string) []Entry {
	var entries []Entry
	for name, access := range d.Each(applications) {
		if access.GivesAccess() || d.Default.GivesAccess() {
			entries = append(entries, Entry{name, access})
		}
	}
	return entries
}

// User returns the user document. applications lists the named applications of the organization, sorted.
func User(o *resolve.Organization, user string, d *resolve.Decision, applications []string) document.User {
	rendered := EmptyUser(o.Rules().Organization, user)
	rendered.DefaultRole, rendered.OrganizationRole = d.Default.Role, d.OrganizationRole.Role
	rendered.NotAfter = earlier(d.OrganizationRole.NotAfter, d.Default.NotAfter)
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
		rendered.Filters = append(rendered.Filters, documentFilter(list.filters[rank]))
	}
	rendered.DefaultFilters = sets[len(entries)].at(places)
	rendered.Applications = make(map[string]document.UserApplication, len(entries))
	for i, e := range entries {
		if !e.Access.GivesAccess() {
			rendered.Applications[e.Application] = document.UserApplication{Role: document.NoAccess}
			continue
		}
		rendered.Applications[e.Application] = document.UserApplication{
			Filters: sets[i].at(places), NotAfter: e.Access.NotAfter,
			Permissions: o.Permissions(e.Access.Role), Role: e.Access.Role, Source: e.Access.Source,
		}
	}
	return rendered
}

// EmptyUser returns the document of a user without access.
func EmptyUser(organization, user string) document.User {
	return document.User{
		APIVersion: document.APIVersion, Kind: document.KindUser, Organization: organization, User: user,
		OrganizationRole: document.NoAccess, DefaultRole: document.NoAccess,
		Applications: map[string]document.UserApplication{},
	}
}

// UserData returns the data of the ConfigMap of a user document; see [FitUserData].
func UserData(d document.User) map[string]string {
	data, _ := FitUserData(d)
	return data
}

// FitUserData returns the data of the ConfigMap of a user document, reduced to [MaximumDataBytes] if necessary. It
// first hides all rows wherever the document limits rows, then removes the permissions, and finally gives the user no
// access. It reports whether the document is complete.
func FitUserData(d document.User) (map[string]string, bool) {
	text, whole := canonical(d), true
	for _, smaller := range []func(document.User) document.User{withoutRows, withoutPermissions, withoutAccess} {
		if len(document.AccessKey)+len(text) <= MaximumDataBytes {
			break
		}
		d = smaller(d)
		text, whole = canonical(d), false
	}
	return map[string]string{document.AccessKey: text}, whole
}

// withoutRows hides all rows wherever the document limits rows.
func withoutRows(d document.User) document.User {
	d.Filters = []document.Filter{documentFilter(&nothing)}
	if d.DefaultFilters != nil {
		d.DefaultFilters = []int{0}
	}
	d.Applications = maps.Clone(d.Applications)
	for name, entry := range d.Applications {
		if entry.Filters != nil {
			entry.Filters = []int{0}
			d.Applications[name] = entry
		}
	}
	return d
}

func withoutPermissions(d document.User) document.User {
	d.Applications = maps.Clone(d.Applications)
	for name, entry := range d.Applications {
		entry.Permissions = nil
		d.Applications[name] = entry
	}
	return d
}

func withoutAccess(d document.User) document.User { return EmptyUser(d.Organization, d.User) }

// OrganizationsData returns the data of the ConfigMap of an organizations document. The organizations must be sorted by
// name. A document that is too large for the API server lists none.
func OrganizationsData(user string, organizations []document.Organization) map[string]string {
	d := document.Organizations{
		APIVersion: document.APIVersion, Kind: document.KindOrganizations, Organizations: organizations, User: user,
	}
	text := canonical(d)
	if organizations == nil || len(document.OrganizationsKey)+len(text) > MaximumDataBytes {
		d.Organizations = []document.Organization{}
		text = canonical(d)
	}
	return map[string]string{document.OrganizationsKey: text}
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

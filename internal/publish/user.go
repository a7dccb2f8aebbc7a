package publish

import (
	"maps"
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

// UserData is the data of a user document's ConfigMap; see [FitUserData].
func UserData(d document.User) map[string]string {
	data, _ := FitUserData(d)
	return data
}

// FitUserData is the data of a user document's ConfigMap, which the API server takes: a document larger than
// [MaximumDataBytes] shows no row where it limits the rows; if that is not enough, it names no permissions; and if that
// is not enough either, it gives the user no access. It reports whether the document is whole.
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

// withoutRows shows no row where the document limits the rows.
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

// OrganizationsData is the data of an organizations document's ConfigMap. The organizations must be sorted by name. A
// document that the API server would refuse lists none.
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

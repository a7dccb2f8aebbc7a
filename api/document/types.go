package document

import "time"

// Values of apiVersion and kind.
const (
	APIVersion = "access.usher.dev/v1"

	KindApplication   = "ApplicationAccessDocument"
	KindUser          = "UserAccessDocument"
	KindOrganizations = "UserOrganizationsDocument"
)

// Keys of the published ConfigMaps. They are the names of the mounted files.
const (
	AccessKey        = "access.json"
	OrganizationsKey = "organizations.json"
)

// NoAccess is the role of a user without access.
const NoAccess = "NoAccess"

// Operators of requirements.
const (
	In          = "In"
	NotIn       = "NotIn"
	GreaterThan = "GreaterThan"
	LessThan    = "LessThan"
)

// The fields of the following types are in the order of their JSON names, so that encoding a document gives its
// canonical bytes.

// Application is the application document: all users with access to one application of an organization. A user who is
// absent has no access.
type Application struct {
	APIVersion  string `json:"apiVersion"`
	Application string `json:"application"`
	// Filters lists the distinct filters of all users, sorted by the bytes of their JSON. A user refers to filters by
	// their places in this list, so that users who see the same rows share one text. Nil means that every user sees
	// every row.
	Filters      []Filter `json:"filters,omitzero"`
	Kind         string   `json:"kind"`
	Organization string   `json:"organization"`
	// Roles is the application ladder, the most permissive role first.
	Roles []Role `json:"roles"`
	// Shard is the number of this shard, from 0 to Shards-1. A user is in exactly one shard.
	Shard  int                        `json:"shard"`
	Shards int                        `json:"shards"`
	Users  map[string]ApplicationUser `json:"users"`
}

// Role is a role of the application ladder with all of its permissions, sorted, including those of the roles below.
type Role struct {
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
}

// ApplicationUser is the entry of a user in an application document.
type ApplicationUser struct {
	// Filters are ascending places in [Application.Filters]. A row is visible if each of these filters lets it pass.
	// Nil means every row. [Application.FiltersOf] returns the filters themselves.
	Filters []int `json:"filters,omitzero"`
	// NotAfter is the instant at which the entry expires. Zero means never.
	NotAfter time.Time `json:"notAfter,omitzero"`
	Role     string    `json:"role"`
	// Source is the object that the role comes from, as Kind/namespace/name.
	Source string `json:"source"`
}

// User is the user document: the access of one user in an organization.
type User struct {
	APIVersion string `json:"apiVersion"`
	// Applications omits applications in which both the user's role and DefaultRole are NoAccess.
	Applications map[string]UserApplication `json:"applications"`
	// DefaultFilters are ascending places in Filters, for the rows of applications that are not in Applications. Nil
	// means every row.
	DefaultFilters []int `json:"defaultFilters,omitzero"`
	// DefaultRole is the role in every application that is not in Applications.
	DefaultRole string `json:"defaultRole"`
	// Filters lists the distinct filters that DefaultFilters and Applications refer to, sorted by the bytes of their
	// JSON. Nil means that no application limits the rows.
	Filters []Filter `json:"filters,omitzero"`
	Kind    string   `json:"kind"`
	// NotAfter is the instant from which OrganizationRole and DefaultRole are NoAccess. Zero means never.
	NotAfter         time.Time `json:"notAfter,omitzero"`
	Organization     string    `json:"organization"`
	OrganizationRole string    `json:"organizationRole"`
	User             string    `json:"user"`
}

// UserApplication is the entry of an application in a user document. With the role NoAccess, all other fields are
// empty.
type UserApplication struct {
	// Filters are ascending places in [User.Filters]. Nil means every row. [User.FiltersOf] returns the filters
	// themselves.
	Filters     []int     `json:"filters,omitzero"`
	NotAfter    time.Time `json:"notAfter,omitzero"`
	Permissions []string  `json:"permissions,omitzero"`
	Role        string    `json:"role"`
	Source      string    `json:"source,omitempty"`
}

// Organizations is the organizations document: the organizations of a user who can enter two or more.
type Organizations struct {
	APIVersion    string         `json:"apiVersion"`
	Kind          string         `json:"kind"`
	Organizations []Organization `json:"organizations"`
	User          string         `json:"user"`
}

// Organization is an organization that the user can enter. After NotAfter, the user can no longer enter it or has a
// lower organization role.
type Organization struct {
	Name             string    `json:"name"`
	NotAfter         time.Time `json:"notAfter,omitzero"`
	OrganizationRole string    `json:"organizationRole"`
}

// Filter lets a row pass if any alternative holds. Without alternatives, no row passes.
type Filter struct {
	AnyOf []Alternative `json:"anyOf"`
}

// Alternative holds for a row if all of its requirements hold.
type Alternative struct {
	AllOf []Requirement `json:"allOf"`
}

// Requirement compares an attribute of a row with values. Operator is In, NotIn, GreaterThan or LessThan. GreaterThan
// and LessThan take one value, a decimal number or an RFC 3339 instant. A row without the attribute meets no
// requirement.
type Requirement struct {
	Attribute string   `json:"attribute"`
	Operator  string   `json:"operator"`
	Values    []string `json:"values"`
}

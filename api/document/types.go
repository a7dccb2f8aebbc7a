package document

import "time"

// What the documents say of themselves.
const (
	APIVersion = "access.usher.dev/v1"

	KindApplication   = "ApplicationAccessDocument"
	KindUser          = "UserAccessDocument"
	KindOrganizations = "UserOrganizationsDocument"
)

// Keys of the published ConfigMaps, which are the names of the mounted files.
const (
	AccessKey        = "access.json"
	OrganizationsKey = "organizations.json"
)

// NoAccess is the role of a user who has none: no access.
const NoAccess = "NoAccess"

// Operators of requirements.
const (
	In          = "In"
	NotIn       = "NotIn"
	GreaterThan = "GreaterThan"
	LessThan    = "LessThan"
)

// The fields of every type below stand in the order of their JSON names, so that encoding a document gives its
// canonical bytes.

// Application is the application document: everybody who has access to one application of an organization. Users with
// NoAccess are absent; absent means no access.
type Application struct {
	APIVersion  string `json:"apiVersion"`
	Application string `json:"application"`
	// Filters lists the distinct filters of all users in Users, sorted by the bytes of their JSON. A user names filters
	// by their places in this list, so that users who see the same rows share one text. Nil: every user sees every row.
	Filters      []Filter `json:"filters,omitzero"`
	Kind         string   `json:"kind"`
	Organization string   `json:"organization"`
	// Roles is the application ladder, the most permissive role first.
	Roles []Role `json:"roles"`
	// Shard is this document's number of Shards; a user is in exactly one shard.
	Shard  int                        `json:"shard"`
	Shards int                        `json:"shards"`
	Users  map[string]ApplicationUser `json:"users"`
}

// Role is a rung of the application ladder with its whole permission set, sorted, those of the rungs below included.
type Role struct {
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
}

// ApplicationUser is what an application document says of one user.
type ApplicationUser struct {
	// Filters are ascending places in [Application.Filters]: a row is visible when each of these filters lets it pass.
	// Nil: every row. [Application.FiltersOf] returns the filters themselves.
	Filters []int `json:"filters,omitzero"`
	// NotAfter is the instant from which on the entry no longer holds. Zero: never.
	NotAfter time.Time `json:"notAfter,omitzero"`
	Role     string    `json:"role"`
	// Source is the object that the role comes from, Kind/namespace/name.
	Source string `json:"source"`
}

// User is the user document: everything that one user may do in an organization.
type User struct {
	APIVersion string `json:"apiVersion"`
	// Applications leaves out those in which both the user's role and DefaultRole are NoAccess.
	Applications map[string]UserApplication `json:"applications"`
	// DefaultFilters are ascending places in Filters, for the rows of applications that Applications does not have.
	// Nil: every row.
	DefaultFilters []int `json:"defaultFilters,omitzero"`
	// DefaultRole is the role in every application that Applications does not have.
	DefaultRole string `json:"defaultRole"`
	// Filters lists the distinct filters that DefaultFilters and Applications name, sorted by the bytes of their JSON.
	// Nil: no application limits the rows.
	Filters []Filter `json:"filters,omitzero"`
	Kind    string   `json:"kind"`
	// NotAfter is the instant from which on OrganizationRole and DefaultRole are NoAccess. Zero: never.
	NotAfter         time.Time `json:"notAfter,omitzero"`
	Organization     string    `json:"organization"`
	OrganizationRole string    `json:"organizationRole"`
	User             string    `json:"user"`
}

// UserApplication is what a user document says of one application. With NoAccess it has a role and nothing else.
type UserApplication struct {
	// Filters are ascending places in [User.Filters]. Nil: every row. [User.FiltersOf] returns the filters themselves.
	Filters     []int     `json:"filters,omitzero"`
	NotAfter    time.Time `json:"notAfter,omitzero"`
	Permissions []string  `json:"permissions,omitzero"`
	Role        string    `json:"role"`
	Source      string    `json:"source,omitempty"`
}

// Organizations is the organizations document: where a user who can enter two or more organizations can go.
type Organizations struct {
	APIVersion    string         `json:"apiVersion"`
	Kind          string         `json:"kind"`
	Organizations []Organization `json:"organizations"`
	User          string         `json:"user"`
}

// Organization is an organization that the user can enter. Past NotAfter the user no longer can, or has a lower
// organization role.
type Organization struct {
	Name             string    `json:"name"`
	NotAfter         time.Time `json:"notAfter,omitzero"`
	OrganizationRole string    `json:"organizationRole"`
}

// Filter lets a row pass when any alternative holds; without alternatives, none passes.
type Filter struct {
	AnyOf []Alternative `json:"anyOf"`
}

// Alternative holds for a row when all of its requirements do.
type Alternative struct {
	AllOf []Requirement `json:"allOf"`
}

// Requirement compares an attribute of a row with values. Operator is In, NotIn, GreaterThan or LessThan; the last two
// have one value, a decimal number or an RFC 3339 instant. A row without the attribute meets no requirement.
type Requirement struct {
	Attribute string   `json:"attribute"`
	Operator  string   `json:"operator"`
	Values    []string `json:"values"`
}

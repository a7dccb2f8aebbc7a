package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/delivery"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Role is a role of a user in an application, in the organization, or in all applications without a role of their own.
type Role struct {
	Role string `json:"role"`
	// Source is the object that grants the role, Kind/namespace/name.
	Source string `json:"source,omitempty"`
	// Until is the end of the role; zero: it has none.
	Until time.Time `json:"until,omitzero"`
}

// Access is the part of a decision that notices tell, together with the groups that tell it. It is immutable, and shared
// between users.
type Access struct {
	Organization Role            `json:"organization,omitzero"`
	Default      Role            `json:"default,omitzero"`
	Applications map[string]Role `json:"applications,omitempty"`
	// Groups are the groups that tell the user about changes (namespace/name), with the names of their channels.
	Groups map[string][]string `json:"groups,omitempty"`

	key string // the digest, once the access is interned
}

// none is the access of an unknown user.
var none = &Access{}

// accessOf returns the access of a member.
func accessOf(m *roster.Member) *Access {
	a := &Access{}
	if d := m.Decision; d != nil {
		a.Organization, a.Default = roleOf(&d.OrganizationRole), roleOf(&d.Default.Outcome)
		for _, app := range d.Applications {
			if !app.GivesAccess() && !d.Default.GivesAccess() {
				continue
			}
			if a.Applications == nil {
				a.Applications = make(map[string]Role, len(d.Applications))
			}
			a.Applications[app.Application] = roleOf(&app.Outcome)
		}
	}
	for _, g := range m.Groups {
		if tells(g) {
			if a.Groups == nil {
				a.Groups = map[string][]string{}
			}
			a.Groups[g.Namespace+"/"+g.Name] = channelNames(g)
		}
	}
	return a
}

// roleOf returns the zero role for an outcome without access, whatever the reason is.
func roleOf(o *resolve.Outcome) Role {
	if !o.GivesAccess() {
		return Role{}
	}
	return Role{Role: o.Role, Source: o.Source, Until: o.NotAfter.UTC()}
}

func (r Role) name() string {
	if r.Role == "" {
		return delivery.NoAccess
	}
	return r.Role
}

// in returns the role in the application.
func (a *Access) in(application string) Role {
	if r, found := a.Applications[application]; found {
		return r
	}
	return a.Default
}

// isNone reports whether the access has neither a role nor a group.
func (a *Access) isNone() bool {
	return a.Organization == Role{} && a.Default == Role{} && len(a.Applications) == 0 && len(a.Groups) == 0
}

// digestLength is the number of hexadecimal digits of a digest. Two accesses collide with a probability of 2^-64.
const digestLength = 16

// digest identifies the access within a record. The digest of none is empty.
func (a *Access) digest() string {
	if a.key != "" || a.isNone() {
		return a.key
	}
	text, err := json.Marshal(a) // sorts the keys of maps
	if err != nil {
		panic("notify: an access is not JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:digestLength]
}

// ends lists the instants at which a role ends, sorted.
func (a *Access) ends() []time.Time {
	var ends []time.Time
	add := func(r Role) {
		if !r.Until.IsZero() {
			ends = append(ends, r.Until)
		}
	}
	add(a.Organization)
	add(a.Default)
	for _, r := range a.Applications {
		add(r)
	}
	slices.SortFunc(ends, time.Time.Compare)
	return slices.CompactFunc(ends, time.Time.Equal)
}

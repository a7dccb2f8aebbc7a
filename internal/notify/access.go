package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Role is a role that a user holds: in an application, in the organization, or in all applications that nothing else is
// said of.
type Role struct {
	Role string `json:"role"`
	// Source is the object that gives it, Kind/namespace/name.
	Source string `json:"source,omitempty"`
	// Until is the first instant at which it is less; zero: it does not end.
	Until time.Time `json:"until,omitzero"`
}

// Access is what a user may do in an organization, and through which groups the user is told of it. It is the part of a
// decision that a notice speaks of. An Access is not changed once it is made: many users share one.
type Access struct {
	Organization Role            `json:"organization,omitzero"`
	Default      Role            `json:"default,omitzero"`
	Applications map[string]Role `json:"applications,omitempty"`
	// Groups are those that tell the user of changes, namespace/name, with their channels.
	Groups map[string][]string `json:"groups,omitempty"`

	key string // the digest, once the access is part of a record
}

// noAccess is the role of somebody who has none.
const noAccess = "NoAccess"

// none is the access of somebody of whom nothing is known.
var none = &Access{}

// accessOf makes the access of a member.
func accessOf(m *roster.Member) *Access {
	a := &Access{}
	if d := m.Decision; d != nil {
		a.Organization, a.Default = roleOf(&d.OrganizationRole), roleOf(&d.Default.Outcome)
		for i := range d.Applications {
			app := d.Applications[i]
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

// roleOf is the zero role where there is no access: a reason to have none is told by what takes it away.
func roleOf(o *resolve.Outcome) Role {
	if !o.GivesAccess() {
		return Role{}
	}
	return Role{Role: o.Role, Source: o.Source, Until: o.NotAfter.UTC()}
}

func (r Role) name() string {
	if r.Role == "" {
		return noAccess
	}
	return r.Role
}

// in returns the role in the application.
func (a *Access) in(application string) Role {
	if r, said := a.Applications[application]; said {
		return r
	}
	return a.Default
}

// isNone says whether there is nothing to know of the user.
func (a *Access) isNone() bool {
	return a.Organization == Role{} && a.Default == Role{} && len(a.Applications) == 0 && len(a.Groups) == 0
}

// digestLength keeps two accesses of one organization apart: 2^-64 for any two.
const digestLength = 16

// digest names the access within a record. That of none is "".
func (a *Access) digest() string {
	if a.key != "" {
		return a.key
	}
	if a.isNone() {
		return ""
	}
	text, err := json.Marshal(a) // maps are written in the order of their keys
	if err != nil {
		panic("notify: an access of strings and instants is not JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:digestLength]
}

// ends lists, sorted, when something of the access ends.
func (a *Access) ends() []time.Time {
	var ends []time.Time
	add := func(r Role) {
		if !r.Until.IsZero() {
			ends = append(ends, r.Until)
		}
	}
	add(a.Organization)
	add(a.Default)
	for _, name := range slices.Sorted(maps.Keys(a.Applications)) {
		add(a.Applications[name])
	}
	slices.SortFunc(ends, time.Time.Compare)
	return slices.CompactFunc(ends, time.Time.Equal)
}

package document

import (
	"slices"
	"time"
	"unicode/utf8"
)

// MaximumBytes is the maximum size of a document. It is the limit for a ConfigMap.
const MaximumBytes = 1 << 20

const (
	maximumShards         = 1024
	maximumUserCharacters = 253
)

// Parse parses one document. Use it for documents that do not come from a directory.
//
// It ignores unknown fields, because a later version of Usher adds to this apiVersion only fields that a reader can
// ignore without giving too much access. Everything else that Usher does not publish is an error of type [*Error]:
// another apiVersion, a user who is duplicated or in the wrong shard, a role that is not on the ladder, a place outside
// the list of filters, or a known field that is duplicated, null or spelled in another case.
func Parse(data []byte) (*Documents, error) {
	if len(data) > MaximumBytes {
		return nil, newError("", MaximumBytes, "more than %d bytes, which no ConfigMap can have", MaximumBytes)
	}
	kind, at, err := head(data)
	if err != nil {
		return nil, err
	}
	documents := &Documents{}
	p := newParser(data)
	switch kind {
	case KindApplication:
		documents.Applications = make([]Application, 1)
		err = p.application(&documents.Applications[0])
	case KindUser:
		documents.Users = make([]User, 1)
		err = p.user(&documents.Users[0])
	case KindOrganizations:
		documents.Organizations = make([]Organizations, 1)
		err = p.organizations(&documents.Organizations[0])
	default:
		return nil, newError("/kind", at, "%q is not known, only %s, %s and %s",
			shorten(kind), KindApplication, KindUser, KindOrganizations)
	}
	if err != nil {
		return nil, err
	}
	return documents, nil
}

// head checks the syntax of the data and returns the kind of the document. It checks the version first, because the
// rest of another version is unknown.
func head(data []byte) (kind string, kindAt int, err error) {
	p := newParser(data)
	var version string
	var versionAt int
	err = p.members(func(name string, _ int) (err error) {
		at := p.next()
		switch name {
		case "apiVersion":
			versionAt = at
			version, err = p.text()
		case "kind":
			kindAt = at
			kind, err = p.text()
		default:
			err = p.skip()
		}
		return err
	})
	if err == nil {
		err = p.end()
	}
	if err == nil && version != APIVersion {
		err = newError("/apiVersion", versionAt, "%q is not known, only %q", shorten(version), APIVersion)
	}
	return kind, kindAt, err
}

// position is the name of a member of an object and the offset at which the member begins.
type position struct {
	name string
	at   int
}

func (p *parser) application(d *Application) error {
	var shardAt, shardsAt int
	var users []position
	err := p.object(
		p.string("apiVersion", &d.APIVersion),
		p.string("application", &d.Application),
		p.filters(&d.Filters),
		p.string("kind", &d.Kind),
		p.string("organization", &d.Organization),
		field{name: "roles", read: func() error { return p.roles(&d.Roles) }},
		field{name: "shard", read: func() (err error) {
			shardAt = p.next()
			d.Shard, err = p.number(maximumShards - 1)
			return err
		}},
		field{name: "shards", read: func() (err error) {
			shardsAt = p.next()
			d.Shards, err = p.number(maximumShards)
			return err
		}},
		field{name: "users", read: func() (err error) {
			users, err = p.applicationUsers(&d.Users)
			return err
		}},
	)
	if err != nil {
		return err
	}
	if powerOfTwo := d.Shards&(d.Shards-1) == 0; !powerOfTwo && !over(d) || d.Shards == 0 {
		return p.fail(shardsAt, "%d is not a power of two", d.Shards).in("shards")
	}
	if d.Shard >= d.Shards && len(d.Users) > 0 {
		return p.fail(shardAt, "shard %d of %d does not exist but has users", d.Shard, d.Shards).in("shard")
	}
	return p.checkUsers(d, users)
}

// checkUsers checks the users against the rest of the document, which may come after them.
func (p *parser) checkUsers(d *Application, users []position) error {
	for _, user := range users {
		u := d.Users[user.name]
		switch home := int(hash(user.name) & uint32(d.Shards-1)); {
		case home != d.Shard:
			return p.fail(user.at, "the user belongs in shard %d of %d, this is shard %d", home, d.Shards, d.Shard).
				in("users", user.name)
		case !slices.ContainsFunc(d.Roles, func(r Role) bool { return r.Name == u.Role }):
			return p.fail(user.at, "role %q is not in roles", shorten(u.Role)).in("users", user.name)
		case !within(u.Filters, d.Filters):
			return p.outside(user.at, u.Filters, d.Filters).in("users", user.name, "filters")
		}
	}
	return nil
}

// within reports whether all places, which ascend, exist in the list.
func within(places []int, list []Filter) bool {
	return len(places) == 0 || places[len(places)-1] < len(list)
}

// outside returns the error for a place that is not in the list of filters.
func (p *parser) outside(at int, places []int, list []Filter) *Error {
	return p.fail(at, "place %d is outside the document's list, which has %d filters", places[len(places)-1], len(list))
}

func (p *parser) roles(to *[]Role) error {
	*to = []Role{}
	return p.list(func() error {
		var r Role
		at := p.next()
		err := p.object(
			p.string("name", &r.Name),
			p.strings("permissions", &r.Permissions, false),
		)
		switch {
		case err != nil:
			return err
		case r.Name == NoAccess:
			return p.fail(at, "%s cannot be on a ladder", NoAccess).in("name")
		case slices.ContainsFunc(*to, func(other Role) bool { return other.Name == r.Name }):
			return p.fail(at, "role %q is duplicated", shorten(r.Name)).in("name")
		}
		*to = append(*to, r)
		return nil
	})
}

// applicationUsers reads the users and returns them in the order of the document.
func (p *parser) applicationUsers(to *map[string]ApplicationUser) (users []position, err error) {
	*to = map[string]ApplicationUser{}
	err = p.members(func(user string, at int) error {
		if err := p.checkUser(user, at); err != nil {
			return err
		}
		if _, twice := (*to)[user]; twice {
			return p.fail(at, "the user is duplicated")
		}
		users = append(users, position{user, at})
		var u ApplicationUser
		err := p.object(
			p.places("filters", &u.Filters),
			p.notAfter(&u.NotAfter),
			p.string("role", &u.Role),
			p.string("source", &u.Source),
		)
		(*to)[user] = u
		return err
	})
	return users, err
}

// checkUser bounds the length of a user. It does not check the characters, which are up to Usher.
func (p *parser) checkUser(user string, at int) error {
	switch n := utf8.RuneCountInString(user); {
	case n == 0:
		return p.fail(at, "the user is empty")
	case n > maximumUserCharacters:
		return p.fail(at, "the user has %d characters, the maximum is %d", n, maximumUserCharacters)
	}
	return nil
}

func (p *parser) user(d *User) error {
	var defaultsAt int
	var applications []position
	err := p.object(
		p.string("apiVersion", &d.APIVersion),
		field{name: "applications", read: func() (err error) {
			applications, err = p.userApplications(&d.Applications)
			return err
		}},
		field{name: "defaultFilters", optional: true, read: func() error {
			defaultsAt = p.next()
			return p.places("defaultFilters", &d.DefaultFilters).read()
		}},
		p.string("defaultRole", &d.DefaultRole),
		p.filters(&d.Filters),
		p.string("kind", &d.Kind),
		p.notAfter(&d.NotAfter),
		p.string("organization", &d.Organization),
		p.string("organizationRole", &d.OrganizationRole),
		p.identity("user", &d.User),
	)
	if err != nil {
		return err
	}
	if !within(d.DefaultFilters, d.Filters) {
		return p.outside(defaultsAt, d.DefaultFilters, d.Filters).in("defaultFilters")
	}
	for _, application := range applications {
		if places := d.Applications[application.name].Filters; !within(places, d.Filters) {
			return p.outside(application.at, places, d.Filters).in("applications", application.name, "filters")
		}
	}
	return nil
}

// userApplications reads the applications and returns them in the order of the document.
func (p *parser) userApplications(to *map[string]UserApplication) (applications []position, err error) {
	*to = map[string]UserApplication{}
	err = p.members(func(application string, at int) error {
		if _, twice := (*to)[application]; twice {
			return p.fail(at, "the application is duplicated")
		}
		applications = append(applications, position{application, at})
		var a UserApplication
		err := p.object(
			p.places("filters", &a.Filters),
			p.notAfter(&a.NotAfter),
			p.strings("permissions", &a.Permissions, true),
			p.string("role", &a.Role),
			optional(p.string("source", &a.Source)),
		)
		if err == nil && a.Role == NoAccess && len(a.Permissions) > 0 {
			err = p.fail(at, "%s must not have permissions", NoAccess)
		}
		(*to)[application] = a
		return err
	})
	return applications, err
}

func (p *parser) organizations(d *Organizations) error {
	return p.object(
		p.string("apiVersion", &d.APIVersion),
		p.string("kind", &d.Kind),
		field{name: "organizations", read: func() error {
			d.Organizations = []Organization{}
			return p.list(func() error {
				var o Organization
				at := p.next()
				err := p.object(
					p.string("name", &o.Name),
					p.notAfter(&o.NotAfter),
					p.string("organizationRole", &o.OrganizationRole),
				)
				if err == nil && slices.ContainsFunc(d.Organizations,
					func(other Organization) bool { return other.Name == o.Name }) {
					err = p.fail(at, "organization %q is duplicated", shorten(o.Name)).in("name")
				}
				d.Organizations = append(d.Organizations, o)
				return err
			})
		}},
		p.identity("user", &d.User),
	)
}

// filters reads the document's list of filters.
func (p *parser) filters(to *[]Filter) field {
	return field{name: "filters", optional: true, read: func() error {
		*to = []Filter{}
		return p.list(func() error {
			filter := Filter{AnyOf: []Alternative{}}
			err := p.object(field{name: "anyOf", read: func() error {
				return p.list(func() error {
					alternative, err := p.alternative()
					filter.AnyOf = append(filter.AnyOf, alternative)
					return err
				})
			}})
			*to = append(*to, filter)
			return err
		})
	}}
}

// places reads ascending places in the list of filters. A missing field means every row, so an empty list, which might
// be meant as that, is an error.
func (p *parser) places(name string, to *[]int) field {
	return field{name: name, optional: true, read: func() error {
		at := p.next()
		err := p.list(func() error {
			at := p.next()
			place, err := p.number(MaximumBytes)
			if err == nil && len(*to) > 0 && place <= (*to)[len(*to)-1] {
				err = p.fail(at, "place %d follows place %d, but places must ascend", place, (*to)[len(*to)-1])
			}
			*to = append(*to, place)
			return err
		})
		if err == nil && len(*to) == 0 {
			err = p.fail(at, "an empty list; leave it out where every row is visible")
		}
		return err
	}}
}

func (p *parser) alternative() (Alternative, error) {
	var a Alternative
	err := p.object(field{name: "allOf", read: func() error {
		at := p.next()
		err := p.list(func() error {
			requirement, err := p.requirement()
			a.AllOf = append(a.AllOf, requirement)
			return err
		})
		if err == nil && len(a.AllOf) == 0 {
			err = p.fail(at, "an alternative without requirements")
		}
		return err
	}})
	return a, err
}

func (p *parser) requirement() (Requirement, error) {
	var r Requirement
	at := p.next()
	err := p.object(
		p.string("attribute", &r.Attribute),
		p.string("operator", &r.Operator),
		p.strings("values", &r.Values, false),
	)
	if err != nil {
		return r, err
	}
	switch r.Operator {
	case In, NotIn:
	case GreaterThan, LessThan:
		if len(r.Values) != 1 {
			err = p.fail(at, "%s takes one value, not %d", r.Operator, len(r.Values)).in("values")
		}
	default:
		err = p.fail(at, "%q is not known, only %s, %s, %s and %s",
			shorten(r.Operator), In, NotIn, GreaterThan, LessThan).in("operator")
	}
	return r, err
}

// string is a required field with a non-empty string.
func (p *parser) string(name string, to *string) field {
	return field{name: name, read: func() (err error) {
		at := p.next()
		*to, err = p.text()
		if err == nil && *to == "" {
			err = p.fail(at, "an empty string")
		}
		return err
	}}
}

func (p *parser) identity(name string, to *string) field {
	return field{name: name, read: func() (err error) {
		at := p.next()
		if *to, err = p.text(); err == nil {
			err = p.checkUser(*to, at)
		}
		return err
	}}
}

func (p *parser) strings(name string, to *[]string, optional bool) field {
	return field{name: name, optional: optional, read: func() error {
		*to = []string{}
		return p.list(func() error {
			text, err := p.text()
			*to = append(*to, text)
			return err
		})
	}}
}

func (p *parser) notAfter(to *time.Time) field {
	return field{name: "notAfter", optional: true, read: func() (err error) {
		*to, err = p.instant()
		return err
	}}
}

func optional(f field) field {
	f.optional = true
	return f
}

// hash returns the 32-bit FNV-1a hash of a user. The user's shard is the hash modulo the number of shards.
func hash(user string) uint32 {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for i := range len(user) {
		h = (h ^ uint32(user[i])) * prime
	}
	return h
}

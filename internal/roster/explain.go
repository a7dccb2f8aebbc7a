package roster

import (
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// Explanation is all that the roster knows of why a user may do in an organization what the user may do.
type Explanation struct {
	resolve.Explanation
	// Memberships are the groups that the user is in, in the organization and in the system namespace, active or not.
	Memberships []Membership
	// Ignored are objects that name the user, or that the user names, and that count for nothing.
	Ignored []index.Ignored
}

// Membership is one group of a user.
type Membership struct {
	Group Object
	// Windows is when the user is a member; none: always.
	Windows []resolve.Window
	// Paths say why: one for each place that names the user.
	Paths []index.Path
	// Active says whether the user is a member at the roster's instant.
	Active bool
}

// Explain derives what the user may do in the organization at the instant of the last Settle, in the applications
// given. It returns nil where the namespace is no organization. The cost grows with what bears on the user.
func (v *View) Explain(organization, user string, applications []string) *Explanation {
	n, o, system := v.index.Namespace(organization), v.at(organization), v.index.System()
	if o.rules == nil {
		return nil
	}
	p := resolve.Person{Named: o.applications, Place: n.Place()}
	p.Own, p.AtSystem = attributesOf(n, user), attributesOf(system, user)
	p.Bars = n.AppendBars(nil, user)
	p.Declared = len(p.Bars) > 0
	p.Bars = system.AppendBars(p.Bars, user)
	made := &Explanation{}
	for _, at := range []*index.Namespace{n, system} {
		paths := at.Paths(user)
		var walk index.Walk
		for _, m := range walk.Memberships(at, user) {
			p.Claims = append(p.Claims, resolve.Claim{Source: m.Group.Source, Windows: m.Windows})
			made.Memberships = append(made.Memberships, Membership{
				Group:   ObjectOf(m.Group.Object),
				Windows: m.Windows, Paths: paths[m.Group.Object.Name], Active: m.Active(v.now),
			})
		}
		if a := at.Account(user); a != nil && a.Source != nil {
			p.Claims = append(p.Claims, resolve.Claim{Source: a.Source})
		}
		made.Ignored = append(made.Ignored, at.Ignored(user)...)
	}
	made.Explanation = o.rules.Explain(p, applications, v.now)
	return made
}

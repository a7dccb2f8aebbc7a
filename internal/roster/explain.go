package roster

import (
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// Explanation explains why a user has the access that the user has in an organization.
type Explanation struct {
	resolve.Explanation
	// Memberships are the user's groups in the organization and in the system namespace, active or not.
	Memberships []Membership
	// Ignored are the objects and references that concern the user but have no effect.
	Ignored []index.Ignored
}

// Membership is the membership of a user in one group.
type Membership struct {
	Group Object
	// Windows are the times at which the user is a member. Empty means always.
	Windows []resolve.Window
	// Paths are the paths from the user to the group, one from each place that names the user.
	Paths []index.Path
	// Active reports whether the user is a member at the roster's instant.
	Active bool
}

// Explain explains what the user may do in the organization, in the given applications, at the instant of the
// last Settle. It returns nil if the namespace is not an organization. The cost grows with the number of grants
// and memberships of the user.
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

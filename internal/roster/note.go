package roster

import (
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// noteEntry keeps track of the organizations that the user can enter.
func (r *Roster) noteEntry(n *namespace, user string, before, after *resolve.Decision) {
	was, is := before != nil && before.Enters, after != nil && after.Enters
	switch entered := r.entered[user]; {
	case is && !was:
		r.entered[user] = append(entered, n)
	case was && !is && len(entered) == 1:
		delete(r.entered, user)
	case was && !is:
		r.entered[user] = slices.DeleteFunc(entered, func(e *namespace) bool { return e == n })
	}
}

// noteConflicts keeps, for every source, the conflicts that it takes part in.
func (r *Roster) noteConflicts(n *namespace, user string, before, after *resolve.Decision) {
	var was, is []resolve.Conflict
	if before != nil {
		was = before.Conflicts
	}
	if after != nil {
		is = after.Conflicts
	}
	if slices.EqualFunc(was, is, resolve.Conflict.Equal) {
		return
	}
	r.conflictTotal += len(is) - len(was)
	for _, c := range was {
		r.countConflict(n, user, &c, -1)
	}
	for _, c := range is {
		r.countConflict(n, user, &c, +1)
	}
}

func (r *Roster) countConflict(n *namespace, user string, c *resolve.Conflict, by int) {
	at := conflicting{n.name, user}
	last := ""
	for _, g := range c.Grants { // sorted by source
		if g.Source == last {
			continue
		}
		last = g.Source
		if r.conflicts[last] == nil {
			r.conflicts[last] = map[conflicting]int{}
		}
		of := r.conflicts[last]
		of[at] += by
		if of[at] == 0 {
			delete(of, at)
		}
		if len(of) == 0 {
			delete(r.conflicts, last)
		}
		if o, ok := ParseObject(last); ok {
			r.touched[o] = struct{}{}
		}
	}
}

// touchUserAccess notes the user's UserAccess objects.
func (r *Roster) touchUserAccess(n *namespace, user string) {
	if a := n.accounts[user]; a != nil {
		for _, ua := range a.all() {
			r.touched[Object{KindUserAccess, n.name, ua.Name}] = struct{}{}
		}
	}
}

func (r *Roster) touchPolicy(n *namespace) {
	if n.policy != nil {
		r.touched[Object{KindAccessPolicy, n.name, accessv1alpha1.AccessPolicyName}] = struct{}{}
	}
	if r.system.policy != nil {
		r.touched[Object{KindAccessPolicy, r.system.name, accessv1alpha1.AccessPolicyName}] = struct{}{}
	}
}

func (r *Roster) touchPolicies() {
	for _, n := range r.namespaces {
		r.touchPolicy(n)
	}
}

// holdsTop says whether the decision gives the top organization role.
func holdsTop(n *namespace, d *resolve.Decision) bool {
	return d != nil && n.compiled != nil && d.OrganizationRole.Role == n.compiled.Rules().OrganizationRoles[0].Name
}

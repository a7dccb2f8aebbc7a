package scim

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// provisioned is a group of an identity provider: an AccessGroup and the parts that hold its other members.
type provisioned struct {
	group *accessv1alpha1.AccessGroup
	parts map[int]*accessv1alpha1.AccessGroup
	// placed are the provisioned members of the group and of each part.
	placed [][]string
}

func newProvisioned(group *accessv1alpha1.AccessGroup, parts []*accessv1alpha1.AccessGroup) (*provisioned, error) {
	p := &provisioned{group: group, parts: map[int]*accessv1alpha1.AccessGroup{}, placed: make([][]string, 1)}
	for _, part := range parts {
		if number := partOf(group.Name, part.Name); number > 0 && number <= mostParts {
			p.parts[number] = part
			p.placed = append(p.placed, make([][]string, max(0, number+1-len(p.placed)))...)
		}
	}
	var err error
	for number := range p.placed {
		object := p.object(number)
		if object == nil {
			continue
		}
		if p.placed[number], err = provisionedMembers(object); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// object returns the group or a part, or nil.
func (p *provisioned) object(part int) *accessv1alpha1.AccessGroup {
	if part == 0 {
		return p.group
	}
	return p.parts[part]
}

// adopted reports whether the group is declared by somebody else, and only its members are provisioned.
func (p *provisioned) adopted() bool {
	return p.group.Annotations[accessv1alpha1.AnnotationMembers] == accessv1alpha1.MembersProvisioned
}

// version returns the version of the group and its parts.
func (p *provisioned) version() string {
	objects := []metav1.Object{p.group}
	for part := 1; part < len(p.placed); part++ {
		if object := p.parts[part]; object != nil {
			objects = append(objects, object)
		}
	}
	return etag(objects...)
}

// state returns the group as it is.
func (p *provisioned) state() groupChange {
	c := groupChange{group: groupFromObject(p.group), members: members{}}
	for _, list := range p.placed {
		c.members.add(list)
	}
	return c
}

// passes reports whether the group has the values of the filter.
func (p *provisioned) passes(wanted filter) bool {
	g := groupFromObject(p.group)
	for attribute, value := range wanted {
		switch attribute {
		case attributeDisplayName:
			if fold(g.displayName) != fold(value) {
				return false
			}
		case attributeExternalID:
			if g.externalID != value {
				return false
			}
		case attributeMemberValue:
			who, _, ok := parseUserID(value)
			if !ok || !slices.ContainsFunc(p.placed, func(list []string) bool { return slices.Contains(list, who) }) {
				return false
			}
		}
	}
	return true
}

// namedParts returns the number of the last part that the AccessGroup names.
func namedParts(ag *accessv1alpha1.AccessGroup) int {
	last := 0
	for _, name := range ag.Spec.MemberGroups {
		last = max(last, partOf(ag.Name, string(name)))
	}
	return last
}

// write writes the difference between the group and the change: first the parts, because a part that the group does not
// name has no effect, then the group, and last it deletes the parts that are no longer needed.
func (p *provisioned) write(ctx context.Context, ex *exchange, next *groupChange) (*provisioned, error) {
	placed, err := place(p.placed, next.members)
	if err != nil {
		return nil, err
	}
	written := &provisioned{group: p.group, parts: map[int]*accessv1alpha1.AccessGroup{}, placed: placed}
	wrote := false
	for part := 1; part < len(placed); part++ {
		existing := p.parts[part]
		written.parts[part] = existing
		if existing != nil && slices.Equal(placed[part], p.placed[part]) {
			continue
		}
		a := partApply(ex, p.group.Name, partName(p.group.Name, part), existing, placed[part])
		if written.parts[part], err = p.apply(ctx, ex, a, p.lost(part, placed)); err != nil {
			return nil, partly(err, wrote)
		}
		wrote = true
	}
	a := p.mainApply(ex, p.group.Name, &next.group, placed[0], len(placed)-1)
	unchanged := slices.Equal(placed[0], p.placed[0]) && namedParts(p.group) == len(placed)-1 &&
		next.group == groupFromObject(p.group) && a.isMetadataOf(p.group)
	if !unchanged {
		if written.group, err = p.apply(ctx, ex, a, p.lost(0, placed)); err != nil {
			return nil, partly(err, wrote)
		}
		wrote = true
	}
	if !wrote {
		ex.metrics.wrote(kindAccessGroup, operationNone)
	}
	return written, p.removeParts(ctx, ex, len(placed))
}

// partly adds to an error that some of the objects of a group have been written. A conflict stays what it is, because it
// is tried again.
func partly(err error, wrote bool) error {
	f := asFailure(err)
	if !wrote || f.code == codeConflict {
		return err
	}
	f.detail += ". Some members have been written, others have not: repeat the request"
	return f
}

// apply applies what is provisioned of the group or a part. It returns an error if a lost member is still there, because
// another field manager has the member, too.
func (p *provisioned) apply(ctx context.Context, ex *exchange, a *applied, lost []string) (*accessv1alpha1.AccessGroup, error) {
	written := &accessv1alpha1.AccessGroup{}
	if err := ex.store.apply(ctx, a, written); err != nil {
		return nil, err
	}
	ex.metrics.wrote(kindAccessGroup, operationUpdate)
	for _, member := range written.Spec.Members {
		if slices.Contains(lost, string(member.User)) {
			return nil, conflict("AccessGroup %s/%s still has member %q: another field manager has changed the entry, for example to limit its time (%s). Remove the member there",
				ex.organization, a.name, member.User, otherManagers(written))
		}
	}
	return written, nil
}

// lost returns the members that the group or part loses.
func (p *provisioned) lost(part int, placed [][]string) []string {
	if part >= len(p.placed) {
		return nil
	}
	stays := members{}
	stays.add(placed[part])
	return slices.DeleteFunc(slices.Clone(p.placed[part]), func(each string) bool { return stays[each] })
}

// removeParts deletes the parts from the number on.
func (p *provisioned) removeParts(ctx context.Context, ex *exchange, from int) error {
	for number, part := range p.parts {
		if number < from {
			continue
		}
		if err := ignoreGone(ex.store.remove(ctx, kindAccessGroup, part)); err != nil {
			return err
		}
		ex.metrics.wrote(kindAccessGroup, operationDelete)
	}
	return nil
}

// mainApply returns what is applied for the group itself. It names the parts 1 to last.
func (p *provisioned) mainApply(ex *exchange, name string, g *group, list []string, last int) *applied {
	a := &applied{
		kind: kindAccessGroup, namespace: ex.organization, name: name,
		labels: map[string]string{}, annotations: map[string]string{},
		spec: map[string]any{"displayName": g.displayName},
	}
	if p.group != nil {
		a.uid, a.resourceVersion = p.group.UID, p.group.ResourceVersion
	}
	g.setMetadata(a, ex.provider)
	a.setMembers(list)
	var parts []string
	for part := 1; part <= last; part++ {
		parts = append(parts, partName(name, part))
	}
	if len(parts) > 0 {
		a.spec["memberGroups"] = parts
	}
	return a
}

// partApply returns what is applied for a part of the group with the name. Existing is the part as it is, or nil. The part
// has no owner reference to the group: an owner reference requires the right to grant every role.
func partApply(ex *exchange, group, name string, existing *accessv1alpha1.AccessGroup, list []string) *applied {
	a := &applied{
		kind: kindAccessGroup, namespace: ex.organization, name: name,
		labels: map[string]string{accessv1alpha1.LabelProvisionedBy: ex.provider, accessv1alpha1.LabelPartOf: group},
		spec:   map[string]any{},
	}
	if existing != nil {
		a.uid, a.resourceVersion = existing.UID, existing.ResourceVersion
	}
	a.setMembers(list)
	return a
}

func (a *applied) setMembers(list []string) {
	if len(list) == 0 {
		return
	}
	entries := make([]map[string]string, 0, len(list))
	for _, each := range list {
		entries = append(entries, map[string]string{"user": each})
	}
	a.spec["members"] = entries
}

// removeFromGroups removes a user from all groups of the caller, and from their parts.
func removeFromGroups(ctx context.Context, ex *exchange, who string) error {
	own := accessv1alpha1.LabelProvisionedBy + "=" + ex.provider
	return ex.store.groups(ctx, own, func(listed *accessv1alpha1.AccessGroup) error {
		current := listed
		return retrying(func() error {
			if current == nil {
				current = &accessv1alpha1.AccessGroup{}
				if err := ex.store.get(ctx, kindAccessGroup, listed.Name, current); err != nil {
					return ignoreGone(err)
				}
			}
			object := current
			current = nil // after a conflict, it is read again
			return removeFrom(ctx, ex, object, who)
		})
	})
}

// removeFrom removes a user from a group, or from a part of one.
func removeFrom(ctx context.Context, ex *exchange, object *accessv1alpha1.AccessGroup, who string) error {
	list, err := provisionedMembers(object)
	if err != nil || !slices.Contains(list, who) {
		return err
	}
	remaining := slices.DeleteFunc(slices.Clone(list), func(each string) bool { return each == who })
	p := &provisioned{group: object}
	g := groupFromObject(object)
	a := p.mainApply(ex, object.Name, &g, remaining, namedParts(object))
	if group := object.Labels[accessv1alpha1.LabelPartOf]; group != "" {
		a = partApply(ex, group, object.Name, object, remaining)
	}
	_, err = p.apply(ctx, ex, a, []string{who})
	return err
}

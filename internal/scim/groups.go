package scim

import (
	"context"
	"net/http"
	"slices"
	"strings"

	scim "github.com/elimity-com/scim"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// filtersOfGroups are the attributes by which groups are found.
var filtersOfGroups = []string{attributeDisplayName, attributeExternalID, attributeMemberValue, "id"}

// groups handles the requests for groups.
type groups struct{}

// Create creates an AccessGroup, or adopts one that is annotated for it.
func (h *groups) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		wanted, err := groupFromResource(attributes)
		if err != nil {
			return scim.Resource{}, err
		}
		placed, err := place(nil, wanted.members)
		if err != nil {
			return scim.Resource{}, err
		}
		name := groupName(wanted.group.displayName)
		var made *provisioned
		err = retrying(func() error {
			existing, err := h.adoptable(ctx, ex, name)
			if err != nil {
				return err
			}
			if err := h.checkUnique(ctx, ex, wanted.group.displayName, name); err != nil {
				return err
			}
			// A large group first has the members of the group itself, so that its parts are not left over if it is refused.
			a := existing.mainApply(ex, name, &wanted.group, placed[0], 0)
			group := &accessv1alpha1.AccessGroup{}
			if err := ex.store.apply(ctx, a, group); err != nil {
				return err
			}
			ex.metrics.wrote(kindAccessGroup, operationCreate)
			made, err = newProvisioned(group, nil)
			return err
		})
		if err == nil && len(placed) > 1 {
			made, err = h.changeRead(ctx, ex, made, func(*groupChange) error { return nil }, &wanted)
		}
		if err != nil {
			return scim.Resource{}, err
		}
		return h.render(ex, made, sentIDs(attributes)), nil
	})
}

// adoptable returns the AccessGroup with the name if the caller may adopt it, and nothing where there is none.
func (h *groups) adoptable(ctx context.Context, ex *exchange, name string) (*provisioned, error) {
	existing := &accessv1alpha1.AccessGroup{}
	err := ex.store.get(ctx, kindAccessGroup, name, existing)
	switch {
	case apierrors.IsNotFound(err):
		return &provisioned{}, nil
	case err != nil:
		return nil, err
	case existing.DeletionTimestamp != nil:
		return nil, unavailable("AccessGroup %s/%s is being deleted. Repeat the request", ex.organization, name)
	case ex.mine(existing):
		return nil, notUnique("group %q exists: AccessGroup %s/%s", groupFromObject(existing).displayName, ex.organization, name)
	case existing.Labels[accessv1alpha1.LabelProvisionedBy] != "" ||
		existing.Annotations[accessv1alpha1.AnnotationMembers] != accessv1alpha1.MembersProvisioned:
		return nil, conflict("AccessGroup %s/%s exists and does not belong to this identity provider: %s. To have its members provisioned, annotate it with %s: %s",
			ex.organization, name, ownerOf(existing), accessv1alpha1.AnnotationMembers, accessv1alpha1.MembersProvisioned)
	}
	return newProvisioned(existing, nil)
}

// checkUnique returns an error if another group of the caller has the displayName.
func (h *groups) checkUnique(ctx context.Context, ex *exchange, displayName, name string) error {
	terms := h.selector(ex, filter{attributeDisplayName: displayName})
	return ex.store.groups(ctx, terms, func(ag *accessv1alpha1.AccessGroup) error {
		if ag.Name == name || !strings.EqualFold(groupFromObject(ag).displayName, displayName) {
			return nil
		}
		return notUnique("displayName %q: AccessGroup %s/%s has it", displayName, ex.organization, ag.Name)
	})
}

// selector returns the label selector of the caller's groups that may pass the filter, without parts.
func (h *groups) selector(ex *exchange, wanted filter) string {
	terms := []string{accessv1alpha1.LabelProvisionedBy + "=" + ex.provider, "!" + accessv1alpha1.LabelPartOf}
	return selector(append(terms, wanted.selector()...)...)
}

// Get returns a group.
func (h *groups) Get(r *http.Request, id string) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		p, err := h.read(ctx, ex, id)
		if err != nil {
			return scim.Resource{}, err
		}
		if err := ex.matches(p.version()); err != nil {
			return scim.Resource{}, err
		}
		ids, err := h.memberIDs(ctx, ex)
		return h.render(ex, p, ids), err
	})
}

// GetAll returns a page of the groups that pass the filter.
func (h *groups) GetAll(r *http.Request, params scim.ListRequestParams) (scim.Page, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Page, error) {
		wanted, err := parseFilter(ex.filter, filtersOfGroups)
		if err != nil {
			return scim.Page{}, err
		}
		found := newWindow(params)
		var ids map[string]string
		visit := func(p *provisioned) error {
			if !p.passes(wanted) || !found.next() {
				return nil
			}
			if ids == nil {
				if ids, err = h.memberIDs(ctx, ex); err != nil {
					return err
				}
			}
			found.page.Resources = append(found.page.Resources, h.render(ex, p, ids))
			return nil
		}
		if id, given := wanted["id"]; given {
			p, err := h.read(ctx, ex, id)
			if err == nil {
				err = visit(p)
			}
			err = ignoreNotFound(err)
			return found.page, err
		}
		err = ex.store.groups(ctx, h.selector(ex, wanted), func(ag *accessv1alpha1.AccessGroup) error {
			p, err := h.withParts(ctx, ex, ag)
			if err != nil {
				return err
			}
			return visit(p)
		})
		return found.page, err
	})
}

// Replace replaces a group.
func (h *groups) Replace(r *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		wanted, err := groupFromResource(attributes)
		if err != nil {
			return scim.Resource{}, err
		}
		p, err := h.change(ctx, ex, id, func(c *groupChange) error {
			*c = groupChange{wanted.group, wanted.members}
			return nil
		})
		if err != nil {
			return scim.Resource{}, err
		}
		return h.render(ex, p, sentIDs(attributes)), nil
	})
}

// Patch changes a group. It returns no resource, unless the caller asks for attributes: the ids of the members would take
// reading their UserAccess objects.
func (h *groups) Patch(r *http.Request, id string, operations []scim.PatchOperation) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		p, err := h.change(ctx, ex, id, func(c *groupChange) error {
			for _, each := range operations {
				if err := c.patch(each); err != nil {
					return err
				}
			}
			return c.group.check()
		})
		if err != nil || len(ex.returned.only) == 0 {
			return scim.Resource{}, err
		}
		ids, err := h.memberIDs(ctx, ex)
		return h.render(ex, p, ids), err
	})
}

// change reads a group, computes what it is to be, and writes the difference.
func (h *groups) change(ctx context.Context, ex *exchange, id string, compute func(*groupChange) error) (*provisioned, error) {
	p, err := h.read(ctx, ex, id)
	if err != nil {
		return nil, err
	}
	return h.changeRead(ctx, ex, p, compute, nil)
}

// changeRead is change for a group that has been read. It computes from the members that the group has, unless wanted says
// otherwise.
func (h *groups) changeRead(
	ctx context.Context, ex *exchange, p *provisioned, compute func(*groupChange) error, wanted *groupChange,
) (*provisioned, error) {
	id := groupID(p.group.Name, string(p.group.UID))
	err := retrying(func() error {
		var err error
		if p == nil {
			if p, err = h.read(ctx, ex, id); err != nil {
				return err
			}
		}
		read := p
		p = nil
		if err := ex.matches(read.version()); err != nil {
			return err
		}
		next := read.state()
		if wanted != nil {
			next = groupChange{wanted.group, wanted.members}
		}
		if err := compute(&next); err != nil {
			return err
		}
		if current := groupFromObject(read.group); !strings.EqualFold(next.group.displayName, current.displayName) {
			if err := h.checkUnique(ctx, ex, next.group.displayName, read.group.Name); err != nil {
				return err
			}
		}
		p, err = read.write(ctx, ex, &next)
		return err
	})
	return p, err
}

// Delete deletes a group. From a group that the caller has adopted, it takes what the caller has added.
func (h *groups) Delete(r *http.Request, id string) error {
	_, err := answer(r, func(ctx context.Context, ex *exchange) (struct{}, error) {
		var p *provisioned
		err := retrying(func() error {
			var err error
			if p, err = h.read(ctx, ex, id); err != nil {
				return err
			}
			if err := ex.matches(p.version()); err != nil {
				return err
			}
			// Also parts that the group does not name, because an earlier request was not completed.
			if p, err = h.withAllParts(ctx, ex, p.group); err != nil {
				return err
			}
			if !p.adopted() {
				return ex.store.remove(ctx, kindAccessGroup, p.group)
			}
			a := &applied{
				kind: kindAccessGroup, namespace: ex.organization, name: p.group.Name,
				uid: p.group.UID, resourceVersion: p.group.ResourceVersion,
			}
			return ex.store.apply(ctx, a, &accessv1alpha1.AccessGroup{})
		})
		if err != nil {
			return struct{}{}, err
		}
		ex.metrics.wrote(kindAccessGroup, operationDelete)
		return struct{}{}, p.removeParts(ctx, ex, 1)
	})
	return err
}

// read returns the group with the id, if the caller has provisioned or adopted it.
func (h *groups) read(ctx context.Context, ex *exchange, id string) (*provisioned, error) {
	name, uid, ok := parseGroupID(id)
	if !ok {
		return nil, notFound("Group", shortened(id))
	}
	ag := &accessv1alpha1.AccessGroup{}
	err := ex.store.get(ctx, kindAccessGroup, name, ag)
	if apierrors.IsNotFound(err) || (err == nil && (string(ag.UID) != uid || !ex.mine(ag))) {
		return nil, notFound("Group", id)
	}
	if err != nil {
		return nil, err
	}
	return h.withParts(ctx, ex, ag)
}

// withParts returns the group with its parts. Only a group that names parts takes another request.
func (h *groups) withParts(ctx context.Context, ex *exchange, ag *accessv1alpha1.AccessGroup) (*provisioned, error) {
	if namedParts(ag) == 0 {
		return newProvisioned(ag, nil)
	}
	return h.withAllParts(ctx, ex, ag)
}

func (h *groups) withAllParts(ctx context.Context, ex *exchange, ag *accessv1alpha1.AccessGroup) (*provisioned, error) {
	var parts []*accessv1alpha1.AccessGroup
	terms := selector(accessv1alpha1.LabelProvisionedBy+"="+ex.provider, accessv1alpha1.LabelPartOf+"="+ag.Name)
	err := ex.store.groups(ctx, terms, func(part *accessv1alpha1.AccessGroup) error {
		parts = append(parts, part)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return newProvisioned(ag, parts)
}

// memberIDs returns the ids of the caller's users by identity, if the answer has members.
func (h *groups) memberIDs(ctx context.Context, ex *exchange) (map[string]string, error) {
	ids := map[string]string{}
	if !ex.returned.has(attributeMembers) {
		return ids, nil
	}
	err := ex.store.users(ctx, accessv1alpha1.LabelProvisionedBy+"="+ex.provider, func(ua *accessv1alpha1.UserAccess) error {
		ids[string(ua.Spec.User)] = userID(string(ua.Spec.User), string(ua.UID))
		return nil
	})
	return ids, err
}

// sentIDs returns the ids of members by identity as the request has them.
func sentIDs(attributes scim.ResourceAttributes) map[string]string {
	ids := map[string]string{}
	list, _ := attributes[attributeMembers].([]any)
	for _, each := range list {
		parts, _ := each.(map[string]any)
		id, _ := parts["value"].(string)
		if who, _, ok := parseUserID(id); ok {
			ids[who] = id
		}
	}
	return ids
}

// render returns the resource of a group. ids are the ids of members by identity.
func (h *groups) render(ex *exchange, p *provisioned, ids map[string]string) scim.Resource {
	g := groupFromObject(p.group)
	attributes := scim.ResourceAttributes{attributeDisplayName: g.displayName}
	if ex.returned.has(attributeMembers) {
		list := []any{}
		for _, each := range slices.Sorted(slices.Values(slices.Concat(p.placed...))) {
			id, known := ids[each]
			if !known {
				id = userID(each, "")
			}
			list = append(list, map[string]any{"value": id, "display": each, "type": "User"})
		}
		attributes[attributeMembers] = list
	}
	return ex.resource(groupID(p.group.Name, string(p.group.UID)), g.externalID, attributes, p.group, p.version())
}

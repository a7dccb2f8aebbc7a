package scim

import (
	"context"
	"net/http"
	"strings"

	scim "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
)

// filtersOfUsers are the attributes by which users are found.
var filtersOfUsers = []string{attributeUserName, attributeExternalID, attributeDisplayName, "id"}

// users handles the requests for users.
type users struct{ mapping *userMapping }

// Create creates a UserAccess.
func (h *users) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		wanted, err := h.mapping.fromResource(attributes)
		if err != nil {
			return scim.Resource{}, err
		}
		who, err := h.mapping.identityOf(wanted)
		if err != nil {
			return scim.Resource{}, err
		}
		wanted.setDefaults(who)
		var made accessv1alpha1.UserAccess
		err = retrying(func() error {
			a := wanted.toApply(ex.organization, ex.provider, who)
			if err := h.takeOver(ctx, ex, a); err != nil {
				return err
			}
			if err := h.checkUnique(ctx, ex, wanted.userName, who); err != nil {
				return err
			}
			made = accessv1alpha1.UserAccess{}
			return ex.store.apply(ctx, a, &made)
		})
		if err != nil {
			return scim.Resource{}, err
		}
		ex.metrics.wrote(kindUserAccess, operationCreate)
		return h.render(ex, &made), nil
	})
}

// takeOver prepares creating a UserAccess that may exist: one that Usher has materialized is taken over.
func (h *users) takeOver(ctx context.Context, ex *exchange, a *applied) error {
	var existing accessv1alpha1.UserAccess
	err := ex.store.get(ctx, kindUserAccess, a.name, &existing)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case existing.DeletionTimestamp != nil:
		return unavailable("UserAccess %s/%s is being deleted. Repeat the request", ex.organization, a.name)
	case ex.mine(&existing):
		return notUnique("user %q exists", existing.Spec.User)
	case !isMaterialized(&existing):
		return conflict("UserAccess %s/%s of user %q exists and does not belong to this identity provider: %s. Delete it, or leave the user out of provisioning",
			ex.organization, a.name, existing.Spec.User, ownerOf(&existing))
	}
	a.uid, a.resourceVersion = existing.UID, existing.ResourceVersion
	return nil
}

// isMaterialized reports whether Usher has written the UserAccess. Its name is that of the user.
func isMaterialized(ua *accessv1alpha1.UserAccess) bool {
	return ua.Labels[accessv1alpha1.LabelMaterialized] == accessv1alpha1.ValueTrue &&
		equality.Semantic.DeepEqual(ua.Spec, accessv1alpha1.UserAccessSpec{User: ua.Spec.User, State: accessv1alpha1.UserStateActive})
}

// checkUnique returns an error if another user has the userName, in any case.
func (h *users) checkUnique(ctx context.Context, ex *exchange, userName, who string) error {
	terms := selector(accessv1alpha1.LabelProvisionedBy, accessv1alpha1.LabelUserNameDigest+"="+foldedDigest(userName))
	return ex.store.users(ctx, terms, func(ua *accessv1alpha1.UserAccess) error {
		other := h.mapping.fromObject(ua)
		if string(ua.Spec.User) == who || !strings.EqualFold(other.userName, userName) {
			return nil
		}
		return notUnique("userName %q: user %q exists. Names that differ only in case are the same to SCIM, and different users to Usher",
			userName, other.userName)
	})
}

// Get returns a user.
func (h *users) Get(r *http.Request, id string) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		ua, err := h.read(ctx, ex, id)
		if err != nil {
			return scim.Resource{}, err
		}
		return h.render(ex, ua), ex.matches(etag(ua))
	})
}

// GetAll returns a page of the users that pass the filter.
func (h *users) GetAll(r *http.Request, params scim.ListRequestParams) (scim.Page, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Page, error) {
		wanted, err := parseFilter(ex.filter, filtersOfUsers)
		if err != nil {
			return scim.Page{}, err
		}
		found := newWindow(params)
		visit := func(ua *accessv1alpha1.UserAccess) error {
			if h.passes(ua, wanted) && found.next() {
				found.page.Resources = append(found.page.Resources, h.render(ex, ua))
			}
			return nil
		}
		if id, given := wanted["id"]; given {
			ua, err := h.read(ctx, ex, id)
			if err == nil {
				err = visit(ua)
			}
			err = ignoreNotFound(err)
			return found.page, err
		}
		terms := append([]string{accessv1alpha1.LabelProvisionedBy + "=" + ex.provider}, wanted.selector()...)
		err = ex.store.users(ctx, selector(terms...), visit)
		return found.page, err
	})
}

// passes reports whether a user has the values of the filter.
func (h *users) passes(ua *accessv1alpha1.UserAccess, wanted filter) bool {
	u := h.mapping.fromObject(ua)
	for attribute, value := range wanted {
		switch attribute {
		case attributeUserName:
			if !strings.EqualFold(u.userName, value) {
				return false
			}
		case attributeDisplayName:
			if !strings.EqualFold(u.displayName, value) {
				return false
			}
		case attributeExternalID:
			if u.externalID != value {
				return false
			}
		}
	}
	return true
}

// Replace replaces a user.
func (h *users) Replace(r *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		wanted, err := h.mapping.fromResource(attributes)
		if err != nil {
			return scim.Resource{}, err
		}
		return h.change(ctx, ex, id, func(*user) (*user, error) { return wanted.clone(), nil })
	})
}

// Patch changes a user.
func (h *users) Patch(r *http.Request, id string, operations []scim.PatchOperation) (scim.Resource, error) {
	return answer(r, func(ctx context.Context, ex *exchange) (scim.Resource, error) {
		return h.change(ctx, ex, id, func(u *user) (*user, error) {
			for _, each := range operations {
				if err := h.mapping.patch(u, each); err != nil {
					return nil, err
				}
			}
			return u, u.check()
		})
	})
}

// change reads a user, computes what the user is to be, and writes the difference.
func (h *users) change(
	ctx context.Context, ex *exchange, id string, compute func(*user) (*user, error),
) (scim.Resource, error) {
	var made *accessv1alpha1.UserAccess
	err := retrying(func() error {
		var err error
		if made, err = h.read(ctx, ex, id); err != nil {
			return err
		}
		if err := ex.matches(etag(made)); err != nil {
			return err
		}
		current := h.mapping.fromObject(made)
		wanted, err := compute(current.clone())
		if err != nil {
			return err
		}
		who := string(made.Spec.User)
		if err := h.checkIdentity(wanted, who); err != nil {
			return err
		}
		wanted.setDefaults(who)
		if wanted.userName != current.userName {
			if err := h.checkUnique(ctx, ex, wanted.userName, who); err != nil {
				return err
			}
		}
		a := wanted.toApply(ex.organization, ex.provider, who)
		if wanted.equal(current) && a.isMetadataOf(made) {
			ex.metrics.wrote(kindUserAccess, operationNone)
			return nil
		}
		a.uid, a.resourceVersion = made.UID, made.ResourceVersion
		made = &accessv1alpha1.UserAccess{}
		if err := ex.store.apply(ctx, a, made); err != nil {
			return err
		}
		ex.metrics.wrote(kindUserAccess, operationUpdate)
		return nil
	})
	if err != nil {
		return scim.Resource{}, err
	}
	return h.render(ex, made), nil
}

// checkIdentity returns an error if the user would have another identity.
func (h *users) checkIdentity(u *user, who string) error {
	wanted, err := h.mapping.identityOf(u)
	if err != nil {
		return err
	}
	if wanted != who {
		return invalid(scimerrors.ScimTypeMutability,
			"%s: it is the identity of user %q and cannot become %q. Have the identity provider remove the user here and create another",
			h.mapping.identity, who, wanted)
	}
	return nil
}

// Delete removes a user from the caller's groups, and then deletes the UserAccess. In the other order, a suspended user
// would have access again in between.
func (h *users) Delete(r *http.Request, id string) error {
	_, err := answer(r, func(ctx context.Context, ex *exchange) (struct{}, error) {
		ua, err := h.read(ctx, ex, id)
		if err != nil {
			return struct{}{}, err
		}
		if err := ex.matches(etag(ua)); err != nil {
			return struct{}{}, err
		}
		if err := removeFromGroups(ctx, ex, string(ua.Spec.User)); err != nil {
			return struct{}{}, err
		}
		err = retrying(func() error {
			current, err := h.read(ctx, ex, id)
			if err != nil {
				return ignoreNotFound(err)
			}
			return ignoreGone(ex.store.remove(ctx, kindUserAccess, current))
		})
		if err == nil {
			ex.metrics.wrote(kindUserAccess, operationDelete)
		}
		return struct{}{}, err
	})
	return err
}

// read returns the UserAccess with the id, if the caller has provisioned it.
func (h *users) read(ctx context.Context, ex *exchange, id string) (*accessv1alpha1.UserAccess, error) {
	who, uid, ok := parseUserID(id)
	if !ok || uid == "" {
		return nil, notFound("User", shortened(id))
	}
	ua := &accessv1alpha1.UserAccess{}
	err := ex.store.get(ctx, kindUserAccess, identity.Name(who), ua)
	if apierrors.IsNotFound(err) || (err == nil && (string(ua.UID) != uid || string(ua.Spec.User) != who || !ex.mine(ua))) {
		return nil, notFound("User", id)
	}
	return ua, err
}

func (h *users) render(ex *exchange, ua *accessv1alpha1.UserAccess) scim.Resource {
	u := h.mapping.fromObject(ua)
	return ex.resource(userID(string(ua.Spec.User), string(ua.UID)), u.externalID, h.mapping.toResource(u), ua, etag(ua))
}

// ignoreNotFound returns no error for a resource that does not exist.
func ignoreNotFound(err error) error {
	if err != nil && asFailure(err).code == http.StatusNotFound {
		return nil
	}
	return err
}

// ignoreGone returns no error for an object that is gone.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

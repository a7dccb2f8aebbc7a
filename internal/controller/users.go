package controller

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// names maps the names of user documents to users.
type names struct {
	mu    sync.RWMutex
	users map[string]string
}

func (n *names) note(user string) string {
	name := identity.Name(user)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users[name] = user
	return name
}

// keep replaces all known users by these.
func (n *names) keep(users map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users = users
}

func (n *names) user(name string) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	user, known := n.users[name]
	return user, known
}

// reconcileUser reconciles both kinds of user documents: the user document in an organization, and the organizations
// document in the system namespace.
func (r *Reconciler) reconcileUser(ctx context.Context, o Output, touch uint64) (progress, error) {
	user, known := r.names.user(o.Name)
	owner := roster.Ownership{}
	if known {
		owner = r.view().Ownership(o.Namespace, user)
	}
	taken := r.view().Index().Namespace(o.Namespace).UserAccess(o.Name)
	if taken != nil && known && string(taken.Spec.User) != user {
		r.enqueue(Output{UserStatus, o.Namespace, o.Name}) // its status reports the conflict of names
	} else {
		taken = nil
	}
	var refused error
	switch {
	case !owner.Materialize || owner.Materialized != nil:
	case taken == nil:
		var wait progress
		wait, refused = r.materialize(ctx, o, user)
		if refused != nil && !blocks(refused) {
			return progress{}, refused
		}
		if refused == nil {
			// The document is written when the watch shows its owner. It is not written for a UserAccess that is being
			// deleted: with an orphan finalizer, the garbage collector would delete the document after it was handed
			// back.
			return wait, nil
		}
	case owner.Owner == nil:
		// No user loses access because a name is taken. When the object with that name is deleted, its document is
		// deleted too, and is then written for the right owner.
		owner.Owner = taken
	}
	p, err := r.writeUser(ctx, o, touch, user, owner)
	return p, joined(err, refused)
}

// writeUser writes the document for its owner. It removes the document if it should not exist or cannot have an owner.
func (r *Reconciler) writeUser(
	ctx context.Context, o Output, touch uint64, user string, owner roster.Ownership,
) (progress, error) {
	key := types.NamespacedName{Namespace: o.Namespace, Name: documentName(o)}
	data, lacks := r.userData(o, user, owner)
	r.noteCut(o, lacks)
	if data == nil || owner.Owner == nil {
		r.tracker.expect(o, touch, nil, holders{})
		return r.endUser(ctx, o, r.Publisher.Observed.Get(key), owner)
	}
	want := publish.Want{
		Key: key, Document: string(o.Kind), Digest: publish.Digest(data),
		Owner: publish.Owner(string(roster.KindUserAccess), owner.Owner),
	}
	r.tracker.expect(o, touch, []publish.Want{want}, holders{})
	if orphaned, err := r.isOrphaned(ctx, key, owner.Owner); err != nil || orphaned {
		return progress{after: recheckDelay}, err
	}
	superseded := owner.Materialized != nil && owner.Owner != owner.Materialized
	wrote, err := r.publish(ctx, o, &want, data)
	current := err == nil && !wrote && want.Matches(r.Publisher.Observed.Get(key))
	switch {
	case err != nil:
		return progress{}, err
	case !current && (superseded || !wrote):
		return progress{after: recheckDelay}, nil
	case !current:
		return progress{}, nil
	case superseded:
		// A declared UserAccess has taken over and already owns the document.
		return progress{done: true}, r.dematerialize(ctx, owner.Materialized)
	default:
		return progress{done: true}, nil
	}
}

// isOrphaned reports whether the document has no owner because the owner is being deleted with the orphan finalizer, which
// the watch of UserAccess objects has not shown yet. The garbage collector deletes a document that is given back to such
// an owner.
func (r *Reconciler) isOrphaned(ctx context.Context, key types.NamespacedName, owner *accessv1alpha1.UserAccess) (bool, error) {
	seen := r.Publisher.Observed.Get(key)
	if seen == nil || len(seen.OwnerReferences) > 0 || owner.DeletionTimestamp != nil {
		return false, nil
	}
	going, err := r.Publisher.IsGoing(ctx, accessv1alpha1.GroupVersion.WithKind(string(roster.KindUserAccess)), owner)
	if err != nil {
		return false, fmt.Errorf("reading UserAccess %s/%s, the owner of ConfigMap %s: %w", owner.Namespace, owner.Name, key, err)
	}
	return going, nil
}

func documentName(o Output) string {
	if o.Kind == OrganizationsDocument {
		return publish.OrganizationsName(o.Name)
	}
	return publish.UserDocumentName(o.Name)
}

// userData renders the document and returns what had to be left out because it would be too large. The data is nil if
// the document should not exist.
func (r *Reconciler) userData(o Output, user string, owner roster.Ownership) (map[string]string, cut) {
	atSystem := o.Namespace == r.view().SystemNamespace()
	if !owner.Reason || atSystem != (o.Kind == OrganizationsDocument) {
		return nil, cut{}
	}
	if atSystem {
		entries := r.view().Entries(user)
		if len(entries) < 2 {
			return nil, cut{}
		}
		organizations := make([]document.Organization, len(entries))
		for i, e := range entries {
			organizations[i] = document.Organization{
				Name: e.Organization, OrganizationRole: e.OrganizationRole, NotAfter: e.NotAfter,
			}
		}
		return publish.OrganizationsData(user, organizations), cut{}
	}
	view := r.view()
	decision := view.Decision(o.Namespace, user)
	if decision == nil || !view.PublishesUsers(o.Namespace) {
		return nil, cut{}
	}
	data, whole := publish.FitUserData(publish.User(view.Organization(o.Namespace), user, decision, view.Applications(o.Namespace)))
	if whole {
		return data, cut{}
	}
	return data, cut{withoutRows: []string{user}}
}

// endUser removes the document, and then the materialized UserAccess that is no longer needed.
func (r *Reconciler) endUser(
	ctx context.Context, o Output, seen *corev1.ConfigMap, owner roster.Ownership,
) (progress, error) {
	p := progress{done: true}
	if seen != nil {
		err := r.end(ctx, o, &p, seen)
		return p, err
	}
	if err := r.leave(ctx, o, &p, 0); err != nil || !p.done {
		return p, err
	}
	if owner.Materialized != nil && !owner.Materialize {
		return p, r.dematerialize(ctx, owner.Materialized)
	}
	return p, nil
}

// materialize creates the UserAccess of a user without a declared one.
func (r *Reconciler) materialize(ctx context.Context, o Output, user string) (progress, error) {
	ua := &accessv1alpha1.UserAccess{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.Namespace, Name: o.Name,
			Labels: materializedLabels,
		},
		Spec: accessv1alpha1.UserAccessSpec{User: accessv1alpha1.UserName(user)},
	}
	err := r.Publisher.Client.Create(ctx, ua)
	if apierrors.IsAlreadyExists(err) {
		return progress{after: recheckDelay}, nil // the watch has not shown yet who owns the name
	}
	return progress{}, err
}

// nameTaken returns the user whose materialized UserAccess cannot be written because this UserAccess has its name, or
// "".
func (r *Reconciler) nameTaken(ua *accessv1alpha1.UserAccess) string {
	user, known := r.names.user(ua.Name)
	if !known || user == string(ua.Spec.User) || !r.view().Ownership(ua.Namespace, user).Materialize {
		return ""
	}
	return user
}

// dematerialize deletes a materialized UserAccess that is no longer needed.
func (r *Reconciler) dematerialize(ctx context.Context, ua *accessv1alpha1.UserAccess) error {
	if ua.DeletionTimestamp != nil {
		return nil
	}
	gone := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Namespace: ua.Namespace, Name: ua.Name}}
	return client.IgnoreNotFound(r.Publisher.Client.Delete(ctx, gone,
		client.Preconditions{UID: &ua.UID, ResourceVersion: &ua.ResourceVersion}))
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

const (
	smallEdits = 40
	largeEdits = 10
	// editor may give everything, by RBAC like anybody: no review is cut short for it.
	editor = "editor@acme.example"
)

// edits are how long edits took.
type edits struct{ small, large []time.Duration }

// admission makes the same edits with the webhooks off and on.
func (b *bench) admission(ctx context.Context) error {
	l := b.lab
	as, err := l.newEditor(ctx)
	if err != nil {
		return err
	}
	b.say.printf("admission: edits without webhooks")
	off, err := l.edits(ctx, as, l.world.newcomers[:smallEdits])
	if err != nil {
		return err
	}
	if err := errors.Join(l.stop(), l.plane.InstallWebhooks(ctx)); err != nil {
		return err
	}
	b.say.printf("admission: starting the manager with webhooks")
	if err := l.startWith(ctx, cluster.ManagerOptions{Args: managerArgs, Webhooks: true}); err != nil {
		return err
	}
	if err := l.rest(ctx); err != nil {
		return err
	}
	b.say.printf("admission: the same edits with webhooks")
	on, err := l.edits(ctx, as, l.world.newcomers[smallEdits:2*smallEdits])
	if err != nil {
		return err
	}
	members := l.world.size.largest()
	b.report.add(
		newFigure(admission, "one member, webhooks on", "ms", milliseconds(on.small)...),
		newFigure(admission, "one member, webhooks off", "ms", milliseconds(off.small)...),
		quantileRatio(admission, on.small, off.small, 0.5).named("one member, ratio, p50").atMost(3,
			"An edit asks the manager over TLS, and the manager asks the API server whether the editor may give the role."),
		newFigure(admission, fmt.Sprintf("%d members, webhooks on", members), "ms", milliseconds(on.large)...),
		newFigure(admission, fmt.Sprintf("%d members, webhooks off", members), "ms", milliseconds(off.large)...),
		quantileRatio(admission, on.large, off.large, 0.5).named(fmt.Sprintf("%d members, ratio, p50", members)).atMost(2,
			"The API server sends the group before and after the edit, and every member is decided with and without it."),
	)
	return nil
}

func (f figure) named(name string) figure {
	f.Name = name
	return f
}

// newEditor returns a client of somebody who may give every role.
func (l *lab) newEditor(ctx context.Context) (metadata.Interface, error) {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-editor"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "bench-editor"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: editor}},
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: binding.Name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{accessv1alpha1.GroupVersion.Group}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{APIGroups: []string{"grants.access.usher.dev"}, Resources: []string{"*"}, Verbs: []string{"grant"}},
	}}
	if err := errors.Join(l.admin.Create(ctx, role), l.admin.Create(ctx, binding)); err != nil {
		return nil, fmt.Errorf("let somebody edit groups: %w", err)
	}
	config := l.plane.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: editor}
	config.WarningHandler = rest.NoWarnings{} // an edit of thousands has its share
	return metadata.NewForConfig(config)
}

// edits adds one member after the other, each into a cluster at rest; and replaces all members of the largest group.
// The latter are dry runs, which pass everything but the disk, so that nobody has to write thousands of documents in
// between: set against an edit that is not stored either, what the webhooks cost shows more, not less.
func (l *lab) edits(ctx context.Context, as metadata.Interface, newcomers []string) (*edits, error) {
	e := &edits{}
	groups := as.Resource(resourceOf(groupAccess)).Namespace(organization)
	edit := func(name string, kind types.PatchType, patch string, options metav1.PatchOptions) (time.Duration, error) {
		if err := l.observer.settle(ctx, breath); err != nil {
			return 0, err
		}
		began := time.Now()
		if _, err := groups.Patch(ctx, name, kind, []byte(patch), options); err != nil {
			return 0, fmt.Errorf("edit group %s: %w", name, err)
		}
		return time.Since(began), nil
	}
	for _, user := range newcomers {
		took, err := edit(l.world.joined, types.JSONPatchType,
			fmt.Sprintf(`[{"op":"add","path":"/spec/members/-","value":{"user":%q}}]`, user), metav1.PatchOptions{})
		if err != nil {
			return nil, err
		}
		e.small = append(e.small, took)
	}
	members := l.world.group(l.world.largest().group).Spec.Members
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"members": members}})
	if err != nil {
		return nil, err
	}
	for range largeEdits {
		took, err := edit(l.world.joined, types.MergePatchType, string(patch), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return nil, err
		}
		e.large = append(e.large, took)
	}
	return e, l.resetMembers(ctx, l.world.joined)
}

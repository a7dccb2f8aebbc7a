package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

const (
	// admissionTurns is the number of times that the webhooks are switched off and on.
	admissionTurns = 4
	smallEdits     = 10 // in one turn
	largeEdits     = 3
	// editor may grant everything, by normal RBAC rules, so that reviews take no shortcut for it.
	editor = "editor@acme.example"
)

// edits are the durations of edits.
type edits struct{ small, large []time.Duration }

// withWebhooks runs the measurements that require a manager with webhooks.
func (b *bench) withWebhooks(ctx context.Context) error {
	l := b.lab
	as, err := l.newEditor(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(l.stop(), l.plane.InstallWebhooks(ctx)); err != nil {
		return err
	}
	b.say.printf("starting the manager with webhooks")
	if err := l.startWith(ctx, cluster.ManagerOptions{Args: managerArgs, Webhooks: true}); err != nil {
		return err
	}
	if err := l.rest(ctx); err != nil {
		return err
	}
	if b.wants(admission) {
		if err := b.admission(ctx, as); err != nil {
			return err
		}
	}
	if b.wants(contention) {
		return b.contention(ctx)
	}
	return nil
}

// admission makes the same edits with the webhooks off and on, in turns.
func (b *bench) admission(ctx context.Context, as metadata.Interface) error {
	l := b.lab
	off, on := &edits{}, &edits{}
	for turn := range admissionTurns {
		for _, webhooks := range []bool{false, true} {
			b.say.printf("admission: turn %d of %d, webhooks on: %t", turn+1, admissionTurns, webhooks)
			if err := l.switchWebhooks(ctx, as, webhooks); err != nil {
				return err
			}
			into := off
			if webhooks {
				into = on
			}
			if err := into.repeat(ctx, l, as); err != nil {
				return err
			}
		}
	}
	members := l.world.size.largest()
	b.report.add(
		newFigure(admission, "one member, webhooks on", "ms", milliseconds(on.small)...),
		newFigure(admission, "one member, webhooks off", "ms", milliseconds(off.small)...),
		quantileRatio(admission, on.small, off.small, 0.5).named("one member, ratio, p50").atMost(admissionAim,
			"An edit asks the manager over TLS, and the manager asks the API server whether the editor may give the role."),
		newFigure(admission, fmt.Sprintf("%d members, webhooks on", members), "ms", milliseconds(on.large)...),
		newFigure(admission, fmt.Sprintf("%d members, webhooks off", members), "ms", milliseconds(off.large)...),
		quantileRatio(admission, on.large, off.large, 0.5).named(fmt.Sprintf("%d members, ratio, p50", members)).
			atMost(admissionLargeAim,
				"The API server sends the group before and after the edit, and every member is decided with and without it."),
	)
	return nil
}

func (f figure) named(name string) figure {
	f.Name = name
	return f
}

// newEditor returns a client of an account that may grant every role.
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
	config.WarningHandler = rest.NoWarnings{} // an edit of thousands of members causes warnings
	return metadata.NewForConfig(config)
}

// switchWebhooks includes the organization in the webhooks or excludes it, and waits until that is effective. It does
// not change the manager.
func (l *lab) switchWebhooks(ctx context.Context, as metadata.Interface, on bool) error {
	selector := `{"matchLabels":{"bench.usher.dev/webhooks":"on"}}` // no namespace has this label
	if on {
		selector = `{}`
	}
	_, err := l.editor.Resource(webhookConfigurations).Patch(ctx, webhookConfiguration, types.JSONPatchType,
		fmt.Appendf(nil, `[{"op":"replace","path":"/webhooks/0/namespaceSelector","value":%s}]`, selector), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("switch the webhooks: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		called, err := l.callsWebhooks(ctx, as)
		if err != nil {
			return err
		}
		if called == on {
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("the API server does not take over the webhook configuration: %w", err)
		}
	}
}

// webhookConfigurations and webhookConfiguration identify the webhook configuration.
var webhookConfigurations = admissionregistrationv1.SchemeGroupVersion.WithResource("validatingwebhookconfigurations")

const webhookConfiguration = "usher-validating-webhook-configuration"

// callsWebhooks makes a dry run of an edit, and reports whether the API server called the manager for it.
func (l *lab) callsWebhooks(ctx context.Context, as metadata.Interface) (bool, error) {
	before, err := l.admissionAnswers(ctx)
	if err != nil {
		return false, err
	}
	_, err = as.Resource(resourceOf(groupAccess)).Namespace(organization).Patch(ctx, l.world.joined, types.JSONPatchType,
		[]byte(addMember(l.world.newcomers[0])), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return false, fmt.Errorf("edit group %s: %w", l.world.joined, err)
	}
	after, err := l.admissionAnswers(ctx)
	return after > before, err
}

// repeat adds members one by one, each when nothing is being written, and replaces all members with those of the
// largest group. The replacements are dry runs, which include everything but the write to disk; otherwise thousands of
// documents would have to be written in between. Edits without webhooks are not stored either, so the ratio is fair.
func (e *edits) repeat(ctx context.Context, l *lab, as metadata.Interface) error {
	groups := as.Resource(resourceOf(groupAccess)).Namespace(organization)
	edit := func(kind types.PatchType, patch []byte, options metav1.PatchOptions) (time.Duration, error) {
		if err := l.observer.settle(ctx, breath); err != nil {
			return 0, err
		}
		began := time.Now()
		if _, err := groups.Patch(ctx, l.world.joined, kind, patch, options); err != nil {
			return 0, fmt.Errorf("edit group %s: %w", l.world.joined, err)
		}
		return time.Since(began), nil
	}
	for _, user := range l.world.newcomers[:smallEdits] {
		took, err := edit(types.JSONPatchType, []byte(addMember(user)), metav1.PatchOptions{})
		if err != nil {
			return err
		}
		e.small = append(e.small, took)
	}
	members := l.world.group(l.world.largest().group).Spec.Members
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"members": members}})
	if err != nil {
		return err
	}
	for range largeEdits {
		took, err := edit(types.MergePatchType, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return err
		}
		e.large = append(e.large, took)
	}
	if err := l.resetMembers(ctx, l.world.joined); err != nil {
		return err
	}
	return l.observer.settle(ctx, quiet)
}

package fault_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// published is a wanted ConfigMap without its owner's UID.
type published struct {
	data   map[string]string
	labels map[string]string
	owner  func() (kind string, object client.Object)
}

// resolution is everything that should be published for some objects at an instant.
type resolution map[types.NamespacedName]published

// resolveAnew resolves the objects without any previous state.
func resolveAnew(objects []client.Object, now time.Time) (*roster.View, resolution, error) {
	r := roster.New(roster.Options{SystemNamespace: systemNamespace})
	for _, o := range objects {
		if err := r.Set(o); err != nil {
			return nil, nil, err
		}
	}
	view := r.Settle(now).View
	resolved := resolution{}
	users := map[string]struct{}{}
	for _, organization := range view.Organizations() {
		for application := range view.Index().Namespace(organization).Applications() {
			resolved.addApplication(view, organization, application)
		}
		rules, named := view.Organization(organization), view.Applications(organization)
		for user, d := range view.Decisions(organization) {
			users[user] = struct{}{}
			if view.PublishesUsers(organization) {
				resolved.addUser(view, organization, user, publish.UserDocumentName(identity.Name(user)),
					accessv1alpha1.DocumentUser, publish.UserData(publish.User(rules, user, d, named)))
			}
		}
	}
	for user := range users {
		if entries := view.Entries(user); len(entries) >= 2 {
			resolved.addUser(view, systemNamespace, user, publish.OrganizationsName(identity.Name(user)),
				accessv1alpha1.DocumentOrganizations, publish.OrganizationsData(user, organizationsOf(entries)))
		}
	}
	return view, resolved, nil
}

func (resolved resolution) addApplication(v *roster.View, organization, application string) {
	object := v.Index().Namespace(organization).Application(application)
	minimum, formats := 1, []accessv1alpha1.PublishFormat(nil)
	if object.Spec.Publish != nil {
		minimum, formats = max(int(object.Spec.Publish.MinimumShards), 1), object.Spec.Publish.Formats
	}
	rendered := publish.Application(v.Organization(organization), application, minimum, func(yield func(string, *resolve.Decision)) {
		for user, d := range v.Decisions(organization) {
			yield(user, d)
		}
	}, formats...)
	for i := range rendered.Shards {
		resolved.add(types.NamespacedName{Namespace: organization, Name: publish.ApplicationName(application, i)},
			accessv1alpha1.DocumentApplication, rendered.Data(i), publish.FormatLabels(formats),
			func() (string, client.Object) { return string(roster.KindApplicationAccess), object })
	}
}

func (resolved resolution) addUser(v *roster.View, namespace, user, name, document string, data map[string]string) {
	resolved.add(types.NamespacedName{Namespace: namespace, Name: name}, document, data, nil, func() (string, client.Object) {
		if owner := v.Ownership(namespace, user).Owner; owner != nil {
			return string(roster.KindUserAccess), owner
		}
		return "", nil
	})
}

func organizationsOf(entries []roster.Entry) []document.Organization {
	organizations := make([]document.Organization, len(entries))
	for i, e := range entries {
		organizations[i] = document.Organization{
			Name: e.Organization, OrganizationRole: e.OrganizationRole, NotAfter: e.NotAfter,
		}
	}
	return organizations
}

func (resolved resolution) add(
	key types.NamespacedName, document string, data, labels map[string]string, owner func() (string, client.Object),
) {
	all := map[string]string{accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy, accessv1alpha1.LabelDocument: document}
	maps.Copy(all, labels)
	resolved[key] = published{data, all, owner}
}

// data returns the expected contents, for comparison with the history.
func (resolved resolution) data() contents {
	all := contents{}
	for key, p := range resolved {
		all[key] = p.data
	}
	return all
}

// listed is everything on the API server that a resolution depends on or is compared with.
type listed struct {
	objects    []client.Object
	configMaps map[types.NamespacedName]*corev1.ConfigMap
}

func listAll(ctx context.Context) (*listed, error) {
	l := &listed{configMaps: map[types.NamespacedName]*corev1.ConfigMap{}}
	for _, list := range []client.ObjectList{
		&corev1.NamespaceList{}, &accessv1alpha1.AccessGroupList{}, &accessv1alpha1.UserAccessList{},
		&accessv1alpha1.ApplicationAccessList{}, &accessv1alpha1.AccessPolicyList{}, &corev1.ConfigMapList{},
	} {
		if err := kube.List(ctx, list); err != nil {
			return nil, err
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			if cm, ok := item.(*corev1.ConfigMap); ok {
				if isPublished(cm) {
					l.configMaps[client.ObjectKeyFromObject(cm)] = cm
				}
				return nil
			}
			l.objects = append(l.objects, item.(client.Object))
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func isPublished(cm *corev1.ConfigMap) bool {
	kind, _, _ := publish.ParseName(cm.Name)
	return kind != "" || cm.Labels[accessv1alpha1.LabelManagedBy] == accessv1alpha1.ManagedBy
}

// settled checks that everything agrees with a fresh resolution of the declared objects: exactly the right ConfigMaps,
// every status, and every materialized UserAccess.
func settled(ctx context.Context) error { return settledAt(ctx, time.Now) }

func settledAt(ctx context.Context, now func() time.Time) error {
	l, err := listAll(ctx)
	if err != nil {
		return err
	}
	view, want, err := resolveAnew(l.objects, now())
	if err != nil {
		return err
	}
	return errors.Join(l.published(want), l.materialized(view), l.stated(view))
}

// published compares every ConfigMap.
func (l *listed) published(want resolution) error {
	type essence struct {
		Data, Labels map[string]string
		Binary       map[string][]byte
		Digest       string
		Owners       []metav1.OwnerReference
		Immutable    bool
		Ends         bool
	}
	var failures []error
	for _, key := range slices.SortedFunc(maps.Keys(want), compareKeys) {
		cm := l.configMaps[key]
		if cm == nil {
			failures = append(failures, fmt.Errorf("ConfigMap %s does not exist", key))
			continue
		}
		w := want[key]
		expected := essence{Data: w.data, Labels: w.labels, Digest: publish.Digest(w.data)}
		if kind, owner := w.owner(); owner != nil {
			expected.Owners = []metav1.OwnerReference{publish.Owner(kind, owner)}
		}
		got := essence{
			cm.Data, cm.Labels, cm.BinaryData, cm.Annotations[accessv1alpha1.AnnotationDigest], cm.OwnerReferences,
			cm.Immutable != nil && *cm.Immutable, cm.DeletionTimestamp != nil,
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			failures = append(failures, fmt.Errorf("ConfigMap %s (-resolved +published):\n%s", key, diff))
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(l.configMaps), compareKeys) {
		if _, wanted := want[key]; !wanted {
			failures = append(failures, fmt.Errorf("ConfigMap %s should not be there", key))
		}
	}
	return first(failures)
}

// materialized checks that exactly the right users have a materialized UserAccess.
func (l *listed) materialized(v *roster.View) error {
	var failures []error
	for namespace, objects := range v.Index().Namespaces() {
		users := v.Users(namespace)
		if namespace == systemNamespace {
			for _, organization := range v.Organizations() {
				users = append(users, v.Users(organization)...)
			}
		}
		for user := range objects.Accounts() {
			users = append(users, user)
		}
		for _, user := range slices.Compact(slices.Sorted(slices.Values(users))) {
			if o := v.Ownership(namespace, user); o.Materialize != (o.Materialized != nil) {
				failures = append(failures, fmt.Errorf("UserAccess of %s in %s: to be materialized %t, is %t",
					user, namespace, o.Materialize, o.Materialized != nil))
			}
		}
	}
	return first(failures)
}

// stated checks every status: it must be of the current generation, have Ready, and show what was resolved.
func (l *listed) stated(v *roster.View) error {
	var failures []error
	for _, object := range l.objects {
		var observed int64
		var conditions []metav1.Condition
		var shown, resolved any
		switch o := object.(type) {
		case *accessv1alpha1.AccessGroup:
			observed, conditions = o.Status.ObservedGeneration, o.Status.Conditions
			shown, resolved = int(o.Status.Members), v.Group(o.Namespace, o.Name, 0).Members
		case *accessv1alpha1.UserAccess:
			observed, conditions = o.Status.ObservedGeneration, o.Status.Conditions
			shown, resolved = rolesShown(o), rolesResolved(v, o)
		case *accessv1alpha1.ApplicationAccess:
			observed, conditions = o.Status.ObservedGeneration, o.Status.Conditions
			shown, resolved = int(o.Status.Users), usersOf(v, o)
		case *accessv1alpha1.AccessPolicy:
			observed, conditions = o.Status.ObservedGeneration, o.Status.Conditions
		default:
			continue
		}
		ready := meta.FindStatusCondition(conditions, accessv1alpha1.ConditionReady)
		name := fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())
		switch {
		case object.GetDeletionTimestamp() != nil:
			failures = append(failures, fmt.Errorf("%s is still there", name))
		case observed != object.GetGeneration():
			failures = append(failures, fmt.Errorf("%s: observedGeneration is %d of %d", name, observed, object.GetGeneration()))
		case ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != object.GetGeneration():
			failures = append(failures, fmt.Errorf("%s, generation %d: Ready is %+v", name, object.GetGeneration(), ready))
		default:
			if diff := cmp.Diff(resolved, shown); diff != "" {
				failures = append(failures, fmt.Errorf("status of %s (-resolved +shown):\n%s", name, diff))
			}
		}
	}
	return first(failures)
}

func rolesShown(o *accessv1alpha1.UserAccess) map[string]string {
	roles := map[string]string{"": string(o.Status.OrganizationRole)}
	for _, a := range o.Status.Applications {
		roles[string(a.Name)] = string(a.Role)
	}
	return roles
}

func rolesResolved(v *roster.View, o *accessv1alpha1.UserAccess) map[string]string {
	roles := map[string]string{"": ""}
	d := v.Decision(o.Namespace, string(o.Spec.User))
	if d == nil {
		return roles
	}
	roles[""] = d.OrganizationRole.Role
	for _, e := range publish.Entries(d, v.Applications(o.Namespace)) {
		roles[e.Application] = e.Access.Role
	}
	return roles
}

func usersOf(v *roster.View, o *accessv1alpha1.ApplicationAccess) int {
	users := 0
	for _, d := range v.Decisions(o.Namespace) {
		if d.Application(o.Name).GivesAccess() {
			users++
		}
	}
	return users
}

// first shortens the list of failures, so that the message can be read.
func first(failures []error) error {
	const shown = 3
	if len(failures) > shown {
		failures = append(failures[:shown:shown], fmt.Errorf("and %d more", len(failures)-shown))
	}
	return errors.Join(failures...)
}

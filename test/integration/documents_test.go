package integration_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func (c condition) sameKind(has metav1.Condition) bool { return has.Type == c.kind }

func (c condition) met(generation int64) func(metav1.Condition) bool {
	return func(has metav1.Condition) bool {
		return has.Type == c.kind && string(has.Status) == c.status && has.Reason == c.reason &&
			strings.Contains(has.Message, c.message) && has.Message != "" && has.ObservedGeneration == generation
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// userName returns the name of a user, as documented.
func userName(user string) string {
	lower := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, user)
	readable := notInNames.ReplaceAllString(lower, "-")
	readable = strings.Trim(readable[:min(50, len(readable))], "-")
	if readable == "" {
		readable = "user"
	}
	hash := sha256.Sum256([]byte(user))
	return readable + "-" + hex.EncodeToString(hash[:8])
}

func applicationMap(application string) string { return "application-access-" + application }

func userMap(user string) string { return "user-access-" + userName(user) }

func organizationsMap(user string) string { return "user-organizations-" + userName(user) }

// readDocument reads a published document. It returns nil if there is none.
func readDocument[T any](ctx context.Context, n namespace, configMap, key string) (*T, error) {
	var cm corev1.ConfigMap
	err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: configMap}, &cm)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseDocument[T](&cm, key)
}

func parseDocument[T any](cm *corev1.ConfigMap, key string) (*T, error) {
	decoded := new(T)
	if err := json.Unmarshal([]byte(cm.Data[key]), decoded); err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s: %w in %q", cm.Namespace, cm.Name, err, cm.Data[key])
	}
	return decoded, nil
}

func (n namespace) applicationDocument(ctx context.Context, application string) (*document.Application, error) {
	d, err := readDocument[document.Application](ctx, n, applicationMap(application), document.AccessKey)
	if err == nil && d == nil {
		err = fmt.Errorf("application %s of %s has no document", application, n.name)
	}
	return d, err
}

func (n namespace) userDocument(ctx context.Context, user string) (*document.User, error) {
	return readDocument[document.User](ctx, n, userMap(user), document.AccessKey)
}

// publishes checks that the application document gives the user the role.
func (n namespace) publishes(application, user, role string) check {
	return func(ctx context.Context) error {
		d, err := n.applicationDocument(ctx, application)
		if err != nil {
			return err
		}
		got := document.NoAccess
		if entry, listed := d.Users[user]; listed {
			got = entry.Role
		}
		if got != role {
			return fmt.Errorf("the document of application %s of %s gives %s %s, not %s", application, n.name, user, got, role)
		}
		return nil
	}
}

// tells checks that the user document gives the role in the application. A missing document means NoAccess.
func (n namespace) tells(user, application, role string) check {
	return func(ctx context.Context) error {
		d, err := n.userDocument(ctx, user)
		if err != nil {
			return err
		}
		got := document.NoAccess
		if d != nil {
			got = d.DefaultRole
			if entry, listed := d.Applications[application]; listed {
				got = entry.Role
			}
		}
		if got != role {
			return fmt.Errorf("the document of user %s in %s gives %s in application %s, not %s", user, n.name, got, application, role)
		}
		return nil
	}
}

// holds checks that both documents give the user the role in the application.
func (n namespace) holds(user, application, role string) check {
	return all(n.publishes(application, user, role), n.tells(user, application, role))
}

// owner checks that this object, and nothing else, controls the ConfigMap.
func (n namespace) owner(configMap, kind, name string) check {
	return func(ctx context.Context) error {
		u := newObject(kind, n.name, name)
		if err := kube.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
			return err
		}
		var cm corev1.ConfigMap
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: configMap}, &cm); err != nil {
			return err
		}
		want := []metav1.OwnerReference{{
			APIVersion: accessv1alpha1.GroupVersion.String(), Kind: kind, Name: name, UID: u.GetUID(),
			Controller: new(true), BlockOwnerDeletion: new(true),
		}}
		if diff := cmp.Diff(want, cm.OwnerReferences); diff != "" {
			return fmt.Errorf("owners of ConfigMap %s/%s (-want +got):\n%s", n.name, configMap, diff)
		}
		return nil
	}
}

// publishedIn reads every ConfigMap of Usher in the namespaces, by namespace/name. It includes those that have only the
// name because somebody removed the label.
func publishedIn(ctx context.Context, namespaces ...string) (map[string]corev1.ConfigMap, error) {
	found := map[string]corev1.ConfigMap{}
	for _, in := range namespaces {
		var list corev1.ConfigMapList
		if err := kube.List(ctx, &list, client.InNamespace(in)); err != nil {
			return nil, err
		}
		for _, cm := range list.Items {
			named := strings.HasPrefix(cm.Name, "application-access-") || strings.HasPrefix(cm.Name, "user-access-") ||
				strings.HasPrefix(cm.Name, "user-organizations-")
			if named || cm.Labels[accessv1alpha1.LabelManagedBy] == accessv1alpha1.ManagedBy {
				found[cm.Namespace+"/"+cm.Name] = cm
			}
		}
	}
	return found, nil
}

// dataOf returns all data that Usher publishes in the namespaces, for a comparison by bytes.
func dataOf(ctx context.Context, namespaces ...string) map[string]map[string]string {
	GinkgoHelper()
	found, err := publishedIn(ctx, namespaces...)
	Expect(err).NotTo(HaveOccurred())
	data := map[string]map[string]string{}
	for name, cm := range found {
		data[name] = cm.Data
	}
	return data
}

// same checks that the data that Usher publishes in the namespaces is unchanged.
func same(want map[string]map[string]string, namespaces ...string) check {
	return func(ctx context.Context) error {
		found, err := publishedIn(ctx, namespaces...)
		if err != nil {
			return err
		}
		got := map[string]map[string]string{}
		for name, cm := range found {
			got[name] = cm.Data
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("published in %v (-want +got):\n%s", namespaces, diff)
		}
		return nil
	}
}

// nothingLeft checks that the namespaces contain no ConfigMap of Usher and no object of the four kinds.
func nothingLeft(namespaces ...string) check {
	return func(ctx context.Context) error {
		found, err := publishedIn(ctx, namespaces...)
		if err != nil {
			return err
		}
		var left []error
		for _, name := range slices.Sorted(maps.Keys(found)) {
			left = append(left, fmt.Errorf("ConfigMap %s is still there", name))
		}
		for _, in := range namespaces {
			for _, list := range []client.ObjectList{
				&accessv1alpha1.AccessGroupList{}, &accessv1alpha1.UserAccessList{},
				&accessv1alpha1.ApplicationAccessList{}, &accessv1alpha1.AccessPolicyList{},
			} {
				if err := kube.List(ctx, list, client.InNamespace(in)); err != nil {
					return err
				}
				for _, o := range itemsOf(list) {
					left = append(left, fmt.Errorf("%T %s/%s is still there", o, in, o.GetName()))
				}
			}
		}
		return errors.Join(left...)
	}
}

func itemsOf(list client.ObjectList) []client.Object {
	var items []client.Object
	switch l := list.(type) {
	case *accessv1alpha1.AccessGroupList:
		for i := range l.Items {
			items = append(items, &l.Items[i])
		}
	case *accessv1alpha1.UserAccessList:
		for i := range l.Items {
			items = append(items, &l.Items[i])
		}
	case *accessv1alpha1.ApplicationAccessList:
		for i := range l.Items {
			items = append(items, &l.Items[i])
		}
	case *accessv1alpha1.AccessPolicyList:
		for i := range l.Items {
			items = append(items, &l.Items[i])
		}
	}
	return items
}

// at formats an instant as the documents do.
func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// inSeconds returns an instant that a window can have.
func inSeconds(n int) time.Time {
	return time.Now().Truncate(time.Second).Add(time.Duration(n) * time.Second)
}

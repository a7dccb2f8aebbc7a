package objects

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Cluster defines what to read from a cluster.
type Cluster struct {
	Config *rest.Config
	// Namespaces are the namespaces to read. An empty list means all.
	Namespaces []string
	// Optional is a further namespace. If it cannot be read, the remaining objects are still used.
	Optional string
	// WithNamespaces reads the Namespace objects, too. They are also read if an object selects organizations by the
	// labels of their namespaces.
	WithNamespaces bool
	// Say reports progress; it may be nil.
	Say func(format string, args ...any)
}

// kind is one of the four kinds, with what is needed to list it.
type kind struct {
	name, resource string
	list           func() client.ObjectList
}

var kinds = []kind{
	{"AccessPolicy", "accesspolicies", func() client.ObjectList { return &accessv1alpha1.AccessPolicyList{} }},
	{"ApplicationAccess", "applicationaccesses", func() client.ObjectList { return &accessv1alpha1.ApplicationAccessList{} }},
	{"AccessGroup", "accessgroups", func() client.ObjectList { return &accessv1alpha1.AccessGroupList{} }},
	{"UserAccess", "useraccesses", func() client.ObjectList { return &accessv1alpha1.UserAccessList{} }},
}

// pageSize is the maximum number of objects in one response of the API server.
const pageSize = 500

// Read lists every kind once, page by page: in all namespaces, or in each of the given ones. If a kind cannot be
// read in the optional namespace, the set records a problem. The same holds for Namespace objects that cannot be
// read and were not asked for. Every other failure is an error.
func (c *Cluster) Read(ctx context.Context) (*Set, error) {
	access, err := restClient(c.Config, accessv1alpha1.GroupVersion, "/apis")
	if err != nil {
		return nil, err
	}
	s := &Set{}
	namespaces := c.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	optional := c.Optional
	for _, k := range kinds {
		for _, namespace := range namespaces {
			if err := c.list(ctx, access, k, namespace, s); err != nil {
				return nil, explained(err, k, namespace)
			}
		}
		if optional == "" || len(c.Namespaces) == 0 {
			continue
		}
		if err := c.list(ctx, access, k, optional, s); err != nil {
			err = explained(err, k, optional)
			if !apierrors.IsForbidden(err) {
				return nil, err
			}
			s.Problems = append(s.Problems,
				Problem{Err: fmt.Errorf("%w; what the system namespace gives and takes is left out", err)})
			optional = "" // reported once; if one kind is missing, the namespace is not used
			s.Objects = slices.DeleteFunc(s.Objects, func(o Object) bool { return o.GetNamespace() == c.Optional })
		}
	}
	switch {
	case c.WithNamespaces:
		return s, c.readNamespaces(ctx, s)
	case SelectsNamespaces(s):
		err := c.readNamespaces(ctx, s)
		if apierrors.IsForbidden(err) {
			s.Problems = append(s.Problems, Problem{Err: &UnreadNamespacesError{err}})
			err = nil
		}
		return s, err
	default:
		return s, nil
	}
}

// UnreadNamespacesError says that the labels of namespaces could not be read, and what is missing without them.
type UnreadNamespacesError struct{ Err error }

// Error returns the error and its consequence.
func (e *UnreadNamespacesError) Error() string {
	return e.Err.Error() + "; what systemAccessSelectors give by labels of namespaces is left out"
}

// Unwrap returns the error of the API server.
func (e *UnreadNamespacesError) Unwrap() error { return e.Err }

// SelectsNamespaces reports whether an object of the set selects organizations by the labels of their namespaces.
func SelectsNamespaces(s *Set) bool {
	return slices.ContainsFunc(s.Objects, func(o Object) bool {
		switch each := o.Object.(type) {
		case *accessv1alpha1.AccessGroup:
			return len(each.Spec.SystemAccessSelectors) > 0
		case *accessv1alpha1.UserAccess:
			return len(each.Spec.SystemAccessSelectors) > 0
		default:
			return false
		}
	})
}

func (c *Cluster) list(ctx context.Context, from *rest.RESTClient, k kind, namespace string, s *Set) error {
	count := 0
	p := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		if c.Say != nil {
			c.Say("reading %s: %d so far", k.name, count)
		}
		list := k.list()
		err := from.Get().NamespaceIfScoped(namespace, namespace != "").Resource(k.resource).
			VersionedParams(&options, metav1.ParameterCodec).Do(ctx).Into(list)
		return list, err
	})
	p.PageSize = pageSize
	var found []Object
	err := p.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		count++
		found = append(found, Object{Object: o.(client.Object)})
		return nil
	})
	s.Objects = append(s.Objects, found...)
	return err
}

func (c *Cluster) readNamespaces(ctx context.Context, s *Set) error {
	core, err := restClient(c.Config, corev1.SchemeGroupVersion, "/api")
	if err != nil {
		return err
	}
	ask := kind{"Namespace", "namespaces", func() client.ObjectList { return &corev1.NamespaceList{} }}
	if len(c.Namespaces) == 0 {
		return explained(c.list(ctx, core, ask, "", s), ask, "")
	}
	for _, name := range c.Namespaces {
		namespace := &corev1.Namespace{}
		switch err := core.Get().Resource(ask.resource).Name(name).Do(ctx).Into(namespace); {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("get namespace %s: %w", name, err)
		default:
			s.Objects = append(s.Objects, Object{Object: namespace})
		}
	}
	return nil
}

func restClient(config *rest.Config, version schema.GroupVersion, path string) (*rest.RESTClient, error) {
	config = rest.CopyConfig(config)
	config.GroupVersion, config.APIPath = &version, path
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.QPS, config.Burst = -1, -1 // a few requests, one after the other
	return rest.RESTClientFor(config)
}

// explained adds the remedy to an error of a LIST.
func explained(err error, k kind, namespace string) error {
	if err == nil {
		return nil
	}
	where, hint := "in all namespaces", "; with -n it is asked in one namespace only"
	if namespace != "" {
		where, hint = "in namespace "+namespace, ""
	}
	var unanswered *url.Error
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s objects %s may not be read, and without them every answer could be wrong: %w "+
			"(it takes the verb list on %s.%s%s)", k.name, where, err, k.resource, accessv1alpha1.GroupVersion.Group, hint)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("the cluster does not have the kind %s: install Usher's resource definitions, or give files "+
			"with -f or -k: %w", k.name, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the cluster does not know who you are: log in, or choose another context with --context: %w", err)
	case errors.As(err, &unanswered):
		return fmt.Errorf("no answer from the cluster; check --context, or give files with -f or -k to answer without one: %w", err)
	case apierrors.IsTooManyRequests(err):
		return fmt.Errorf("the cluster is too busy; try again: %w", err)
	default:
		return fmt.Errorf("list %s objects %s: %w", k.name, where, err)
	}
}

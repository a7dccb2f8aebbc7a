package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/roster"
)

// Cluster is a configured cluster.
type Cluster interface {
	RESTConfig() (*rest.Config, error)
	// Namespace returns the namespace of the context.
	Namespace() (string, error)
}

// Source defines where objects come from: files, the output of a kustomization, or a cluster.
type Source struct {
	Cluster Cluster
	// Filenames and Kustomize are read instead of the cluster if one of them is set.
	Filenames []string
	Recursive bool
	Kustomize string
	// Namespace is the namespace to answer for. If it is empty, it is the namespace of the context, or all namespaces
	// with AllNamespaces and for files.
	Namespace     string
	AllNamespaces bool

	SystemNamespace string
	// OrganizationSelector selects the namespaces that may be organizations. If it is empty, they are all namespaces
	// of files, and on a cluster those that the manager treats as organizations.
	OrganizationSelector string
	// Input reads the files.
	Input *input.Reader
	// Say reports progress; it may be nil.
	Say func(format string, args ...any)
}

// Offline reports whether the objects come from files.
func (s *Source) Offline() bool { return len(s.Filenames) > 0 || s.Kustomize != "" }

// Load reads the objects for questions, and decides for the instant. The problems and notes of the set are for people.
func (s *Source) Load(ctx context.Context, now time.Time) (*World, error) {
	scope, err := s.namespace()
	if err != nil {
		return nil, err
	}
	return s.load(ctx, scope, scope, now)
}

// LoadToChange is like Load, for a change of the objects. Objects in the system namespace affect all organizations, so a
// change to them needs the objects of all organizations.
func (s *Source) LoadToChange(ctx context.Context, now time.Time) (*World, error) {
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	scope := namespace
	if scope == s.SystemNamespace {
		scope = ""
	}
	return s.load(ctx, namespace, scope, now)
}

func (s *Source) load(ctx context.Context, namespace, scope string, now time.Time) (*World, error) {
	var set *objects.Set
	var err error
	switch {
	case s.Offline():
		set, err = s.ReadFiles(ctx, s.Filenames, s.Kustomize)
	case scope == "":
		set, err = s.ReadCluster(ctx, nil, false)
	default:
		set, err = s.ReadCluster(ctx, []string{scope}, false)
	}
	if err != nil {
		return nil, err
	}
	w, err := s.Settle(set, scope, now)
	if err != nil {
		return nil, err
	}
	w.Namespace = namespace
	return w, nil
}

// namespace returns the namespace that is asked about. Empty means all.
func (s *Source) namespace() (string, error) {
	switch {
	case s.Namespace != "":
		return s.Namespace, nil
	case s.AllNamespaces || s.Offline():
		return "", nil
	}
	return s.Cluster.Namespace()
}

// ReadFiles reads files, or the output of a kustomization.
func (s *Source) ReadFiles(ctx context.Context, names []string, kustomize string) (*objects.Set, error) {
	files := &objects.Files{
		Names: names, Recursive: s.Recursive, Kustomize: kustomize, Namespace: s.Namespace, Input: s.Input, Say: s.Say,
	}
	return files.Read(ctx)
}

// ReadCluster reads the namespaces and the system namespace. An empty list means all namespaces. With withLabels, it
// reads the labels of the namespaces even if no object on the cluster selects by them.
func (s *Source) ReadCluster(ctx context.Context, namespaces []string, withLabels bool) (*objects.Set, error) {
	config, err := s.Cluster.RESTConfig()
	if err != nil {
		return nil, err
	}
	c := &objects.Cluster{
		Config: config, Namespaces: namespaces, WithNamespaces: withLabels || s.OrganizationSelector != "", Say: s.Say,
	}
	if len(namespaces) > 0 && !slices.Contains(namespaces, s.SystemNamespace) {
		c.Optional = s.SystemNamespace
	}
	set, err := c.Read(ctx)
	if err != nil {
		return nil, err
	}
	if s.OrganizationSelector == "" {
		DropUnselected(set)
	}
	return set, nil
}

// DropUnselected drops namespaces that the manager does not select as organizations. Only the manager knows which ones
// it selects. It reports a namespace that it does not select on every object there.
func DropUnselected(set *objects.Set) {
	selected, unselected := map[string]bool{}, map[string]bool{}
	for _, o := range set.Objects {
		ready := apimeta.FindStatusCondition(conditions(o), accessv1alpha1.ConditionReady)
		switch {
		case ready == nil:
		case ready.Reason == accessv1alpha1.ReasonNotAnOrganization:
			unselected[o.GetNamespace()] = true
		default:
			selected[o.GetNamespace()] = true
		}
	}
	maps.DeleteFunc(unselected, func(namespace string, _ bool) bool { return selected[namespace] })
	set.Objects = slices.DeleteFunc(set.Objects, func(o objects.Object) bool { return unselected[o.GetNamespace()] })
	for namespace := range unselected {
		set.Notes = append(set.Notes, fmt.Sprintf("namespace %s is left out: the manager does not take it for an organization "+
			"(its label selector does not select it)", namespace))
	}
	slices.Sort(set.Notes)
}

func conditions(o objects.Object) []metav1.Condition {
	switch each := o.Object.(type) {
	case *accessv1alpha1.AccessGroup:
		return each.Status.Conditions
	case *accessv1alpha1.UserAccess:
		return each.Status.Conditions
	case *accessv1alpha1.ApplicationAccess:
		return each.Status.Conditions
	case *accessv1alpha1.AccessPolicy:
		return each.Status.Conditions
	default:
		return nil
	}
}

// Settle decides about the objects of the set at the instant. The scope is the organization to answer for; empty means
// all.
func (s *Source) Settle(set *objects.Set, scope string, now time.Time) (*World, error) {
	selector, err := labels.Parse(s.OrganizationSelector)
	if err != nil {
		return nil, err
	}
	s.say("deciding for the users of %d objects", len(set.Objects))
	decided := roster.New(roster.Options{SystemNamespace: s.SystemNamespace, Organizations: selector})
	for _, each := range set.Objects {
		if err := decided.Set(each.Object); err != nil {
			return nil, err
		}
	}
	return &World{
		View: decided.Settle(now).View, Set: set, Scope: scope, Namespace: scope, Offline: s.Offline(),
	}, nil
}

func (s *Source) say(format string, args ...any) {
	if s.Say != nil {
		s.Say(format, args...)
	}
}

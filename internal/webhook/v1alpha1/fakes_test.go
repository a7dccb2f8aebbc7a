package v1alpha1

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/validation"
)

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, accessv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// reviews answers SubjectAccessReviews.
type reviews struct {
	client client.Client

	mu      sync.Mutex
	allowed map[validation.Attributes]bool
	// everything is set to allow every review.
	everything bool
	failure    error
	then       func()
	asked      []validation.Attributes
	specs      []authorizationv1.SubjectAccessReviewSpec
}

func newReviews(t *testing.T) *reviews {
	t.Helper()
	r := &reviews{allowed: map[validation.Attributes]bool{}}
	r.client = fake.NewClientBuilder().WithScheme(newScheme(t)).WithInterceptorFuncs(interceptor.Funcs{Create: r.answer}).Build()
	return r
}

func (r *reviews) answer(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.CreateOption) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	review := object.(*authorizationv1.SubjectAccessReview)
	a := review.Spec.ResourceAttributes
	asked := validation.Attributes{
		Verb: a.Verb, Group: a.Group, Resource: a.Resource, Subresource: a.Subresource, Namespace: a.Namespace, Name: a.Name,
	}
	if !r.everything { // that is asked without end
		r.asked = append(r.asked, asked)
		r.specs = append(r.specs, review.Spec)
	}
	review.Status.Allowed = r.everything || r.allowed[asked]
	review.Status.EvaluationError = "a role that a binding names is not there"
	if r.then != nil {
		r.then()
	}
	return r.failure
}

func (r *reviews) may(rights ...validation.Attributes) {
	for _, right := range rights {
		r.allowed[right] = true
	}
}

func (r *reviews) reviewer(now func() time.Time) *Reviewer {
	return NewReviewer(r.client, NewMetrics(prometheus.NewRegistry()), now)
}

// fakeCluster has the objects of the API server and of the watch.
type fakeCluster struct {
	scheme      *runtime.Scheme
	api, cached client.Client
	failure     error

	mu  sync.Mutex
	got []string // what was read one by one
	// listed are the kinds of the lists that were read.
	listed []string
}

func newFakeCluster(t *testing.T) *fakeCluster {
	t.Helper()
	c := &fakeCluster{scheme: newScheme(t)}
	c.cached = &swapped{fake.NewClientBuilder().WithScheme(c.scheme).Build()}
	c.api = fake.NewClientBuilder().WithScheme(c.scheme).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(
			ctx context.Context, w client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption,
		) error {
			c.mu.Lock()
			c.got = append(c.got, key.Name)
			c.mu.Unlock()
			if c.failure != nil {
				return c.failure
			}
			return w.Get(ctx, key, into, options...)
		},
		List: func(ctx context.Context, w client.WithWatch, into client.ObjectList, options ...client.ListOption) error {
			c.mu.Lock()
			c.listed = append(c.listed, into.GetObjectKind().GroupVersionKind().Kind)
			c.mu.Unlock()
			return w.List(ctx, into, options...)
		},
	}).Build()
	return c
}

// has creates or replaces objects.
func (c *fakeCluster) has(objects ...client.Object) {
	for _, o := range objects {
		if err := c.api.Create(context.Background(), o); err != nil {
			found := o.DeepCopyObject().(client.Object)
			_ = c.api.Get(context.Background(), client.ObjectKeyFromObject(o), found)
			o.SetResourceVersion(found.GetResourceVersion())
			if err := c.api.Update(context.Background(), o); err != nil {
				panic(err)
			}
		}
	}
	c.got = nil
}

func (c *fakeCluster) hasNot(objects ...client.Object) {
	for _, o := range objects {
		if err := c.api.Delete(context.Background(), o); err != nil {
			panic(err)
		}
	}
}

// watched makes the watch show the current objects.
func (c *fakeCluster) watched(t *testing.T) {
	t.Helper()
	var groups accessv1alpha1.AccessGroupList
	if err := c.api.List(t.Context(), &groups); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(c.scheme)
	for i := range groups.Items {
		builder = builder.WithObjects(&groups.Items[i])
	}
	cached := builder.Build()
	*c.cached.(*swapped) = swapped{cached}
}

// swapped is a client that can be exchanged.
type swapped struct{ client.Client }

func newNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

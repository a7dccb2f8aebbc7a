package app

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/controller"
	"github.com/usher-dev/usher/internal/publish"
)

// plane is a fake API server. It stores objects, and its watch shows every write in order.
type plane struct {
	client.WithWatch

	informers *informertest.FakeInformers

	mu        sync.Mutex
	documents map[string]string // of applications, by name of the ConfigMap
	next      chan struct{}     // closed at the next write of a document
	found     []string          // documents that name a user of a preview
	shown     []event           // events that the watch has not delivered yet
	more      chan struct{}     // has an element if there are events to deliver
}

// event is a watch event.
type event struct {
	object      client.Object
	added, gone bool
}

func newPlane(scheme *runtime.Scheme) *plane {
	p := &plane{
		informers: &informertest.FakeInformers{Scheme: scheme}, documents: map[string]string{},
		next: make(chan struct{}), more: make(chan struct{}, 1),
	}
	stored := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(
		&accessv1alpha1.AccessGroup{}, &accessv1alpha1.AccessPolicy{}, &accessv1alpha1.ApplicationAccess{},
		&accessv1alpha1.UserAccess{}).Build()
	p.WithWatch = interceptor.NewClient(stored, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			o.SetUID(types.UID("uid of " + o.GetName()))
			return p.write(event{object: o, added: true}, func() error { return c.Create(ctx, o, options...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			return p.write(event{object: o}, func() error { return c.Update(ctx, o, options...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			return p.write(event{object: o, gone: true}, func() error { return c.Delete(ctx, o, options...) })
		},
		SubResourceUpdate: func(
			ctx context.Context, c client.Client, sub string, o client.Object, options ...client.SubResourceUpdateOption,
		) error {
			return p.write(event{object: o}, func() error {
				if err := c.SubResource(sub).Update(ctx, o, options...); err != nil {
					return err
				}
				return c.Get(ctx, client.ObjectKeyFromObject(o), o) // the watch shows the whole object
			})
		},
	})
	return p
}

// write serializes writes and queues the watch event of each.
func (p *plane) write(e event, write func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := write(); err != nil {
		return err
	}
	e.object = e.object.DeepCopyObject().(client.Object)
	p.note(e)
	p.shown = append(p.shown, e)
	select {
	case p.more <- struct{}{}:
	default:
	}
	return nil
}

// note records the content of an application document.
func (p *plane) note(e event) {
	cm, ok := e.object.(*corev1.ConfigMap)
	if !ok {
		return
	}
	for _, text := range cm.Data {
		if strings.Contains(text, previewed) {
			p.found = append(p.found, cm.Name)
		}
	}
	if cm.Labels[accessv1alpha1.LabelDocument] != accessv1alpha1.DocumentApplication {
		return
	}
	if p.documents[cm.Name] = cm.Data["access.json"]; e.gone {
		delete(p.documents, cm.Name)
	}
	close(p.next)
	p.next = make(chan struct{})
}

// published returns the application documents, and a channel that is closed when they change.
func (p *plane) published() (documents map[string]string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.documents), p.next
}

// strays returns the ConfigMaps that were ever written with a user of a preview.
func (p *plane) strays() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found
}

// watch delivers the events to the informers until the context ends.
func (p *plane) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.more:
		}
		p.mu.Lock()
		shown := p.shown
		p.shown = nil
		p.mu.Unlock()
		for _, e := range shown {
			p.show(ctx, e)
		}
	}
}

func (p *plane) show(ctx context.Context, e event) {
	informer, err := p.informers.FakeInformerFor(ctx, e.object)
	if err != nil {
		panic(err) // the scheme has all kinds
	}
	switch o := e.object.(type) {
	case *corev1.ConfigMap:
		publish.Observe(o)
	case *corev1.Namespace:
	default:
		controller.ObserveStatus(o)
	}
	switch {
	case e.added:
		informer.Add(e.object)
	case e.gone:
		informer.Delete(e.object)
	default:
		informer.Update(e.object, e.object)
	}
}

// create declares an object.
func (p *plane) create(t *testing.T, o client.Object) {
	t.Helper()
	o.SetGeneration(1)
	if err := p.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// edit replaces the spec of a group.
func (p *plane) edit(ctx context.Context, t *testing.T, name string, with *accessv1alpha1.AccessGroup) {
	t.Helper()
	for {
		g := &accessv1alpha1.AccessGroup{}
		if err := p.Get(ctx, client.ObjectKey{Namespace: with.Namespace, Name: name}, g); err != nil {
			t.Fatal(err)
		}
		g.Spec = with.Spec
		g.Generation++
		err := p.Update(ctx, g)
		if err == nil {
			return
		}
		if !apierrors.IsConflict(err) { // a conflict means that its status was written meanwhile
			t.Fatal(err)
		}
	}
}

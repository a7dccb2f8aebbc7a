package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

// lab is a control plane with a world in it, the manager, and the other clients.
type lab struct {
	world    *world
	say      *progress
	plane    *cluster.Cluster
	manager  *cluster.Manager
	observer *observer
	// unwatch ends the observer.
	unwatch context.CancelFunc

	admin client.WithWatch
	// editor changes declared objects and receives only metadata in answers, so that decoding a large group is not
	// measured.
	editor metadata.Interface
	// bare writes like the manager: with its account, field manager and encodings.
	bare       client.Client
	kubeconfig string
}

// managerArgs keep ended shards, so that no deletion happens during a measurement.
var managerArgs = []string{"--document-grace=24h"}

// openLab starts a control plane, declares the world, and makes the manager publish it.
func openLab(ctx context.Context, w *world, say *progress) (_ *lab, err error) {
	l := &lab{world: w, say: say}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	say.printf("starting a control plane")
	if l.plane, err = cluster.Start(ctx, cluster.Options{}); err != nil {
		return nil, err
	}
	if err := l.plane.Install(ctx); err != nil {
		return nil, err
	}
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	if err := l.declare(ctx); err != nil {
		return nil, err
	}
	watching, unwatch := context.WithCancel(ctx)
	l.unwatch = unwatch
	if l.observer, err = observe(watching, l.editor); err != nil {
		return nil, err
	}
	return l, l.publish(ctx)
}

func (l *lab) connect(ctx context.Context) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), accessv1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	var err error
	if l.admin, err = client.NewWithWatch(l.plane.Config(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if l.editor, err = metadata.NewForConfig(l.plane.Config()); err != nil {
		return err
	}
	if l.kubeconfig, err = l.plane.ManagerKubeconfig(ctx); err != nil {
		return err
	}
	config, err := unlimited(l.kubeconfig)
	if err != nil {
		return err
	}
	bare, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	l.bare = client.WithFieldOwner(bare, "usher")
	return nil
}

// unlimited returns a client configuration without rate limits and without compression, like the manager's.
func unlimited(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the manager's kubeconfig: %w", err)
	}
	config.QPS = -1
	config.DisableCompression = true
	return config, nil
}

// declare creates all objects of the world.
func (l *lab) declare(ctx context.Context) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: organization}}
	if err := l.admin.Create(ctx, namespace); err != nil {
		return fmt.Errorf("make the organization: %w", err)
	}
	objects := l.world.objects()
	var done atomic.Int64
	stop := l.say.every(func() string { return fmt.Sprintf("declaring: %d of %d objects", done.Load(), len(objects)) })
	defer stop()
	err := inParallel(ctx, len(objects), func(ctx context.Context, i int) error {
		defer done.Add(1)
		// The client decodes the answer into the object, and the world must not change.
		return l.admin.Create(ctx, objects[i].DeepCopyObject().(client.Object))
	})
	if err != nil {
		return fmt.Errorf("declare the world: %w", err)
	}
	return nil
}

// publish starts the manager and waits until it has written everything.
func (l *lab) publish(ctx context.Context) error {
	l.say.printf("building and starting the manager")
	if err := l.start(ctx); err != nil {
		return err
	}
	began := time.Now()
	stop := l.say.every(func() string {
		events := l.observer.since(began)
		_, documents := lastOf(events, isDocument)
		return fmt.Sprintf("the manager publishes: %d documents and %d other writes so far", documents, len(events)-documents)
	})
	defer stop()
	return l.observer.settle(ctx, 2*quiet)
}

// start starts the manager.
func (l *lab) start(ctx context.Context) error {
	return l.startWith(ctx, cluster.ManagerOptions{Args: managerArgs})
}

func (l *lab) startWith(ctx context.Context, options cluster.ManagerOptions) (err error) {
	l.manager, err = l.plane.StartManager(ctx, options)
	return err
}

// stop kills the manager.
func (l *lab) stop() error {
	if l.manager == nil {
		return nil
	}
	err := l.manager.Kill()
	l.manager = nil
	return err
}

func (l *lab) close() error {
	err := l.stop()
	if l.unwatch != nil {
		l.unwatch()
	}
	if l.plane != nil {
		err = errors.Join(err, l.plane.Stop())
	}
	return err
}

// patchGroup changes a group and returns when the API server has answered.
func (l *lab) patchGroup(ctx context.Context, name string, kind types.PatchType, patch string) (time.Time, error) {
	_, err := l.editor.Resource(resourceOf(groupAccess)).Namespace(organization).
		Patch(ctx, name, kind, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return time.Time{}, fmt.Errorf("change group %s: %w", name, err)
	}
	return time.Now(), nil
}

// setRole changes the role that a wave gives.
func (l *lab) setRole(ctx context.Context, v wave, role string) (time.Time, error) {
	return l.patchGroup(ctx, v.group, types.JSONPatchType,
		fmt.Sprintf(`[{"op":"replace","path":"/spec/applicationAccess/0/role","value":%q}]`, role))
}

// deleteGroup deletes a group and returns when the API server has answered.
func (l *lab) deleteGroup(ctx context.Context, name string) (time.Time, error) {
	err := l.editor.Resource(resourceOf(groupAccess)).Namespace(organization).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil {
		return time.Time{}, fmt.Errorf("delete group %s: %w", name, err)
	}
	return time.Now(), nil
}

// createGroup creates a group again as it was declared.
func (l *lab) createGroup(ctx context.Context, name string) error {
	if err := l.admin.Create(ctx, l.world.group(name)); err != nil {
		return fmt.Errorf("create group %s: %w", name, err)
	}
	return nil
}

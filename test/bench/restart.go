package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// restarts is the number of times that the manager is killed and started.
const restarts = 4

// megabytes is the aim for the manager's memory, at M.
const megabytes = 250

// aRestart holds the results of killing and starting the manager on a settled cluster.
type aRestart struct {
	ready  turns // until it is ready, and until the bare client has listed everything
	writes []float64
	memory []float64
}

func (l *lab) restart(ctx context.Context, runs int) (*aRestart, error) {
	r := &aRestart{}
	for run := range runs {
		l.say.printf("restart: run %d of %d", run+1, runs)
		if err := l.stop(); err != nil {
			return nil, err
		}
		before, err := l.readRequests(ctx)
		if err != nil {
			return nil, err
		}
		bare, err := l.bareListAndWatch(ctx)
		if err != nil {
			return nil, err
		}
		if err := l.start(ctx); err != nil {
			return nil, err
		}
		r.ready.add(l.manager.ReadyAfter(), bare)
		if err := errors.Join(l.rest(ctx), l.observer.settle(ctx, quiet)); err != nil {
			return nil, err
		}
		after, err := l.readRequests(ctx)
		if err != nil {
			return nil, err
		}
		memory, err := peakMemory(l.manager.PID())
		if err != nil {
			return nil, err
		}
		r.writes, r.memory = append(r.writes, float64(after.minus(before).writes())), append(r.memory, memory)
	}
	return r, nil
}

func (b *bench) restart(ctx context.Context, c *costs) error {
	r, err := b.lab.restart(ctx, restarts)
	if err != nil {
		return err
	}
	c.ready, c.memory = seconds(r.ready.ours), r.memory
	memory := newFigure(restart, "peak resident memory", "MiB", r.memory...)
	if b.size.Name == "M" {
		memory = memory.atMost(megabytes, "The roster, the caches of declared objects and the lists as they arrive are in memory "+
			"at the same time.")
	}
	b.report.add(
		newFigure(restart, "writes", "writes", r.writes...).never("A published document differs from its rendering."),
		newFigure(restart, "Usher: ready", "s", seconds(r.ready.ours)...),
		newFigure(restart, "bare client: listed", "s", seconds(r.ready.allBare())...),
		newFigure(restart, "ratio", "x", r.ready.ratios()...).atMost(restartAim,
			"Beside listing, every object is indexed and every user decided."),
		memory,
	)
	return nil
}

// listAndWatchFlag makes this program the bare client of a restart.
const listAndWatchFlag = "list-and-watch"

// bareListAndWatch starts a process that lists and watches the same resources as the manager, and returns the time
// until it has everything.
func (l *lab) bareListAndWatch(ctx context.Context) (time.Duration, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, "-"+listAndWatchFlag+"="+l.kubeconfig)
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("list and watch: %w", err)
	}
	return time.Since(began), nil
}

// listAndWatch waits until everything that the manager watches is listed and watched.
func listAndWatch(ctx context.Context, kubeconfig string) error {
	config, err := unlimited(kubeconfig)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), accessv1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	ours := labels.SelectorFromSet(labels.Set{accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy})
	c, err := cache.New(config, cache.Options{
		Scheme: scheme, ByObject: map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Label: ours}},
	})
	if err != nil {
		return err
	}
	for _, kind := range []client.Object{
		&corev1.Namespace{}, &corev1.ConfigMap{}, &accessv1alpha1.AccessGroup{}, &accessv1alpha1.UserAccess{},
		&accessv1alpha1.ApplicationAccess{}, &accessv1alpha1.AccessPolicy{},
	} {
		if _, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	if !c.WaitForCacheSync(ctx) {
		return errors.Join(errors.New("the lists did not arrive"), <-ended)
	}
	return nil
}

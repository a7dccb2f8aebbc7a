package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	configMaps  = "configmaps"
	userAccess  = "useraccesses"
	groupAccess = "accessgroups"
	appAccess   = "applicationaccesses"
	policies    = "accesspolicies"

	// quiet is how long nothing must be written before everything counts as written. A status waits two seconds for its
	// documents before it reports that it is waiting.
	quiet = 3 * time.Second
)

// watched are all resources that are written to.
var watched = []string{configMaps, userAccess, groupAccess, appAccess, policies}

func resourceOf(name string) schema.GroupVersionResource {
	if name == configMaps {
		return schema.GroupVersionResource{Version: "v1", Resource: name}
	}
	return schema.GroupVersionResource{Group: accessv1alpha1.GroupVersion.Group, Version: accessv1alpha1.GroupVersion.Version, Resource: name}
}

// event is a write as every watcher sees it.
type event struct {
	at       time.Time
	resource string
	name     string
	kind     watch.EventType
}

// application returns the application whose document was written, or "".
func (e *event) application() string {
	rest, ok := strings.CutPrefix(e.name, "application-access-")
	if e.resource != configMaps || !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, ".")
	return name
}

// observer sees every write to the organization with its time. It watches metadata only, so that its load on the API
// server is small and the same for the manager and the bare client.
type observer struct {
	client metadata.Interface

	mu     sync.Mutex
	events []event
	last   time.Time
	failed error
}

// observe starts an observer, which ends with the context.
func observe(ctx context.Context, client metadata.Interface) (*observer, error) {
	o := &observer{client: client, last: time.Now()}
	for _, resource := range watched {
		of := client.Resource(resourceOf(resource)).Namespace(organization)
		list, err := of.List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return nil, fmt.Errorf("observe %s: %w", resource, err)
		}
		lw := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return of.Watch(ctx, options)
		}}
		w, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, lw)
		if err != nil {
			return nil, fmt.Errorf("observe %s: %w", resource, err)
		}
		go o.follow(ctx, resource, w)
	}
	return o, nil
}

func (o *observer) follow(ctx context.Context, resource string, w watch.Interface) {
	for e := range w.ResultChan() {
		seen, ok := e.Object.(*metav1.PartialObjectMetadata)
		if !ok || e.Type == watch.Bookmark {
			continue
		}
		o.mu.Lock()
		o.last = time.Now()
		o.events = append(o.events, event{o.last, resource, seen.Name, e.Type})
		o.mu.Unlock()
	}
	if ctx.Err() == nil {
		o.mu.Lock()
		o.failed = errors.Join(o.failed, fmt.Errorf("the watch of %s ended", resource))
		o.mu.Unlock()
	}
}

// forget drops the recorded events.
func (o *observer) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = nil
}

// since returns the events from an instant on.
func (o *observer) since(at time.Time) []event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.events[o.from(at):])
}

// count returns the number of events from an instant on.
func (o *observer) count(since time.Time) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.events) - o.from(since)
}

func (o *observer) from(at time.Time) int {
	i, _ := slices.BinarySearchFunc(o.events, at, func(e event, at time.Time) int { return e.at.Compare(at) })
	return i
}

// settle waits until nothing has been written for that long.
func (o *observer) settle(ctx context.Context, rest time.Duration) error {
	began := time.Now()
	for {
		o.mu.Lock()
		last, failed := o.last, o.failed
		o.mu.Unlock()
		if failed != nil {
			return failed
		}
		if last.Before(began) {
			last = began
		}
		left := rest - time.Since(last)
		if left <= 0 {
			return nil
		}
		if err := pause(ctx, left); err != nil {
			return err
		}
	}
}

// await waits for an event for which the condition holds, and returns its time.
func (o *observer) await(ctx context.Context, since time.Time, matches func(*event) bool) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		for _, e := range o.since(since) {
			if matches(&e) {
				return e.at, nil
			}
		}
		if err := pause(ctx, pollInterval); err != nil {
			return time.Time{}, fmt.Errorf("what was waited for did not come: %w", err)
		}
	}
}

// pollInterval is the interval for polling something that comes within milliseconds.
const pollInterval = 200 * time.Microsecond

// longest bounds every wait for something that must happen.
const longest = 2 * time.Minute

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// lastOf returns the time of the last event for which the condition holds, and the number of such events.
func lastOf(events []event, matches func(*event) bool) (last time.Time, count int) {
	for i := range events {
		if matches(&events[i]) {
			last, count = events[i].at, count+1
		}
	}
	return last, count
}

func isDocument(e *event) bool { return e.resource == configMaps }
func isStatus(e *event) bool   { return e.resource != configMaps }
func isAny(*event) bool        { return true }

// inParallel does n things with as many workers as the manager has.
func inParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	group.Go(func() error {
		defer close(next)
		for i := range n {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case next <- i:
			}
		}
		return nil
	})
	for range workers {
		group.Go(func() error {
			for i := range next {
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

package main

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// gapWatch checks every state of an application document for users who were in it at the beginning and are missing.
type gapWatch struct {
	application string
	watch       watch.Interface
	done        chan struct{}

	mu      sync.Mutex
	shards  map[string]map[string]document.ApplicationUser
	keep    map[string]struct{}
	missing int
	states  int
	failed  bool
}

func (l *lab) watchGap(ctx context.Context, application string) (*gapWatch, error) {
	documents := client.MatchingLabels{accessv1alpha1.LabelDocument: accessv1alpha1.DocumentApplication}
	list := &corev1.ConfigMapList{}
	if err := l.admin.List(ctx, list, client.InNamespace(organization), documents); err != nil {
		return nil, fmt.Errorf("read the application documents: %w", err)
	}
	g := &gapWatch{
		application: application, done: make(chan struct{}),
		shards: map[string]map[string]document.ApplicationUser{}, keep: map[string]struct{}{},
	}
	for i := range list.Items {
		g.take(&list.Items[i])
	}
	for _, users := range g.shards {
		for user := range users {
			g.keep[user] = struct{}{}
		}
	}
	var err error
	g.watch, err = l.admin.Watch(ctx, list, client.InNamespace(organization), documents,
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	if err != nil {
		return nil, fmt.Errorf("watch the application documents: %w", err)
	}
	go g.follow()
	return g, nil
}

func (g *gapWatch) follow() {
	defer close(g.done)
	for e := range g.watch.ResultChan() {
		cm, ok := e.Object.(*corev1.ConfigMap)
		if !ok {
			continue
		}
		g.mu.Lock()
		if e.Type == watch.Deleted {
			delete(g.shards, cm.Name)
			g.look()
		} else if g.take(cm) {
			g.look()
		}
		g.mu.Unlock()
	}
}

// take records the content of the ConfigMap, and reports whether it belongs to the document.
func (g *gapWatch) take(cm *corev1.ConfigMap) bool {
	e := event{resource: configMaps, name: cm.Name}
	if e.application() != g.application {
		return false
	}
	documents, err := document.Parse([]byte(cm.Data["access.json"]))
	if err != nil || len(documents.Applications) != 1 {
		g.failed = true
		return true
	}
	g.shards[cm.Name] = documents.Applications[0].Users
	return true
}

func (g *gapWatch) look() {
	g.states++
	for user := range g.keep {
		found := false
		for _, users := range g.shards {
			if _, found = users[user]; found {
				break
			}
		}
		if !found {
			g.missing++
		}
	}
}

// close ends the watch. It returns the sum of missing users over all states, and the number of states. In a state that
// cannot be read, everybody is missing.
func (g *gapWatch) close() (missing, states int) {
	g.watch.Stop()
	<-g.done
	if g.failed {
		g.missing += len(g.keep)
	}
	return g.missing, g.states
}

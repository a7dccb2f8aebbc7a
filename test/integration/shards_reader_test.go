package integration_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/usher-dev/usher/api/document"
)

// poller repeatedly asks the reader of a mounted volume about users.
type poller struct {
	volume *volume
	reader *document.ApplicationFollower

	mu      sync.Mutex
	rounds  int
	missing []string             // users who should have kept a role and had none
	allowed map[string]time.Time // when a user who may lose the role was last seen with it
}

// pollShards mounts that many shards of the application into one volume, as a workload would, and polls until the end
// of the spec.
func pollShards(ctx context.Context, n namespace, application string, shards int, keepers, others []string) *poller {
	GinkgoHelper()
	sources := make([]corev1.VolumeProjection, shards)
	for i := range sources {
		name := applicationMap(application)
		if i > 0 {
			name = fmt.Sprintf("%s.%d", name, i)
		}
		sources[i].ConfigMap = &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Optional: new(true),
			Items: []corev1.KeyToPath{{Key: document.AccessKey, Path: fmt.Sprintf("%d/%s", i, document.AccessKey)}},
		}
	}
	p := &poller{volume: mountVolume(ctx, n, sources), allowed: map[string]time.Time{}}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	reader, err := document.FollowApplication(following, application, document.Options{
		Directories: []string{p.volume.dir}, Organization: n.name,
	})
	Expect(err).NotTo(HaveOccurred())
	p.reader = reader
	ended := make(chan struct{})
	DeferCleanup(func() { stop(); <-ended; reader.Close() })
	go func() {
		defer close(ended)
		pace := time.NewTicker(5 * time.Millisecond) // leaves processor time to the components under test
		defer pace.Stop()
		for {
			select {
			case <-following.Done():
				return
			case <-pace.C:
				p.ask(keepers, others)
			}
		}
	}()
	return p
}

func (p *poller) ask(keepers, others []string) {
	for _, user := range keepers {
		if role := p.reader.Role(user); role != "Viewer" {
			p.mu.Lock()
			p.missing = append(p.missing, user+" is "+role)
			p.mu.Unlock()
		}
	}
	for _, user := range others {
		if now := time.Now(); p.reader.Role(user) != document.NoAccess {
			p.mu.Lock()
			p.allowed[user] = now
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	p.rounds++
	p.mu.Unlock()
}

// lost checks that the user had no role any more a second after the files no longer contained the user.
func (p *poller) lost(ctx context.Context, user string) {
	GinkgoHelper()
	gone := p.volume.loses(ctx, user)
	since := p.count()
	eventually(ctx, func(context.Context) error {
		if p.count() < since+2 || time.Since(gone.done) < time.Second {
			return fmt.Errorf("%d rounds since the files changed", p.count()-since)
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	Expect(p.allowed[user]).To(BeTemporally("<", gone.done.Add(time.Second)), "%s after the files said so", user)
	Expect(p.missing).To(BeEmpty())
}

func (p *poller) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rounds
}

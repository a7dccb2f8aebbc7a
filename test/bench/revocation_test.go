package main

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// BenchmarkRevocation measures the manager's computation before it writes, after the deletion of a group of five
// thousand members.
func BenchmarkRevocation(b *testing.B) {
	s, err := sizeNamed("M")
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(s)
	r := roster.New(roster.Options{SystemNamespace: "usher-system"})
	set := func(o runtime.Object) {
		if err := r.Set(o); err != nil {
			b.Fatal(err)
		}
	}
	set(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: organization}})
	for _, o := range w.objects() {
		set(o)
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	r.Settle(now)
	wave := w.largest()
	group := w.group(wave.group)
	applications := r.View().Applications(organization)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Remove(group); err != nil {
			b.Fatal(err)
		}
		changes := r.Settle(now)
		for i := range changes.Users {
			roster.ChangedApplications(changes.Users[i].Before, changes.Users[i].After, applications)
		}
		view := changes.View
		rendered := publish.Application(view.Organization(organization), wave.application, 1, func(yield func(string, *resolve.Decision)) {
			for user, d := range view.Decisions(organization) {
				yield(user, d)
			}
		})
		for i := range rendered.Shards {
			rendered.Digest(i)
		}
		b.StopTimer()
		set(group)
		r.Settle(now)
		b.StartTimer()
	}
	b.ReportMetric(float64(wave.members), "members")
}

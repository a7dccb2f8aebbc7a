package main

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// BenchmarkReview is what the manager computes for one review of the admission scenario.
func BenchmarkReview(b *testing.B) {
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
	validator := &validation.Validator{
		View: r.View, Losses: validation.NewLosses(),
	}
	joined := w.group(w.joined)
	for _, members := range []int{1, s.largest()} {
		after := joined.DeepCopy()
		after.ResourceVersion = "0"
		if members == 1 {
			after.Spec.Members = append(after.Spec.Members, member(w.newcomers[0]))
		} else {
			after.Spec.Members = w.group(w.largest().group).Spec.Members
		}
		b.Run(fmt.Sprintf("%d members", members), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := validator.Judge(b.Context(), &validation.Request{Old: joined, New: after, Now: now}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

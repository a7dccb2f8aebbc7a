package app

import (
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/usher-dev/usher/internal/controller"
	"github.com/usher-dev/usher/internal/notify"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// setupNotices adds what tells people of their access. It hears of every settling, after whoever heard of it before.
func setupNotices(
	mgr ctrl.Manager, writes *publish.Writer, feed *controller.Feed, reconciler *controller.Reconciler, options Options,
) error {
	made, err := options.Notices.options()
	if err != nil {
		return err
	}
	notifier := &notify.Notifier{
		Roster: feed.Roster,
		Ready:  feed.Ready(),
		// Not the writer itself: what the next write has to carry is read from the answer to the last.
		Client:    client.WithFieldOwner(writes.Client, publish.FieldManager),
		Live:      mgr.GetAPIReader(),
		Recorder:  mgr.GetEventRecorder("usher"),
		Metrics:   notify.NewMetrics(metrics.Registry),
		Options:   made,
		Now:       options.Now,
		Concerned: feed.Concern,
	}
	notifier.Setup()
	reconciler.Notices = notifier.Condition
	heard := feed.Settled
	feed.Settled = func(changes *roster.Changes, now time.Time) {
		if heard != nil {
			heard(changes, now)
		}
		notifier.Settled(changes, now)
	}
	if err := mgr.Add(notifier); err != nil {
		return fmt.Errorf("adding the notifier: %w", err)
	}
	return nil
}

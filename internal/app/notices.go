package app

import (
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/usher-dev/usher/internal/controller"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/notify"
	"github.com/usher-dev/usher/internal/publish"
)

// setupNotices adds the notifier, which receives every settlement.
func setupNotices(
	mgr ctrl.Manager, writes *publish.Writer, fed *feed.Feed, reconciler *controller.Reconciler, options Options,
) error {
	noticeOptions, err := options.Notices.options()
	if err != nil {
		return err
	}
	notifier := &notify.Notifier{
		Roster: fed.Roster,
		Ready:  fed.Ready(),
		// Not the Writer: the notifier reads from the answer to a write what it has to send with the next one.
		Client:    client.WithFieldOwner(writes.Client, publish.FieldManager),
		Live:      mgr.GetAPIReader(),
		Recorder:  mgr.GetEventRecorder("usher"),
		Metrics:   notify.NewMetrics(metrics.Registry),
		Options:   noticeOptions,
		Now:       options.Now,
		Concerned: reconciler.Concern,
	}
	reconciler.Notices = notifier.Condition
	fed.Subscribe(func(s *feed.Settlement) {
		if !s.First {
			notifier.Settled(&s.Changes, s.Now)
		}
	})
	if err := mgr.Add(notifier); err != nil {
		return fmt.Errorf("adding the notifier: %w", err)
	}
	return nil
}

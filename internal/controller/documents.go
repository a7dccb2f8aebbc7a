package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// pace is the least time between two writes of one application document: a stream of changes is written at most ten
// times a second, and a change to a document at rest at once.
const pace = 100 * time.Millisecond

// again is when to look again at what the watch has yet to show.
const again = 50 * time.Millisecond

// progress is how far an output has come: done when the watch shows it as wanted, else when to look again (zero: when
// the watch shows something).
type progress struct {
	done  bool
	after time.Duration
}

func (r *Reconciler) reconcileApplication(ctx context.Context, o Output, touch uint64) (progress, error) {
	wants, rendered := r.tracker.expected(o)
	if len(wants) > 0 && rendered == touch && len(r.differing(o, wants)) == 0 {
		return r.endShards(ctx, o, len(wants)) // it stands, and nothing has been touched since it was rendered
	}
	view := r.view()
	object, rules := view.Index().Namespace(o.Namespace).Application(o.Name), view.Organization(o.Namespace)
	if object == nil || object.DeletionTimestamp != nil || rules == nil {
		r.noteCut(o, cut{})
		r.tracker.expect(o, touch, nil, holders{})
		return r.endShards(ctx, o, 0)
	}
	if wait := pace - r.Feed.Now().Sub(r.tracker.lastWritten(o)); wait > 0 {
		return progress{after: wait}, nil
	}
	in := publish.NewInput(rules, object, view.Decisions(o.Namespace))
	return r.writeApplication(ctx, o, touch, in, object)
}

// writeApplication renders the shards that have been touched, and those that the watch does not show as the plan has them,
// and writes what differs.
func (r *Reconciler) writeApplication(
	ctx context.Context, o Output, touch uint64, in *publish.Input, owner *accessv1alpha1.ApplicationAccess,
) (progress, error) {
	plan, shards := r.tracker.planOf(o)
	for {
		made := plan.Render(in, shards)
		wants := make([]publish.Want, made.Shards)
		for i := range wants {
			wants[i] = publish.Want{
				Key:      types.NamespacedName{Namespace: o.Namespace, Name: publish.ApplicationName(o.Name, i)},
				Document: accessv1alpha1.DocumentApplication, Digest: made.Digest(i),
				Owner:  publish.Owner(string(roster.KindApplicationAccess), owner),
				Labels: publish.FormatLabels(in.Formats),
			}
		}
		r.tracker.planned(o, touch)
		r.tracker.expect(o, touch, wants, holdersIn(made))
		r.noteCut(o, cutOf(made))
		differing := r.differing(o, wants)
		complete := true
		for _, i := range differing {
			if !made.IsRendered(i) {
				complete = false
				shards |= publish.ShardAt(i, made.Shards)
			}
		}
		if complete {
			return r.writeShards(ctx, o, wants, differing, made.Data)
		}
	}
}

func holdersIn(made *publish.ApplicationDocument) holders {
	return holders{
		users: made.Users, byRole: made.UsersByRole, omitted: made.Omitted,
		shards: made.Shards, growing: made.Grows(),
	}
}

// differing lists the shards that the watch does not show as wanted.
func (r *Reconciler) differing(o Output, wants []publish.Want) []int {
	seen := r.Publisher.Observed.Shards(o.Namespace, o.Name)
	var differing []int
	for i := range wants {
		if !wants[i].Matches(seen[i]) {
			differing = append(differing, i)
		}
	}
	return differing
}

// writeShards writes the last shard first and shard 0 last, and then ends shards too many.
//
// So a user who keeps access is in a shard at every instant, however far earlier changes of the number have come: both
// numbers are powers of two, and among the shards that are wanted a user only ever moves to a later one, which has been
// written by then. An error that a retry mends ends the pass for that reason.
//
// A shard that is refused for a reason of its own does not: the others are written, so that a loss is published whatever
// happens to another shard. A user who moves to a shard that is refused has no access until it can be written.
//
// differing lists the shards that the watch does not show as wanted. It was read after the rendering was noted as expected:
// what the watch shows later, [Reconciler.seen] looks at. data returns the data of one of these shards, so that only one at a time
// is in memory.
func (r *Reconciler) writeShards(
	ctx context.Context, o Output, wants []publish.Want, differing []int, data func(shard int) map[string]string,
) (progress, error) {
	if len(differing) == 0 {
		return r.endShards(ctx, o, len(wants))
	}
	r.tracker.wrote(o, r.Feed.Now())
	written := 0
	var refused refusals
	for _, i := range slices.Backward(differing) {
		wrote, err := r.publish(ctx, o, &wants[i], data(i))
		switch {
		case err != nil && blocks(err):
			refused = append(refused, err)
		case err != nil:
			return progress{}, err
		case wrote:
			written++
		case !wants[i].Holds(r.Publisher.Observed.Get(wants[i].Key)):
			// It cannot be written before it is gone. Those before it keep their users until the watch shows that.
			return progress{}, nil
		}
	}
	if written > 0 {
		log.FromContext(ctx).V(1).Info("Document written", "configMaps", written, "shards", len(wants))
	}
	if len(refused) > 0 {
		_, err := r.endShards(ctx, o, len(wants))
		return progress{}, joined(err, refused)
	}
	if written == 0 {
		return progress{after: again}, nil // the watch has shown what was missing, or one of them is on its way out
	}
	if written < len(differing) {
		return progress{}, nil
	}
	p, err := r.endShards(ctx, o, len(wants))
	p.done = false // the watch has yet to show it
	return p, err
}

// endShards ends the shards from the given one on. One that fails does not keep the others from being ended.
func (r *Reconciler) endShards(ctx context.Context, o Output, from int) (progress, error) {
	p := progress{done: true}
	seen := r.Publisher.Observed.Shards(o.Namespace, o.Name)
	var failures []error
	for _, shard := range slices.Sorted(maps.Keys(seen)) {
		if shard < from {
			continue
		}
		formats := publish.FormatsIn(seen[shard].Data)
		empty := publish.EmptyApplication(o.Namespace, o.Name, shard, formats...)
		failures = append(failures, r.end(ctx, o, &p, seen[shard], empty))
	}
	return p, joined(failures...)
}

// publish writes a ConfigMap of the document where the watch does not show it as wanted.
func (r *Reconciler) publish(ctx context.Context, o Output, want *publish.Want, data map[string]string) (wrote bool, err error) {
	r.expectations.send(o, want.Key.Name)
	write, err := r.Publisher.Publish(ctx, want, data)
	r.answered(o, want.Key, write, err)
	wrote = write != (publish.Write{})
	if err == nil && !wrote && r.isHeld(want) {
		return false, &heldError{want.Key, r.Publisher.Observed.Get(want.Key).Finalizers}
	}
	return wrote, err
}

// answered notes the outcome of a write of the ConfigMap, and looks at what the watch has shown before the answer.
func (r *Reconciler) answered(o Output, key types.NamespacedName, write publish.Write, err error) {
	if _, shown := r.expectations.answer(o, key.Name, write, err, r.versionSeen(key), r.Feed.Now()); shown {
		r.look(o)
	}
}

// isHeld reports whether finalizers keep a ConfigMap that is being deleted and has to be created anew. The garbage
// collector sets finalizers as well, and removes them soon: where what is published is as wanted, that is waited for.
func (r *Reconciler) isHeld(want *publish.Want) bool {
	seen := r.Publisher.Observed.Get(want.Key)
	if seen == nil || seen.DeletionTimestamp == nil || len(seen.Finalizers) == 0 {
		return false
	}
	since := r.Feed.Now().Sub(seen.DeletionTimestamp.Time)
	return !want.Holds(seen) || since.Abs() > patience // the clock of the API server may be ahead
}

// end takes the next step in ending one ConfigMap. A document that is empty is done, although it is still there.
func (r *Reconciler) end(
	ctx context.Context, o Output, p *progress, seen *corev1.ConfigMap, empty map[string]string,
) error {
	p.done = p.done && seen.Annotations[accessv1alpha1.AnnotationDigest] == publish.Digest(empty)
	r.expectations.send(o, seen.Name)
	write, wait, err := r.Publisher.End(ctx, seen, string(o.Kind), empty)
	r.answered(o, client.ObjectKeyFromObject(seen), write, err)
	if wait > 0 && (p.after == 0 || wait < p.after) {
		p.after = wait
	}
	return err
}

func (r *Reconciler) reconcileDocument(ctx context.Context, o Output) (reconcile.Result, error) {
	touch := r.tracker.begin(o)
	if r.view().Index().Namespace(o.Namespace).Terminating() || r.view().IsMissing(o.Namespace) {
		// What is published goes with its namespace, and nothing can be written where there is none.
		r.tracker.expect(o, touch, nil, holders{})
		r.noteCut(o, cut{})
		r.expectations.drop(o)
		r.finished(o, touch)
		r.tracker.forget(o)
		return reconcile.Result{}, nil
	}
	if err := r.confirm(ctx, o); err != nil {
		return reconcile.Result{}, err
	}
	step := r.reconcileUser
	if o.Kind == ApplicationDocument {
		step = r.reconcileApplication
	}
	p, err := step(ctx, o, touch)
	switch {
	case changedMeanwhile(err):
		return reconcile.Result{RequeueAfter: again}, nil
	case err != nil && blocks(err):
		return r.block(ctx, o, touch, err)
	case err != nil:
		return reconcile.Result{}, err
	}
	if p.done && !r.expectations.pending(o) {
		r.finished(o, touch)
		r.tracker.forget(o)
	}
	return reconcile.Result{RequeueAfter: p.after}, nil
}

// block notes that the document cannot be written, and what it still gives although it should not. The document is tried
// again after a growing delay, which bounds how often it is read for that.
func (r *Reconciler) block(ctx context.Context, o Output, touch uint64, why error) (reconcile.Result, error) {
	still, err := r.lossIn(ctx, o)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading what is published while it cannot be written: %w", err)
	}
	if was := r.tracker.blockedBy(o); was == nil || was.Error() != why.Error() {
		log.FromContext(ctx).Error(why, "The document cannot be written; it is tried again")
	}
	return reconcile.Result{RequeueAfter: r.blocked(o, touch, why, still)}, nil
}

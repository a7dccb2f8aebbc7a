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

// writeInterval is the shortest time between two writes of one application document. A continuous stream of changes is
// written at most ten times a second. A change after a pause is written at once.
const writeInterval = 100 * time.Millisecond

// recheckDelay is the delay before an output is checked again when the watch has not yet shown a change.
const recheckDelay = 50 * time.Millisecond

// progress describes how far an output has come. It is done when the watch shows the output as rendered. Otherwise
// after is the delay before the next check; zero means that the next watch event triggers it.
type progress struct {
	done  bool
	after time.Duration
}

func (r *Reconciler) reconcileApplication(ctx context.Context, o Output, touch uint64) (progress, error) {
	wants, rendered := r.tracker.expected(o)
	if len(wants) > 0 && rendered == touch && len(r.differing(o, wants)) == 0 {
		return r.endShards(ctx, o, len(wants)) // already written, and not touched since it was rendered
	}
	view := r.view()
	object, rules := view.Index().Namespace(o.Namespace).Application(o.Name), view.Organization(o.Namespace)
	if object == nil || object.DeletionTimestamp != nil || rules == nil {
		r.noteCut(o, cut{})
		r.tracker.expect(o, touch, nil, holders{})
		return r.endShards(ctx, o, 0)
	}
	if wait := writeInterval - r.Feed.Now().Sub(r.tracker.lastWritten(o)); wait > 0 {
		return progress{after: wait}, nil
	}
	in := publish.NewInput(rules, object, view.Decisions(o.Namespace))
	return r.writeApplication(ctx, o, touch, in, object)
}

// writeApplication renders the shards that have been touched and those that differ from the plan in the watch cache. It
// writes those that differ.
func (r *Reconciler) writeApplication(
	ctx context.Context, o Output, touch uint64, in *publish.Input, owner *accessv1alpha1.ApplicationAccess,
) (progress, error) {
	plan, shards := r.tracker.planOf(o)
	for {
		rendered := plan.Render(in, shards)
		wants := make([]publish.Want, rendered.Shards)
		for i := range wants {
			wants[i] = publish.Want{
				Key:      types.NamespacedName{Namespace: o.Namespace, Name: publish.ApplicationName(o.Name, i)},
				Document: accessv1alpha1.DocumentApplication, Digest: rendered.Digest(i),
				Owner:  publish.Owner(string(roster.KindApplicationAccess), owner),
				Labels: publish.FormatLabels(in.Formats),
			}
		}
		r.tracker.planned(o, touch)
		r.tracker.expect(o, touch, wants, holdersIn(rendered))
		r.noteCut(o, cutOf(rendered))
		differing := r.differing(o, wants)
		complete := true
		for _, i := range differing {
			if !rendered.IsRendered(i) {
				complete = false
				shards |= publish.ShardAt(i, rendered.Shards)
			}
		}
		if complete {
			return r.writeShards(ctx, o, wants, differing, rendered.Data)
		}
	}
}

func holdersIn(rendered *publish.ApplicationDocument) holders {
	return holders{
		users: rendered.Users, byRole: rendered.UsersByRole, omitted: rendered.Omitted,
		shards: rendered.Shards, growing: rendered.Grows(),
	}
}

// differing lists the shards that are not as wanted in the watch cache.
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

// writeShards writes the last shard first and shard 0 last, and then removes surplus shards.
//
// This order keeps every user who retains access in some shard at every instant, whatever the progress of an earlier
// change of the number of shards. Both numbers are powers of two, so a user only moves to a shard with a higher number,
// and that shard is written first. For this reason an error that is worth a retry ends the pass.
//
// A shard that is refused for a reason of its own does not end the pass. The other shards are written, so that a
// revocation is published even if another shard is refused. A user who moves to a refused shard has no access until
// that shard can be written.
//
// differing lists the shards that are not as wanted in the watch cache. The caller reads it after it has recorded the
// rendering as expected; [Reconciler.seen] handles later watch events. data returns the data of one of these shards, so
// that only one shard at a time is in memory.
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
			// It cannot be written before it is deleted. The shards before it keep their users until the watch shows
			// the deletion.
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
		return progress{after: recheckDelay}, nil // the watch has shown the missing write, or one of the ConfigMaps is being deleted
	}
	if written < len(differing) {
		return progress{}, nil
	}
	p, err := r.endShards(ctx, o, len(wants))
	p.done = false // the watch has not shown it yet
	return p, err
}

// endShards removes the shards with the number from and above. An error on one does not stop the others.
func (r *Reconciler) endShards(ctx context.Context, o Output, from int) (progress, error) {
	p := progress{done: true}
	seen := r.Publisher.Observed.Shards(o.Namespace, o.Name)
	var failures []error
	for _, shard := range slices.Sorted(maps.Keys(seen)) {
		if shard < from {
			continue
		}
		failures = append(failures, r.end(ctx, o, &p, seen[shard]))
	}
	failures = append(failures, r.leave(ctx, o, &p, from))
	return p, joined(failures...)
}

// publish writes a ConfigMap of the document if the watch cache does not hold it as wanted.
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

// answered records the result of a write of the ConfigMap, and handles watch events that arrived before the answer.
func (r *Reconciler) answered(o Output, key types.NamespacedName, write publish.Write, err error) {
	if write != (publish.Write{}) {
		r.takeover.wrote(o) // first, because the watch may have shown it
	}
	if write.Deleted {
		r.ended(o, key)
	}
	if _, shown := r.expectations.answer(o, key.Name, write, err, r.versionSeen(key), r.Feed.Now()); shown {
		r.look(o)
	}
}

// isHeld reports whether finalizers block the deletion of a ConfigMap that has to be created again. The garbage
// collector also sets finalizers and removes them soon, so a ConfigMap with the wanted content is given some time.
func (r *Reconciler) isHeld(want *publish.Want) bool {
	seen := r.Publisher.Observed.Get(want.Key)
	if seen == nil || seen.DeletionTimestamp == nil || len(seen.Finalizers) == 0 {
		return false
	}
	since := r.Feed.Now().Sub(seen.DeletionTimestamp.Time)
	return !want.Holds(seen) || since.Abs() > patience // the clock of the API server may be ahead
}

// end takes the next step in removing one ConfigMap. A document counts as ended as soon as it is empty, even if it
// still exists.
func (r *Reconciler) end(ctx context.Context, o Output, p *progress, seen *corev1.ConfigMap) error {
	empty := r.emptyData(o, seen)
	p.done = p.done && seen.Annotations[accessv1alpha1.AnnotationDigest] == publish.Digest(empty)
	r.expectations.send(o, seen.Name)
	write, wait, err := r.Publisher.End(ctx, seen, string(o.Kind), empty)
	r.answered(o, client.ObjectKeyFromObject(seen), write, err)
	if wait > 0 && (p.after == 0 || wait < p.after) {
		p.after = wait
	}
	return err
}

// leave writes empty documents where ConfigMaps of the document are lost (see [publish.Observed.Lose]), from the shard on.
// The watch then shows them, and they end as others do.
func (r *Reconciler) leave(ctx context.Context, o Output, p *progress, from int) error {
	lost := r.Publisher.Observed.Lost(o.Namespace, string(o.Kind), o.Name, r.Feed.Now().Add(-r.Publisher.Grace))
	var failures []error
	for _, shard := range slices.Sorted(maps.Keys(lost)) {
		if shard < from {
			continue
		}
		p.done, p.after = false, recheckDelay
		r.expectations.send(o, lost[shard].Name)
		write, err := r.Publisher.Leave(ctx, lost[shard], string(o.Kind), r.emptyData(o, lost[shard]))
		r.answered(o, client.ObjectKeyFromObject(lost[shard]), write, err)
		failures = append(failures, err)
	}
	return joined(failures...)
}

// emptyData renders the document of the ConfigMap without any access, in the formats that the ConfigMap has.
func (r *Reconciler) emptyData(o Output, cm *corev1.ConfigMap) map[string]string {
	if o.Kind == ApplicationDocument {
		_, _, shard := publish.ParseName(cm.Name)
		return publish.EmptyApplication(o.Namespace, o.Name, shard, publish.FormatsIn(cm.Data)...)
	}
	user, _ := r.names.user(o.Name)
	if o.Kind == OrganizationsDocument {
		return publish.OrganizationsData(user, nil)
	}
	return publish.UserData(publish.EmptyUser(o.Namespace, user))
}

func (r *Reconciler) reconcileDocument(ctx context.Context, o Output) (reconcile.Result, error) {
	touch := r.tracker.begin(o)
	if r.view().Index().Namespace(o.Namespace).Terminating() || r.view().IsMissing(o.Namespace) {
		// The published ConfigMaps are deleted with their namespace. Nothing can be written in a namespace that does
		// not exist.
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
		return reconcile.Result{RequeueAfter: recheckDelay}, nil
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

// block records that the document cannot be written, and what it still gives although it should not. The document is
// retried after a growing delay, which also bounds how often its ConfigMaps are read.
func (r *Reconciler) block(ctx context.Context, o Output, touch uint64, why error) (reconcile.Result, error) {
	still, err := r.lossIn(ctx, o)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading the published ConfigMaps of a document that cannot be written: %w", err)
	}
	if previous := r.tracker.blockedBy(o); previous == nil || previous.Error() != why.Error() {
		log.FromContext(ctx).Error(why, "Cannot write the document; retrying")
	}
	return reconcile.Result{RequeueAfter: r.blocked(o, touch, why, still)}, nil
}

package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// patience is how long a status waits for documents that are being written. Most documents arrive sooner, and a single
// status write then reports that all of them are published.
const patience = 2 * time.Second

// statusDigestKey is the annotation that holds, in the cache only, the digest of the status on the API server. It is an
// annotation because the cache keeps objects of the API types.
const statusDigestKey = "cache.access.usher.dev/status-digest"

// ObserveStatus reduces an object of the four kinds to what the cache keeps: no managed fields, and of the status only
// the conditions and a digest. It changes the object in place and is idempotent. It does not change objects of other
// kinds.
func ObserveStatus(object client.Object) {
	if publish.Stripped(object) {
		return
	}
	publish.Strip(object)
	switch o := object.(type) {
	case *accessv1alpha1.AccessGroup:
		// Decoding leaves spare capacity, which adds up in a list of thousands.
		o.Spec.Members = slices.Clone(o.Spec.Members)
		setDigest(o, o.Status)
		o.Status = accessv1alpha1.AccessGroupStatus{Conditions: o.Status.Conditions}
	case *accessv1alpha1.UserAccess:
		if maps.Equal(o.Labels, materializedLabels) {
			o.Labels = materializedLabels
		}
		setDigest(o, o.Status)
		o.Status = accessv1alpha1.UserAccessStatus{Conditions: o.Status.Conditions}
	case *accessv1alpha1.ApplicationAccess:
		setDigest(o, o.Status)
		o.Status = accessv1alpha1.ApplicationAccessStatus{Conditions: o.Status.Conditions}
	case *accessv1alpha1.AccessPolicy:
		setDigest(o, o.Status)
		o.Status = accessv1alpha1.AccessPolicyStatus{Conditions: o.Status.Conditions}
	}
}

// materializedLabels are the labels of a UserAccess that Usher writes. Tens of thousands of cached objects share this
// map.
var materializedLabels = map[string]string{accessv1alpha1.LabelMaterialized: accessv1alpha1.ValueTrue}

func setDigest(object client.Object, status any) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[statusDigestKey] = statusDigest(status)
	object.SetAnnotations(annotations)
}

func statusDigest(status any) string {
	text, err := json.Marshal(status)
	if err != nil {
		return "" // no status has this digest, so the status is written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// statusWrite is a status to write. object carries the status and the identity of the object, nothing else.
type statusWrite struct {
	object client.Object
	status any
	seen   client.Object
	before []metav1.Condition
	after  []metav1.Condition
	// warning is part of a condition's message. An event reports it when it first appears.
	warning string
	effect  string // how the change affected users, for the event that reports full publication
	// quiet suppresses events, for kinds of objects that may exist in thousands.
	quiet bool
}

// differs reports whether the status differs from the current one.
func (w *statusWrite) differs() bool {
	return statusDigest(w.status) != w.seen.GetAnnotations()[statusDigestKey]
}

// reconcileStatus writes the status of one object if it differs. It waits for documents that are being written because
// of the object. If that takes longer than patience, it writes that they are pending.
func (r *Reconciler) reconcileStatus(ctx context.Context, o Output) (reconcile.Result, error) {
	if err := r.confirm(ctx, o); err != nil {
		return reconcile.Result{}, err
	}
	r.expectations.await(o)
	write, wait := r.planStatus(o)
	switch {
	case write == nil:
		return reconcile.Result{RequeueAfter: wait}, nil
	case r.expectations.isBehind(o, write.seen.GetResourceVersion()):
		r.Feed.Renew()
		return reconcile.Result{RequeueAfter: wait}, nil
	case !write.differs():
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	err := r.writeStatus(ctx, o, write.object)
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, nil
	case apierrors.IsConflict(err):
		r.Feed.Renew()
		return reconcile.Result{RequeueAfter: recheckDelay}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	if ready := meta.IsStatusConditionTrue(write.after, accessv1alpha1.ConditionReady); ready {
		write.effect = r.effects.take(roster.Object{Kind: roster.Kind(o.Kind), Namespace: o.Namespace, Name: o.Name})
	}
	r.recordEvents(write)
	return reconcile.Result{RequeueAfter: wait}, nil
}

// writeStatus writes the status that the object carries. It enqueues the object if the watch has meanwhile shown a
// version that somebody else wrote.
func (r *Reconciler) writeStatus(ctx context.Context, o Output, object client.Object) error {
	r.expectations.send(o, o.Name)
	err := r.Publisher.Client.Status().Update(ctx, object)
	written := publish.Write{}
	if err == nil {
		written.Version = object.GetResourceVersion()
	}
	shown, has := r.expectations.answer(o, o.Name, written, err, "", r.Feed.Now())
	if err != nil {
		r.expectations.drop(o)
	}
	if has && shown != written.Version {
		r.enqueue(o)
	}
	return err
}

// planStatus computes the status while no settlement is being marked, so that the status and the documents that it
// reports on belong to the same state. It drops the status of an object that changed meanwhile; the next settlement
// enqueues that object again.
func (r *Reconciler) planStatus(o Output) (*statusWrite, time.Duration) {
	r.marking.RLock()
	defer r.marking.RUnlock()
	object := roster.Object{Kind: roster.Kind(o.Kind), Namespace: o.Namespace, Name: o.Name}
	own, hasOwn := r.ownDocument(object)
	now := r.Feed.Now()
	p := publication{}
	if last := r.tracker.lastChecked(r.checkKey(o.Namespace)); !last.IsZero() {
		// While the documents are being checked one by one, the status cannot be known. If the check is stuck, the
		// status reports that documents are pending.
		if rest := patience - now.Sub(last); rest > 0 {
			return nil, rest
		}
		p.pending = true
	}
	since := r.tracker.waitingSince(object)
	if hasOwn {
		p.blocked = r.tracker.blockedBy(own)
		if p.blocked == nil {
			since = earliest(since, r.tracker.openSince(own))
		}
	}
	if !since.IsZero() {
		if rest := patience - now.Sub(since); rest > 0 {
			return nil, rest
		}
		p.pending = true
	}
	p.loss = r.lossOf(object)
	write := r.statusOf(object, p, now)
	if write == nil {
		r.Metrics.unresolvedIn(object, 0)
		r.Metrics.setNotReady(object, "")
		r.effects.take(object)
		r.expectations.drop(o)
		return nil, 0
	}
	r.Metrics.setNotReady(object, notReadyReason(write.after))
	return write, nextStall(write.after, now)
}

// notReadyReason returns the reason of a Ready condition that is not true, or "".
func notReadyReason(conditions []metav1.Condition) string {
	if meta.IsStatusConditionTrue(conditions, accessv1alpha1.ConditionReady) {
		return ""
	}
	return reasonOf(conditions, accessv1alpha1.ConditionReady)
}

// checkKey returns the namespace whose documents a status in the given namespace depends on, or "" for all namespaces
// if it is the system namespace.
func (r *Reconciler) checkKey(namespace string) string {
	if namespace == r.view().SystemNamespace() {
		return ""
	}
	return namespace
}

// ownDocument returns the document that the object owns. The object is not ready without it.
func (r *Reconciler) ownDocument(object roster.Object) (Output, bool) {
	switch object.Kind {
	case roster.KindApplicationAccess:
		return Output{ApplicationDocument, object.Namespace, object.Name}, true
	case roster.KindUserAccess:
		ua := r.view().Index().Namespace(object.Namespace).UserAccess(object.Name)
		if ua == nil {
			return Output{}, false
		}
		return r.documentOf(object.Namespace, identity.Name(string(ua.Spec.User))), true
	default:
		return Output{}, false
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// statusOf returns the status of the object, or nil if the object does not exist.
func (r *Reconciler) statusOf(object roster.Object, p publication, now time.Time) *statusWrite {
	switch object.Kind {
	case roster.KindAccessGroup:
		report := r.view().Group(object.Namespace, object.Name, samples)
		if report == nil {
			return nil
		}
		r.Metrics.unresolvedIn(object, len(report.Unresolved))
		updated := &accessv1alpha1.AccessGroup{ObjectMeta: metaOf(report.Object)}
		p.unpublished = r.unpublished(object)
		updated.Status = groupStatus(report, p, r.notices(report), r.view().SystemNamespace(), now)
		return &statusWrite{
			object: updated, status: updated.Status, seen: report.Object,
			before: report.Object.Status.Conditions, after: updated.Status.Conditions,
		}
	case roster.KindUserAccess:
		report := r.view().User(object.Namespace, object.Name, maxUserConflicts)
		if report == nil {
			return nil
		}
		r.Metrics.unresolvedIn(object, len(report.Unresolved))
		p.cut, p.nameOf = r.cutUser(object), r.nameTaken(report.Object)
		updated := &accessv1alpha1.UserAccess{ObjectMeta: metaOf(report.Object)}
		updated.Status = userStatus(report, p, now)
		return &statusWrite{
			object: updated, status: updated.Status, seen: report.Object,
			before: report.Object.Status.Conditions, after: updated.Status.Conditions,
			quiet: roster.IsMaterialized(report.Object),
		}
	case roster.KindApplicationAccess:
		report := r.view().Application(object.Namespace, object.Name)
		if report == nil {
			return nil
		}
		own := Output{ApplicationDocument, object.Namespace, object.Name}
		h, lacks := r.tracker.holdersOf(own), r.tracker.cutOf(own)
		p.cut = lacks.message()
		updated := &accessv1alpha1.ApplicationAccess{ObjectMeta: metaOf(report.Object)}
		updated.Status = applicationStatus(report, p, h, r.view().Organization(object.Namespace), now)
		return &statusWrite{
			object: updated, status: updated.Status, seen: report.Object,
			before: report.Object.Status.Conditions, after: updated.Status.Conditions,
			warning: shardsGrow(object.Name, h),
		}
	case roster.KindAccessPolicy:
		report := r.view().Policy(object.Namespace)
		if report == nil || object.Name != report.Object.Name {
			return nil
		}
		r.Metrics.unresolvedIn(object, len(report.Unresolved))
		updated := &accessv1alpha1.AccessPolicy{ObjectMeta: metaOf(report.Object)}
		updated.Status = policyStatus(report, p, now)
		return &statusWrite{
			object: updated, status: updated.Status, seen: report.Object,
			before: report.Object.Status.Conditions, after: updated.Status.Conditions,
		}
	default:
		return nil
	}
}

// noticeFailure is the reason why members of a group cannot be notified. It is empty if notices work.
type noticeFailure struct{ reason, message string }

func (r *Reconciler) notices(report *roster.GroupReport) noticeFailure {
	if r.Notices == nil || report.Inert != "" {
		return noticeFailure{}
	}
	reason, message := r.Notices(report.Object)
	return noticeFailure{reason, message}
}

// metaOf returns the metadata of a status update. The API server ignores everything else but the status.
func metaOf(object client.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: object.GetNamespace(), Name: object.GetName(),
		UID: object.GetUID(), ResourceVersion: object.GetResourceVersion(),
	}
}

// unpublished counts the documents that the group affects and that cannot be written, and the members of the group who
// do not fit into a document.
func (r *Reconciler) unpublished(group roster.Object) int {
	count := r.cutMembers(group)
	for _, o := range r.tracker.blocked() {
		switch o.Kind {
		case ApplicationDocument:
			if r.view().Bears(group, o.Namespace, o.Name) {
				count++
			}
		case UserDocument:
			user, known := r.names.user(o.Name)
			if known && r.view().IsMember(group, user) && r.view().AppliesIn(group, o.Namespace) {
				count++
			}
		}
	}
	return count
}

// recordEvents records events about what is new in the status: that the change is published and whose access it
// changed, or why it is not published.
func (r *Reconciler) recordEvents(w *statusWrite) {
	if w.quiet || r.Recorder == nil {
		return
	}
	if w.warning != "" && hasMessage(w.after, w.warning) && !hasMessage(w.before, w.warning) {
		r.Recorder.Eventf(w.seen, nil, corev1.EventTypeWarning, reasonShardsGrow, "Publish", "%s", w.warning)
	}
	for i := range w.after {
		c := &w.after[i]
		message := c.Message
		if c.Type == accessv1alpha1.ConditionReady && w.effect != "" {
			message += " " + w.effect
		} else if c.Reason == reasonOf(w.before, c.Type) {
			continue
		}
		switch c.Type {
		case accessv1alpha1.ConditionReady:
			kind := corev1.EventTypeWarning
			if c.Status == metav1.ConditionTrue || c.Reason == accessv1alpha1.ReasonPublishing {
				kind = corev1.EventTypeNormal
			}
			r.Recorder.Eventf(w.seen, nil, kind, c.Reason, "Publish", "%s", message)
		case accessv1alpha1.ConditionRoleConflict, accessv1alpha1.ConditionSystemRoleUnmapped,
			accessv1alpha1.ConditionAdministratorExpires, accessv1alpha1.ConditionNameTaken:
			if c.Status == metav1.ConditionTrue {
				r.Recorder.Eventf(w.seen, nil, corev1.EventTypeWarning, c.Reason, "Resolve", "%s", c.Message)
			}
		case accessv1alpha1.ConditionReviewDue:
			if c.Status == metav1.ConditionTrue {
				r.Recorder.Eventf(w.seen, nil, corev1.EventTypeWarning, c.Reason, "Review", "%s", c.Message)
			}
		case accessv1alpha1.ConditionNoticesFailing:
			r.Recorder.Eventf(w.seen, nil, corev1.EventTypeWarning, c.Reason, "Notify", "%s", c.Message)
		}
	}
}

// reasonShardsGrow is the reason of the event that asks to mount more ConfigMaps.
const reasonShardsGrow = "ShardsGrow"

func hasMessage(list []metav1.Condition, text string) bool {
	return slices.ContainsFunc(list, func(c metav1.Condition) bool { return strings.Contains(c.Message, text) })
}

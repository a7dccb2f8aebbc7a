package controller

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// conditions builds the list of an object's conditions. A condition that does not change keeps its transition time. A
// condition that is not set is left out.
type conditions struct {
	before     []metav1.Condition
	generation int64
	now        time.Time
	list       []metav1.Condition
}

func (c *conditions) set(kind string, holds bool, reason, message string) {
	condition := metav1.Condition{
		Type: kind, Status: metav1.ConditionFalse, ObservedGeneration: c.generation,
		Reason: reason, Message: truncate(message), LastTransitionTime: metav1.NewTime(c.now.Truncate(time.Second)),
	}
	if holds {
		condition.Status = metav1.ConditionTrue
	}
	if previous := meta.FindStatusCondition(c.before, kind); previous != nil {
		c.list = append(c.list, *previous)
	}
	meta.SetStatusCondition(&c.list, condition)
}

// remark appends text to the message of the condition if the condition is set and true.
func (c *conditions) remark(kind, text string) {
	if condition := meta.FindStatusCondition(c.list, kind); condition != nil && condition.Status == metav1.ConditionTrue && text != "" {
		condition.Message = truncate(condition.Message + " " + text)
	}
}

// longestMessage bounds a message, to keep statuses small.
const longestMessage = 2048

func truncate(message string) string {
	if len(message) <= longestMessage {
		return message
	}
	cut := longestMessage - len("…")
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}

// publication describes how far the effect of an object has been published.
type publication struct {
	pending bool
	blocked error  // why the document that the object owns cannot be written
	loss    string // which documents still give more than they should because of the object; empty if none does
	cut     string // what does not fit into the document; empty if everything fits
	// unpublished counts what cannot be published for a reason of its own. It does not keep the object from being
	// ready.
	unpublished int
	nameOf      string // the user whose materialized UserAccess needs the name of this object; empty if there is none
}

// setCommon sets Ready, ResolvedRefs and Stalled, which mean the same on every kind. It reports whether the object has
// an effect.
func (c *conditions) setCommon(report *roster.Report, inert string, p publication) bool {
	if report.Inert != "" {
		c.set(accessv1alpha1.ConditionReady, false, report.Inert, inert)
		c.set(accessv1alpha1.ConditionStalled, true, report.Inert, inert)
		return false
	}
	reason, message := blockedReason(p.blocked)
	switch {
	case p.loss != "":
		c.set(accessv1alpha1.ConditionReady, false, accessv1alpha1.ReasonLossNotPublished, p.loss)
	case reason == accessv1alpha1.ReasonConfigMapConflict:
		c.set(accessv1alpha1.ConditionReady, false, reason, message)
	case len(report.Unresolved) > 0:
		c.set(accessv1alpha1.ConditionReady, false, accessv1alpha1.ReasonUnresolvedReferences, unresolvedMessage(report.Unresolved))
	case reason != "":
		c.set(accessv1alpha1.ConditionReady, false, reason, message)
	case p.cut != "":
		c.set(accessv1alpha1.ConditionReady, false, accessv1alpha1.ReasonDocumentTooLarge, p.cut)
	case p.pending:
		c.set(accessv1alpha1.ConditionReady, false, accessv1alpha1.ReasonPublishing,
			"Documents that this generation changes are not all published yet.")
	case p.unpublished > 0:
		c.set(accessv1alpha1.ConditionReady, true, accessv1alpha1.ReasonPublished, fmt.Sprintf(
			"All that this generation changes is published, except for what status.unpublished counts (%d): documents that "+
				"cannot be written, and members who do not fit into one. The objects that own these documents say why.",
			p.unpublished))
	default:
		c.set(accessv1alpha1.ConditionReady, true, accessv1alpha1.ReasonPublished,
			"All that this generation changes is published.")
	}
	return true
}

// resolvesWithin is how long references may stay unresolved before the object is stalled. Objects that are applied
// together, in any order, exist much sooner.
const resolvesWithin = 2 * time.Minute

// references sets ResolvedRefs. The transition time of a false ResolvedRefs is when the object began to name an object
// that does not exist. It also moves when a new generation names a different set, and when it lies in the future
// because the clock was set back. Stalled is computed from it (docs/gitops.md).
func (c *conditions) references(unresolved []accessv1alpha1.UnresolvedReference) {
	if len(unresolved) == 0 {
		c.set(accessv1alpha1.ConditionResolvedRefs, true, accessv1alpha1.ReasonResolved, "Everything that the object names exists.")
		return
	}
	c.set(accessv1alpha1.ConditionResolvedRefs, false, accessv1alpha1.ReasonUnresolvedReferences, unresolvedMessage(unresolved))
	condition := &c.list[len(c.list)-1]
	before := meta.FindStatusCondition(c.before, accessv1alpha1.ConditionResolvedRefs)
	isNew := before != nil && before.ObservedGeneration != condition.ObservedGeneration && before.Message != condition.Message
	if isNew || condition.LastTransitionTime.After(c.now) {
		condition.LastTransitionTime = metav1.NewTime(c.now.Truncate(time.Second))
	}
}

// stalled sets Stalled if the object cannot become ready without a change by somebody.
func (c *conditions) stalled(p publication) {
	reason, message := blockedReason(p.blocked)
	if reason == accessv1alpha1.ReasonConfigMapConflict {
		c.set(accessv1alpha1.ConditionStalled, true, reason, message)
		return
	}
	refs := meta.FindStatusCondition(c.list, accessv1alpha1.ConditionResolvedRefs)
	if refs != nil && refs.Status == metav1.ConditionFalse && stallsIn(refs, c.now) <= 0 {
		c.set(accessv1alpha1.ConditionStalled, true, refs.Reason, refs.Message)
	}
}

// stallsIn returns the time until an object with this false ResolvedRefs is stalled.
func stallsIn(refs *metav1.Condition, now time.Time) time.Duration {
	return refs.LastTransitionTime.Add(resolvesWithin).Sub(now)
}

// nextStall returns the time until an object with these conditions is stalled unless its references resolve, or 0 if it
// is not going to be.
func nextStall(list []metav1.Condition, now time.Time) time.Duration {
	refs := meta.FindStatusCondition(list, accessv1alpha1.ConditionResolvedRefs)
	if refs == nil || refs.Status != metav1.ConditionFalse {
		return 0
	}
	return max(0, stallsIn(refs, now))
}

// unmapped sets SystemRoleUnmapped if names is not empty.
func (c *conditions) unmapped(names []string, format string) {
	if len(names) > 0 {
		c.set(accessv1alpha1.ConditionSystemRoleUnmapped, true, accessv1alpha1.ReasonRoleNotOnLadder,
			fmt.Sprintf(format, listed(names)))
	}
}

var missing = map[accessv1alpha1.ReferenceKind]string{
	accessv1alpha1.ReferenceAccessGroup:         "no AccessGroup %q counts in this namespace",
	accessv1alpha1.ReferenceApplicationRole:     "no role %q is on the application ladder",
	accessv1alpha1.ReferenceOrganizationRole:    "no role %q is on the organization ladder",
	accessv1alpha1.ReferenceSystemRole:          "no role %q is on the system ladder",
	accessv1alpha1.ReferenceNotificationChannel: "no notification channel %q is in the policy",
}

func unresolvedMessage(references []accessv1alpha1.UnresolvedReference) string {
	const shown = 5
	var b strings.Builder
	for i := range references[:min(shown, len(references))] {
		ref := &references[i]
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: "+missing[ref.Kind], ref.Field, ref.Name)
		switch {
		case ref.Organization != "":
			fmt.Fprintf(&b, " of organization %s", ref.Organization)
		case strings.HasPrefix(ref.Field, "spec.systemAccess") && ref.Kind != accessv1alpha1.ReferenceSystemRole:
			b.WriteString(" of any organization") // an entry that names none
		}
	}
	if more := len(references) - shown; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	b.WriteString(". What does not exist gives nothing: correct the name, or create what it names.")
	return b.String()
}

func listed(names []string) string {
	const shown = 5
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

func reasonOf(list []metav1.Condition, kind string) string {
	if condition := meta.FindStatusCondition(list, kind); condition != nil {
		return condition.Reason
	}
	return ""
}

package controller

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// loss is what a document that cannot be written still gives although it should not.
type loss struct {
	configMaps []string // their names, sorted
	users      []string // sorted; empty where a ConfigMap cannot be read as a document
	// restricting are the objects that a decision names as the reason why one of the users should have less.
	restricting map[roster.Object]struct{}
}

// message says which ConfigMaps give too much to whom, why, and what to do.
func (l *loss) message(o Output, why error) string {
	kind := "ConfigMap"
	if len(l.configMaps) > 1 {
		kind = "ConfigMaps"
	}
	whom := "users who cannot be read from it"
	if len(l.users) > 0 {
		whom = strings.Join(first(l.users, mostNamed), ", ")
		if more := len(l.users) - mostNamed; more > 0 {
			whom += fmt.Sprintf(" and %d more", more)
		}
	}
	return fmt.Sprintf("%s %s in namespace %s cannot be written and still gives more than it should to %s. Remove what refuses "+
		"the write; until then, take the access away in the application itself. Usher tries again at least once a minute. "+
		"The reason: %s", kind, listed(l.configMaps), o.Namespace, whom, why)
}

func (l *loss) equal(m *loss) bool {
	if l == nil || m == nil {
		return l == m
	}
	return slices.Equal(l.configMaps, m.configMaps) && slices.Equal(l.users, m.users) &&
		maps.Equal(l.restricting, m.restricting)
}

// lossIn reads what the API server holds of a document that cannot be written, where the watch does not show it as
// wanted, and compares it with the decisions. It returns nil where the document gives nobody more than it should. The cost
// grows with the users in these ConfigMaps.
func (r *Reconciler) lossIn(ctx context.Context, o Output) (*loss, error) {
	wants, _ := r.tracker.expected(o)
	c := &comparison{view: r.view(), at: o, wanted: len(wants) > 0, now: r.Feed.Now(), more: map[string]struct{}{},
		restricting: map[roster.Object]struct{}{}}
	found := &loss{restricting: c.restricting}
	for _, key := range r.outdated(o) {
		cm, err := r.Publisher.Read(ctx, key)
		if err != nil {
			return nil, err
		}
		if cm != nil && c.givesMore(cm) {
			found.configMaps = append(found.configMaps, key.Name)
		}
	}
	if len(found.configMaps) == 0 {
		return nil, nil
	}
	found.users = slices.Sorted(maps.Keys(c.more))
	return found, nil
}

// outdated lists the ConfigMaps of the document that the watch does not show as wanted, those included that should not
// be, by name.
func (r *Reconciler) outdated(o Output) []types.NamespacedName {
	outdated := map[types.NamespacedName]struct{}{}
	if o.Kind == ApplicationDocument {
		for _, cm := range r.Publisher.Observed.Shards(o.Namespace, o.Name) {
			outdated[client.ObjectKeyFromObject(cm)] = struct{}{}
		}
	} else {
		outdated[types.NamespacedName{Namespace: o.Namespace, Name: documentName(o)}] = struct{}{}
	}
	wants, _ := r.tracker.expected(o)
	for i := range wants {
		if wants[i].Holds(r.Publisher.Observed.Get(wants[i].Key)) {
			delete(outdated, wants[i].Key)
		} else {
			outdated[wants[i].Key] = struct{}{} // also where it has lost the label by which the watch finds it
		}
	}
	return slices.SortedFunc(maps.Keys(outdated), func(a, b types.NamespacedName) int { return cmp.Compare(a.Name, b.Name) })
}

// settle notes what the document gives too much with the touch. Without a loss, what lowered access up to that touch is
// published.
func (t *tracker) settle(o Output, d *documentState, touch uint64, found *loss) {
	d.loss = found
	if found != nil {
		t.lossy[o] = struct{}{}
		return
	}
	delete(t.lossy, o)
	maps.DeleteFunc(d.lowering, func(_ roster.Object, at uint64) bool { return at <= touch })
	if len(d.lowering) == 0 {
		d.lowering = nil
	}
}

// losers lists the objects because of which the document gives more than it should.
func (t *tracker) losers(o Output) (objects []roster.Object, found *loss) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.documents[o]
	if d == nil || d.loss == nil {
		return nil, nil
	}
	return slices.Concat(slices.Collect(maps.Keys(d.lowering)), slices.Collect(maps.Keys(d.loss.restricting))), d.loss
}

// lossOf returns the messages of the documents that give more than they should because of the object, or that it owns,
// sorted.
func (t *tracker) lossOf(object roster.Object, owned func(Output) bool) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var messages []string
	for o := range t.lossy {
		d := t.documents[o]
		_, lowers := d.lowering[object]
		_, restricts := d.loss.restricting[object]
		if lowers || restricts || owned(o) {
			messages = append(messages, d.loss.message(o, d.blocked))
		}
	}
	slices.Sort(messages)
	return messages
}

// lossOf says which documents still give more than they should because of the object, or "".
func (r *Reconciler) lossOf(object roster.Object) string {
	own, hasOwn := r.ownDocument(object)
	messages := r.tracker.lossOf(object, func(o Output) bool { return hasOwn && o == own })
	switch len(messages) {
	case 0:
		return ""
	case 1:
		return messages[0]
	default:
		return fmt.Sprintf("%d documents still give more than they should. The first: %s", len(messages), messages[0])
	}
}

// lowers reports whether the access after gives less than the one before, in doubt that it does.
func lowers(before, after *resolve.Access) bool {
	if !before.GivesAccess() {
		return false
	}
	return before.Above(&after.Outcome) || endsEarlier(&before.Outcome, &after.Outcome) ||
		slices.ContainsFunc(after.Filters, func(f resolve.Filter) bool { return !slices.ContainsFunc(before.Filters, f.Equal) })
}

func endsEarlier(before, after *resolve.Outcome) bool {
	return !after.NotAfter.IsZero() && (before.NotAfter.IsZero() || after.NotAfter.Before(before.NotAfter))
}

// lowersApplication reports whether the change of the decision takes something from the user in the application.
func lowersApplication(c *roster.UserChange, application string) bool {
	return lowers(given(c.Before).Application(application), given(c.After).Application(application))
}

// lowersAnything reports whether the change of the decision takes something from the user anywhere in the organization.
func lowersAnything(c *roster.UserChange) bool {
	before, after := given(c.Before), given(c.After)
	less := lowers(&before.Default, &after.Default) ||
		lowers(&resolve.Access{Outcome: before.OrganizationRole}, &resolve.Access{Outcome: after.OrganizationRole})
	resolve.EachApplication(before, after, func(_ string, was, is *resolve.Access) { less = less || lowers(was, is) })
	return less
}

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

// loss describes the access that a document still gives, although it should not, because it cannot be written.
type loss struct {
	configMaps []string // names, sorted
	users      []string // sorted; empty if a ConfigMap cannot be read as a document
	// restricting are the objects that a decision names as the reason why a user should have less.
	restricting map[roster.Object]struct{}
}

// message states which ConfigMaps give too much access to which users, why, and what to do.
func (l *loss) message(o Output, why error) string {
	kind := "ConfigMap"
	if len(l.configMaps) > 1 {
		kind = "ConfigMaps"
	}
	users := "users whose names cannot be read from it"
	if len(l.users) > 0 {
		users = strings.Join(first(l.users, mostNamed), ", ")
		if more := len(l.users) - mostNamed; more > 0 {
			users += fmt.Sprintf(" and %d more", more)
		}
	}
	return fmt.Sprintf("%s %s in namespace %s cannot be written and still gives more than it should to %s. "+
		"Remove the cause of the refusal. Until then, remove the access in the application itself. "+
		"Usher tries again at least once a minute. "+
		"The reason: %s", kind, listed(l.configMaps), o.Namespace, users, why)
}

func (l *loss) equal(m *loss) bool {
	if l == nil || m == nil {
		return l == m
	}
	return slices.Equal(l.configMaps, m.configMaps) && slices.Equal(l.users, m.users) &&
		maps.Equal(l.restricting, m.restricting)
}

// lossIn reads from the API server the ConfigMaps of a document that cannot be written, where the watch cache does not
// hold them as wanted, and compares them with the decisions. It returns nil if the document gives no user more than it
// should. The cost grows with the number of users in these ConfigMaps.
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

// outdated lists, by name, the ConfigMaps of the document that are not as wanted in the watch cache. It includes those
// that should not exist.
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
			outdated[wants[i].Key] = struct{}{} // also if it has lost the label that the watch selects by
		}
	}
	return slices.SortedFunc(maps.Keys(outdated), func(a, b types.NamespacedName) int { return cmp.Compare(a.Name, b.Name) })
}

// settle records what the document gives too much as of the touch. If that is nothing, every revocation up to the touch
// has been published.
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

// losers lists the objects that explain why the document gives more than it should.
func (t *tracker) losers(o Output) (objects []roster.Object, found *loss) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.documents[o]
	if d == nil || d.loss == nil {
		return nil, nil
	}
	return slices.Concat(slices.Collect(maps.Keys(d.lowering)), slices.Collect(maps.Keys(d.loss.restricting))), d.loss
}

// lossOf returns, sorted, the messages of the documents that give more than they should because of the object, and of
// those that it owns.
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

// lossOf returns a message about the documents that still give more than they should because of the object, or "".
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

// lowers reports whether after gives less than before. In doubt it returns true.
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

// lowersApplication reports whether the change of the decision reduces the user's access to the application.
func lowersApplication(c *roster.UserChange, application string) bool {
	return lowers(given(c.Before).Application(application), given(c.After).Application(application))
}

// lowersAnything reports whether the change of the decision reduces the user's access anywhere in the organization.
func lowersAnything(c *roster.UserChange) bool {
	before, after := given(c.Before), given(c.After)
	less := lowers(&before.Default, &after.Default) ||
		lowers(&resolve.Access{Outcome: before.OrganizationRole}, &resolve.Access{Outcome: after.OrganizationRole})
	resolve.EachApplication(before, after, func(_ string, previous, current *resolve.Access) { less = less || lowers(previous, current) })
	return less
}

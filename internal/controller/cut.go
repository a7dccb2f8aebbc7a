package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// cut describes what had to be left out of a document because the document would be too large to write. The lists are
// sorted, and no user is in both. For a user document from which anything is left out, withoutRows holds its user.
type cut struct {
	leftOut            []string // users who have access but are not in the document
	withoutRows        []string // users who see no row in the document, or whose entry lacks something else
	withoutPermissions bool     // the document has the roles without their permissions
}

func cutOf(rendered *publish.ApplicationDocument) cut {
	return cut{leftOut: rendered.LeftOut, withoutRows: rendered.WithoutRows, withoutPermissions: rendered.WithoutPermissions}
}

func (c *cut) isEmpty() bool { return len(c.leftOut)+len(c.withoutRows) == 0 && !c.withoutPermissions }

func (c *cut) equal(d *cut) bool {
	return slices.Equal(c.leftOut, d.leftOut) && slices.Equal(c.withoutRows, d.withoutRows) &&
		c.withoutPermissions == d.withoutPermissions
}

// users lists the users who have more than the document gives them.
func (c *cut) users() []string { return slices.Concat(c.leftOut, c.withoutRows) }

// has reports whether the user has more than the document gives.
func (c *cut) has(user string) bool {
	_, out := slices.BinarySearch(c.leftOut, user)
	_, rowless := slices.BinarySearch(c.withoutRows, user)
	return out || rowless
}

// mostCut bounds the users that a message names.
const mostCut = 20

// message describes what the document leaves out and how to fix it. It is empty if nothing is left out.
func (c *cut) message() string {
	if c.isEmpty() {
		return ""
	}
	var parts []string
	if c.withoutPermissions {
		parts = append(parts, "The ladder of application roles is too large for the document, which has the roles without "+
			"their permissions. Shorten the ladder in the AccessPolicy.")
	}
	list := func(what string, users []string, room int) {
		if len(users) == 0 {
			return
		}
		text := fmt.Sprintf("%s: %d", what, len(users))
		if named := first(users, max(0, room)); len(named) > 0 {
			text += " (" + strings.Join(named, ", ")
			if more := len(users) - len(named); more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
			text += ")"
		}
		parts = append(parts, text+".")
	}
	if len(c.users()) > 0 {
		parts = append(parts, "Not everything that is decided fits into the document. Raise publish.minimumShards (at most 64), or "+
			"shorten the data permissions of these users.")
	}
	list("Left out, without access", c.leftOut, mostCut)
	list("Shown no row", c.withoutRows, mostCut-len(c.leftOut))
	return strings.Join(parts, " ")
}

// setCut records what the document leaves out, and returns the previous value.
func (t *tracker) setCut(o Output, lacks cut) (before cut) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before = t.cuts[o]
	if lacks.isEmpty() {
		delete(t.cuts, o)
	} else {
		t.cuts[o] = lacks
	}
	return before
}

// cutOf returns what the document leaves out.
func (t *tracker) cutOf(o Output) cut {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cuts[o]
}

// allCuts returns the documents that leave something out.
func (t *tracker) allCuts() map[Output]cut {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.cuts)
}

// noteCut records what the document leaves out. If that changed, it enqueues the statuses that report it: those of the
// groups of the organization, and those of the users' UserAccess objects.
func (r *Reconciler) noteCut(o Output, lacks cut) {
	before := r.tracker.setCut(o, lacks)
	if before.equal(&lacks) {
		return
	}
	r.concerned(o)
	for _, user := range slices.Concat(before.users(), lacks.users()) {
		for _, namespace := range []string{o.Namespace, r.view().SystemNamespace()} {
			for _, ua := range r.view().Index().Namespace(namespace).Account(user).All() {
				r.enqueue(statusOf(roster.ObjectOf(ua)))
			}
		}
	}
}

// cutUser returns a message about the documents that leave out something of the user, or "". A UserAccess of the system
// namespace has an effect in every organization.
func (r *Reconciler) cutUser(object roster.Object) string {
	ua := r.view().Index().Namespace(object.Namespace).UserAccess(object.Name)
	if ua == nil {
		return ""
	}
	var documents []string
	for o, lacks := range r.tracker.allCuts() {
		if (o.Namespace == object.Namespace || object.Namespace == r.view().SystemNamespace()) && lacks.has(string(ua.Spec.User)) {
			name := "ApplicationAccess " + o.Namespace + "/" + o.Name
			if o.Kind == UserDocument {
				name = "the user in namespace " + o.Namespace
			}
			documents = append(documents, name)
		}
	}
	if len(documents) == 0 {
		return ""
	}
	slices.Sort(documents)
	return fmt.Sprintf("Not everything that is decided for the user fits into the documents of %s: they show fewer rows, or give "+
		"no access. Shorten the data permissions of the user. The status of an ApplicationAccess says more.", listed(documents))
}

// cutMembers counts the members of the group who have more than a document gives them, once for each document that the
// group affects.
func (r *Reconciler) cutMembers(group roster.Object) int {
	count := 0
	for o, lacks := range r.tracker.allCuts() {
		if !r.view().AppliesIn(group, o.Namespace) ||
			(o.Kind == ApplicationDocument && !r.view().Bears(group, o.Namespace, o.Name)) {
			continue
		}
		for _, user := range lacks.users() {
			if r.view().IsMember(group, user) {
				count++
			}
		}
	}
	return count
}

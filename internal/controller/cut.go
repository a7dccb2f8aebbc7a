package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// cut is what a document lacks because it would be too large to be written. The lists are sorted and have no user in
// common. A user document that lacks anything has its user in withoutRows.
type cut struct {
	leftOut            []string // users who have access and are not in it
	withoutRows        []string // users to whom it shows no row, or who lack something else in it
	withoutPermissions bool     // the roles are there without their permissions
}

func cutOf(made *publish.ApplicationDocument) cut {
	return cut{leftOut: made.LeftOut, withoutRows: made.WithoutRows, withoutPermissions: made.WithoutPermissions}
}

func (c *cut) isEmpty() bool { return len(c.leftOut)+len(c.withoutRows) == 0 && !c.withoutPermissions }

func (c *cut) equal(d *cut) bool {
	return slices.Equal(c.leftOut, d.leftOut) && slices.Equal(c.withoutRows, d.withoutRows) &&
		c.withoutPermissions == d.withoutPermissions
}

// users lists whom the document does not give all that they have.
func (c *cut) users() []string { return slices.Concat(c.leftOut, c.withoutRows) }

// has reports whether the user is one of them.
func (c *cut) has(user string) bool {
	_, out := slices.BinarySearch(c.leftOut, user)
	_, rowless := slices.BinarySearch(c.withoutRows, user)
	return out || rowless
}

// mostCut bounds the users that a message names.
const mostCut = 20

// message says what the document lacks and what to do; empty: nothing.
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

// setCut notes what the document lacks, and returns what it lacked before.
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

// cutOf returns what the document lacks.
func (t *tracker) cutOf(o Output) cut {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cuts[o]
}

// allCuts returns the documents that lack something.
func (t *tracker) allCuts() map[Output]cut {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.cuts)
}

// noteCut notes what the document lacks. Where that differs, it enqueues the statuses that say so: those of the groups of
// the organization, and those of the users' UserAccess objects.
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

// cutUser says which documents lack something of the user; empty: none. A UserAccess of the system namespace counts in
// every organization.
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

// cutMembers counts the members of the group of whom a document that the group bears on lacks something, once for each
// document.
func (r *Reconciler) cutMembers(group roster.Object) int {
	count := 0
	for o, lacks := range r.tracker.allCuts() {
		if o.Kind == ApplicationDocument && !r.view().Bears(group, o.Namespace, o.Name) {
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

package delivery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/mailtext"
	"github.com/usher-dev/usher/internal/roster"
)

// viewOf returns the words of a notice.
func viewOf(n *Notice) *mailtext.View {
	v := &mailtext.View{
		Reason: string(n.Reason), Organization: n.Organization, User: n.User, Name: cmp.Or(n.Name, n.User), At: inWords(n.At),
	}
	if n.Digest != nil {
		v.Digest = *n.Digest
	}
	for i := range n.Changes {
		line := lineOf(&n.Changes[i])
		switch n.Changes[i].Kind {
		case Expiring:
			v.Ending = append(v.Ending, line)
		case Unchanged:
			v.Standing = append(v.Standing, line)
		default:
			v.Changed = append(v.Changed, line)
		}
	}
	for i := range n.Reviews {
		v.Reviews = append(v.Reviews, reviewLine(&n.Reviews[i]))
	}
	v.MoreReviews = n.MoreReviews
	for i := range n.Groups {
		g := &n.Groups[i]
		v.Groups = append(v.Groups, cmp.Or(g.DisplayName, g.Name))
		if g.Message != "" && !slices.Contains(v.Messages, g.Message) {
			v.Messages = append(v.Messages, g.Message)
		}
	}
	return v
}

func lineOf(c *Change) mailtext.Line {
	line := mailtext.Line{
		Kind: string(c.Kind), Where: cmp.Or(c.Title, c.Application), Before: c.Before, After: c.After,
		Until: inWords(c.Until), By: sourceName(c.Source),
	}
	switch c.Scope {
	case ScopeOrganization:
		line.Where = "The organization"
	case ScopeDefault:
		line.Where = "All other applications"
	}
	line.Text = sentence(c, &line)
	return line
}

// reviewLine returns the words of a review. They contain the name of the group, because the command that confirms the review
// takes it.
func reviewLine(r *Review) mailtext.Line {
	line := mailtext.Line{Kind: string(r.State), Where: r.Group, Until: inWords(r.Due)}
	if r.Title != "" && r.Title != r.Group {
		line.Where = fmt.Sprintf("%s (%s)", r.Title, r.Group)
	}
	switch ends := r.IfMissed == string(accessv1alpha1.MissedReviewEnd); {
	case r.State == ReviewComing && ends:
		line.Text = fmt.Sprintf("The review is due on %s. If it is missed, the access that the group gives ends.", line.Until)
	case r.State == ReviewComing:
		line.Text = fmt.Sprintf("The review is due on %s. If it is missed, the group keeps its access.", line.Until)
	case ends:
		line.Text = fmt.Sprintf("The review was due on %s. The access that the group gave has ended.", line.Until)
	default:
		line.Text = fmt.Sprintf("The review was due on %s. The group keeps its access.", line.Until)
	}
	return line
}

// sentence returns the whole change in words, except where the role holds.
func sentence(c *Change, line *mailtext.Line) string {
	by, until := "", ""
	if line.By != "" {
		by = ", by " + line.By
	}
	if line.Until != "" {
		until = ", until " + line.Until
	}
	switch c.Kind {
	case Granted:
		return fmt.Sprintf("You now have the role %s%s%s.", c.After, until, by)
	case Revoked:
		if line.By != "" {
			by = ", which " + line.By + " gave"
		}
		return fmt.Sprintf("You no longer have the role %s%s.", c.Before, by)
	case Expiring:
		return fmt.Sprintf("Your role %s ends on %s%s.", c.Before, line.Until, by)
	case Unchanged:
		return fmt.Sprintf("You have the role %s%s%s.", c.After, until, by)
	}
	switch {
	case c.Before != c.After:
		return fmt.Sprintf("Your role is now %s, it was %s%s%s.", c.After, c.Before, until, by)
	case c.Until.IsZero():
		return fmt.Sprintf("Your role %s no longer ends on %s%s.", c.After, inWords(c.UntilBefore), by)
	case c.UntilBefore.IsZero():
		return fmt.Sprintf("Your role %s now ends on %s%s.", c.After, line.Until, by)
	default:
		return fmt.Sprintf("Your role %s now ends on %s, not on %s%s.", c.After, line.Until, inWords(c.UntilBefore), by)
	}
}

// sourceName returns the words for the object that grants a role; empty: not known.
func sourceName(source string) string {
	o, ok := roster.ParseObject(source)
	switch {
	case !ok:
		return ""
	case o.Kind == roster.KindAccessGroup:
		return "group " + o.Name
	case o.Kind == roster.KindUserAccess:
		return "an individual grant"
	default:
		return strings.TrimSpace(string(o.Kind) + " " + o.Name)
	}
}

// inWords returns an instant as people write it, in UTC. It is empty for the zero time.
func inWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

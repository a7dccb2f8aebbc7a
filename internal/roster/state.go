package roster

import (
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/resolve"
)

// UserDecision is a user with what the user may do.
type UserDecision struct {
	User     string
	Decision *resolve.Decision
}

// State is an organization at one settling: what its documents are rendered from.
type State struct {
	Organization *resolve.Organization
	// Applications are those named in the organization, sorted.
	Applications []string
	// PublishesUsers says whether it has user documents.
	PublishesUsers bool
}

// State returns the organization's state with the decisions for all its users, by user; nil where the namespace is no
// organization. The list is made once after a change, for as many documents as are rendered then, and must not be changed.
func (r *Roster) State(organization string) (*State, []UserDecision) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.state(organization)
	if s == nil {
		return nil, nil
	}
	n := r.namespaces[organization]
	kept := n.sorted.Load()
	if kept == nil || !kept.current {
		kept = &sortedDecisions{n.decisionsLike(kept), true}
		n.sorted.Store(kept)
	}
	return s, kept.decisions
}

// sortedDecisions are those of an organization, by user.
type sortedDecisions struct {
	decisions []UserDecision
	current   bool // if not, only the users are
}

// decisionsLike lists the decisions. Those listed earlier, if any, are those of the same users.
func (n *namespace) decisionsLike(earlier *sortedDecisions) []UserDecision {
	decisions := make([]UserDecision, 0, len(n.records))
	if earlier != nil {
		for i := range earlier.decisions {
			user := earlier.decisions[i].User
			decisions = append(decisions, UserDecision{user, n.records[user].decision})
		}
		return decisions
	}
	for user, rec := range n.records {
		if rec.decision.Exists {
			decisions = append(decisions, UserDecision{user, rec.decision})
		}
	}
	slices.SortFunc(decisions, func(a, b UserDecision) int { return strings.Compare(a.User, b.User) })
	return decisions
}

// UserState returns the organization's state with the decision for one user; either may be nil.
func (r *Roster) UserState(organization, user string) (*State, *resolve.Decision) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.state(organization), r.decision(organization, user)
}

func (r *Roster) state(organization string) *State {
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return nil
	}
	return &State{n.compiled, n.applicable, r.publishesUsers(n)}
}

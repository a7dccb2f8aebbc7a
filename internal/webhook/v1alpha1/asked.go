package v1alpha1

import (
	"context"
	"crypto/sha256"
	"sync"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/usher-dev/usher/internal/validation"
)

const (
	// sideBySide bounds the concurrent access reviews of one admission request.
	sideBySide = 32
	// several is how many rights must differ in only one attribute to justify a review without that attribute.
	several = 4
)

// Asked holds the answers about one requester, for one admission request.
type Asked struct {
	reviewer *Reviewer
	user     *authenticationv1.UserInfo
	digest   [sha256.Size]byte

	mu      sync.Mutex
	answers map[validation.Attributes]bool
}

// Missing returns the rights that the requester lacks, in the given order. To send as few reviews as possible, it
// first asks for what would settle several rights at once, then for each right by itself, starting with the
// narrowest alternative.
func (a *Asked) Missing(ctx context.Context, rights []validation.Right) ([]validation.Right, error) {
	open := a.open(rights)
	if err := a.ask(ctx, shared(open)); err != nil {
		return nil, err
	}
	for depth := 0; ; depth++ {
		if open = a.open(open); len(open) == 0 {
			return nil, nil
		}
		var next []validation.Attributes
		for i := range open {
			if depth < len(open[i].AnyOf) {
				next = append(next, open[i].AnyOf[depth])
			}
		}
		if len(next) == 0 {
			return open, nil
		}
		if err := a.ask(ctx, next); err != nil {
			return nil, err
		}
	}
}

// told returns the texts of the hints that the requester may read. A failed access review is not a reason to
// refuse the request: the requester then gets the texts that everyone may read.
func (a *Asked) told(ctx context.Context, hints []validation.Hint) []string {
	if len(hints) == 0 {
		return nil
	}
	rights := make([]validation.Right, len(hints))
	for i := range hints {
		rights[i] = *hints[i].Right
	}
	missing, err := a.Missing(ctx, rights)
	lacking := map[validation.Attributes]bool{}
	for i := range missing {
		lacking[missing[i].AnyOf[0]] = true
	}
	var texts []string
	for i := range hints {
		switch hint := &hints[i]; {
		case err == nil && !lacking[hint.Right.AnyOf[0]]:
			texts = append(texts, hint.Text())
		case hint.Otherwise != "":
			texts = append(texts, hint.Field+": "+hint.Otherwise)
		}
	}
	return texts
}

// open returns the rights that no known answer grants.
func (a *Asked) open(rights []validation.Right) []validation.Right {
	a.mu.Lock()
	defer a.mu.Unlock()
	var open []validation.Right
	for i := range rights {
		held := false
		for _, alternative := range rights[i].AnyOf {
			held = held || a.holds(alternative)
		}
		if !held {
			open = append(open, rights[i])
		}
	}
	return open
}

// holds reports whether the requester is known to hold the right, or the same right for all namespaces or all
// names.
func (a *Asked) holds(right validation.Attributes) bool {
	for _, wide := range []validation.Attributes{right, anyNamespace(right), anyName(right), anyName(anyNamespace(right))} {
		if a.answers[wide] {
			return true
		}
		if _, found := a.reviewer.allowed.Get(remembered{a.digest, wide}); found {
			a.answers[wide] = true
			return true
		}
	}
	return false
}

// ask reviews each right that has no answer yet. The reviews run concurrently.
func (a *Asked) ask(ctx context.Context, rights []validation.Attributes) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	begun := map[validation.Attributes]bool{}
	for _, right := range rights {
		a.mu.Lock()
		_, answered := a.answers[right]
		a.mu.Unlock()
		if answered || begun[right] {
			continue
		}
		begun[right] = true
		group.Go(func() error {
			allowed, err := a.reviewer.review(ctx, a.user, right)
			if err != nil {
				return err
			}
			if allowed {
				a.reviewer.allowed.Add(remembered{a.digest, right}, true, rememberedFor)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.answers[right] = allowed
			return nil
		})
	}
	return group.Wait()
}

// shared returns what would settle more than one of the rights: alternatives that they have in common and, if
// there are several, the broadest alternatives for all namespaces or for all names.
func shared(rights []validation.Right) []validation.Attributes {
	var found []validation.Attributes
	alternatives := map[validation.Attributes]int{}
	note := func(right validation.Attributes, worth int) {
		if alternatives[right]++; alternatives[right] == worth {
			found = append(found, right)
		}
	}
	wide := map[validation.Attributes]int{}
	distinct := map[validation.Attributes]bool{}
	for i := range rights {
		for _, alternative := range rights[i].AnyOf {
			note(alternative, 2)
		}
		if len(rights[i].AnyOf) == 0 {
			continue
		}
		broadest := rights[i].AnyOf[len(rights[i].AnyOf)-1]
		if distinct[broadest] {
			continue
		}
		distinct[broadest] = true
		for _, open := range []validation.Attributes{anyNamespace(broadest), anyName(broadest)} {
			if wide[open]++; open != broadest && wide[open] == several {
				found = append(found, open)
			}
		}
	}
	return found
}

func anyNamespace(right validation.Attributes) validation.Attributes {
	right.Namespace = ""
	return right
}

func anyName(right validation.Attributes) validation.Attributes {
	right.Name = ""
	return right
}

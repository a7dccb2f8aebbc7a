package decision

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// rememberedFor is how long the answer to a review counts.
	rememberedFor = 10 * time.Second
	// mostRemembered bounds the answers that are kept.
	mostRemembered = 10_000
	// mostReviews bounds the reviews of one kind that are asked for at the same time.
	mostReviews = 32
	// reviewTimeout bounds a review and the wait for a place among the reviews.
	reviewTimeout = 5 * time.Second
)

var errBusy = errors.New("too many reviews at the same time")

// reviews asks the API server for reviews of one kind. It remembers the answers for ten seconds, yes and no alike, asks
// once for questions that are the same, and bounds the reviews in flight. Errors are not remembered.
type reviews[K comparable, V any] struct {
	answers *cache.LRUExpireCache
	asking  singleflight.Group
	slots   chan struct{}
	text    func(K) string
	asked   func(error) // called after each review
}

func newReviews[K comparable, V any](now func() time.Time, text func(K) string, asked func(error)) *reviews[K, V] {
	return &reviews[K, V]{
		answers: cache.NewLRUExpireCacheWithClock(mostRemembered, clock(now)),
		slots:   make(chan struct{}, mostReviews),
		text:    text,
		asked:   asked,
	}
}

// of returns the remembered answer to the question, or that of the review.
func (r *reviews[K, V]) of(ctx context.Context, question K, review func(context.Context) (V, error)) (V, error) {
	if answer, found := r.answers.Get(question); found {
		return answer.(V), nil
	}
	// Others wait for the same review: it does not end with the request that began it.
	asking := r.asking.DoChan(r.text(question), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewTimeout)
		defer cancel()
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		case <-ctx.Done():
			return nil, errBusy
		}
		answer, err := review(ctx)
		r.asked(err)
		if err != nil {
			return nil, err
		}
		r.answers.Add(question, answer, rememberedFor)
		return answer, nil
	})
	var none V
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case result := <-asking:
		if result.Err != nil {
			return none, result.Err
		}
		return result.Val.(V), nil
	}
}

// clock is a clock of a cache.
type clock func() time.Time

// Now returns the time.
func (c clock) Now() time.Time { return c() }

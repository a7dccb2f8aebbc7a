package decision

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// rememberedFor is the time for which the result of a review is cached.
	rememberedFor = 10 * time.Second
	// mostRemembered limits the number of cached results.
	mostRemembered = 10_000
	// mostReviews limits the concurrent reviews of one kind.
	mostReviews = 32
	// reviewTimeout limits the duration of a review, including the wait for a free slot.
	reviewTimeout = 5 * time.Second
)

var errBusy = errors.New("too many reviews at the same time")

// reviews requests reviews of one kind from the API server. It caches positive and negative results for ten
// seconds, merges equal concurrent questions into one review, and limits the concurrent reviews. It does not cache
// errors.
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

// known returns the cached answer to the question, and reports whether there is one.
func (r *reviews[K, V]) known(question K) (V, bool) {
	if answer, found := r.answers.Get(question); found {
		return answer.(V), true
	}
	var none V
	return none, false
}

// of returns the cached answer to the question, or requests a review.
func (r *reviews[K, V]) of(ctx context.Context, question K, review func(context.Context) (V, error)) (V, error) {
	if answer, found := r.known(question); found {
		return answer, nil
	}
	// Other requests may wait for the same review, so it does not end with the request that started it.
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

// clock implements the clock of a cache.
type clock func() time.Time

// Now returns the time.
func (c clock) Now() time.Time { return c() }

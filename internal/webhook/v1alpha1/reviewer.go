package v1alpha1

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/validation"
)

// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

const (
	// rememberedFor is how long a right that was taken away may still count.
	rememberedFor = 5 * time.Second
	// mostRemembered bounds the memory that it takes, whoever asks for whatever.
	mostRemembered = 10_000
)

// Reviewer asks the API server who may do what. It remembers for a few seconds what somebody may do, and never what
// somebody may not: a right that is given counts at once.
type Reviewer struct {
	Client  client.Client
	Metrics *Metrics

	allowed *cache.LRUExpireCache
}

// NewReviewer returns a reviewer that remembers nothing yet.
func NewReviewer(c client.Client, metrics *Metrics, now func() time.Time) *Reviewer {
	return &Reviewer{Client: c, Metrics: metrics, allowed: cache.NewLRUExpireCacheWithClock(mostRemembered, clock(now))}
}

type clock func() time.Time

// Now tells the time.
func (c clock) Now() time.Time { return c() }

// remembered names an answer. The requester stands as a digest: extra fields may be long.
type remembered struct {
	user  [sha256.Size]byte
	right validation.Attributes
}

// For returns a way to ask about one requester, once per right.
func (r *Reviewer) For(user *authenticationv1.UserInfo) *Asked {
	// Strings, and maps and lists of them: this cannot fail. Keys of maps are sorted.
	text, _ := json.Marshal(user)
	return &Asked{reviewer: r, user: user, digest: sha256.Sum256(text), answers: map[validation.Attributes]bool{}}
}

func (r *Reviewer) review(ctx context.Context, user *authenticationv1.UserInfo, right validation.Attributes) (bool, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, value := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(value)
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: right.Verb, Group: right.Group, Resource: right.Resource, Subresource: right.Subresource,
			Namespace: right.Namespace, Name: right.Name,
		},
	}}
	if err := r.Client.Create(ctx, review); err != nil {
		r.Metrics.reviewed(resultError)
		return false, fmt.Errorf("a review of %s: %w", describe(right), err)
	}
	// An evaluation error beside it is of roles that could not be read: what is allowed is allowed by others.
	if review.Status.Allowed && !review.Status.Denied {
		r.Metrics.reviewed(resultAllowed)
		return true, nil
	}
	r.Metrics.reviewed(resultRefused)
	return false, nil
}

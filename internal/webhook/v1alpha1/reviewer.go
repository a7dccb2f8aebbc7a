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
	// rememberedFor is how long a revoked right may still count.
	rememberedFor = 5 * time.Second
	// mostRemembered bounds the number of remembered answers, and so the memory.
	mostRemembered = 10_000
)

// Reviewer asks the API server who holds which right. It remembers for a few seconds that a user holds a right,
// but never that a user lacks one: a new right counts at once.
type Reviewer struct {
	Client  client.Client
	Metrics *Metrics

	allowed *cache.LRUExpireCache
}

// NewReviewer returns a reviewer without any remembered answer.
func NewReviewer(c client.Client, metrics *Metrics, now func() time.Time) *Reviewer {
	return &Reviewer{Client: c, Metrics: metrics, allowed: cache.NewLRUExpireCacheWithClock(mostRemembered, clock(now))}
}

type clock func() time.Time

// Now returns the current time.
func (c clock) Now() time.Time { return c() }

// remembered is the key of an answer. It has a digest of the requester, because extra fields may be long.
type remembered struct {
	user  [sha256.Size]byte
	right validation.Attributes
}

// For returns an Asked for one requester. It asks about each right once.
func (r *Reviewer) For(user *authenticationv1.UserInfo) *Asked {
	// UserInfo has only strings, maps and lists, so this cannot fail. Map keys are sorted.
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
	// An evaluation error means that some roles could not be read. The request is then allowed by other roles.
	if review.Status.Allowed && !review.Status.Denied {
		r.Metrics.reviewed(resultAllowed)
		return true, nil
	}
	r.Metrics.reviewed(resultRefused)
	return false, nil
}

package decision

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

const (
	// Audience is the audience of a caller's token.
	Audience = "usher-pdp"
	// Group is the API group of the rights that callers need. It contains no objects.
	Group = "decisions.access.usher.dev"
	// ResourceApplications is the resource of these rights. The application is the name and the organization is the
	// namespace.
	ResourceApplications = "applications"
	// VerbEvaluate is the verb for questions about one user.
	VerbEvaluate = "evaluate"
	// VerbSearch is the verb for questions about all users.
	VerbSearch = "search"
)

// Callers authenticates callers by TokenReview, and authorizes them by SubjectAccessReview.
type Callers struct {
	tokenReviews  authenticationclient.TokenReviewInterface
	accessReviews authorizationclient.SubjectAccessReviewInterface

	tokens *reviews[[sha256.Size]byte, *caller]
	access *reviews[right, bool]
}

// caller is an authenticated caller. token is the digest of the bearer token.
type caller struct {
	user  authenticationv1.UserInfo
	token [sha256.Size]byte
}

// right is a right of a caller. An empty application stands for all applications.
type right struct {
	token                        [sha256.Size]byte
	verb, namespace, application string
}

// NewCallers returns a Callers without remembered reviews.
func NewCallers(
	tokens authenticationclient.TokenReviewInterface, access authorizationclient.SubjectAccessReviewInterface,
	m *Metrics, now func() time.Time,
) *Callers {
	return &Callers{
		tokenReviews: tokens, accessReviews: access,
		tokens: newReviews[[sha256.Size]byte, *caller](now,
			func(token [sha256.Size]byte) string { return string(token[:]) }, m.reviewed(kindTokenReview)),
		access: newReviews[right, bool](now, right.String, m.reviewed(kindSubjectAccessReview)),
	}
}

// String returns a unique text for the right. Only the digest can contain a line feed, and the digest has a fixed
// length.
func (r right) String() string {
	return string(r.token[:]) + r.verb + "\n" + r.namespace + "\n" + r.application
}

// authenticate returns the caller who sent the request, or nil if the request is not authenticated. It returns an
// error if the review fails.
func (c *Callers) authenticate(r *http.Request) (*caller, error) {
	token, ok := bearerToken(r)
	if !ok {
		return nil, nil
	}
	key := sha256.Sum256([]byte(token))
	if found, known := c.tokens.known(key); known {
		return found, nil // only tokens that claim the audience are reviewed, so the claims need not be parsed again
	}
	if !claimsAudience(token) {
		return nil, nil
	}
	found, err := c.tokens.of(r.Context(), key, func(ctx context.Context) (*caller, error) {
		review, err := c.tokenReviews.Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{Audience}},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		if !review.Status.Authenticated || !slices.Contains(review.Status.Audiences, Audience) {
			return nil, nil
		}
		return &caller{user: review.Status.User, token: key}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reviewing the token: %w", err)
	}
	return found, nil
}

// may reports whether the caller has the right. It returns an error if the review fails.
func (c *Callers) may(ctx context.Context, who *caller, verb, organization, application string) (bool, error) {
	asked := right{who.token, verb, organization, application}
	allowed, err := c.access.of(ctx, asked, func(ctx context.Context) (bool, error) {
		extra := make(map[string]authorizationv1.ExtraValue, len(who.user.Extra))
		for key, value := range who.user.Extra {
			extra[key] = authorizationv1.ExtraValue(value)
		}
		review, err := c.accessReviews.Create(ctx, &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User: who.user.Username, UID: who.user.UID, Groups: who.user.Groups, Extra: extra,
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: verb, Group: Group, Resource: ResourceApplications, Namespace: organization, Name: application,
				},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		return review.Status.Allowed && !review.Status.Denied, nil
	})
	if err != nil {
		return false, fmt.Errorf("reviewing the right to %s: %w", verb, err)
	}
	return allowed, nil
}

// bearerToken returns the token of the only Authorization header.
func bearerToken(r *http.Request) (string, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(strings.TrimSpace(headers[0]), " ")
	token = strings.TrimSpace(token)
	return token, found && strings.EqualFold(scheme, "Bearer") && token != ""
}

// claimsAudience reports whether the unverified token claims to be for this audience. A token that does not is
// refused without a review.
func claimsAudience(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims struct {
		Audience jsontext.Value `json:"aud"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return false
	}
	var audiences []string
	if claims.Audience.Kind() == jsontext.KindString {
		audiences = make([]string, 1)
		return json.Unmarshal(claims.Audience, &audiences[0]) == nil && audiences[0] == Audience
	}
	return json.Unmarshal(claims.Audience, &audiences) == nil && slices.Contains(audiences, Audience)
}

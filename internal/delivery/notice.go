package delivery

import (
	"time"

	"github.com/usher-dev/usher/internal/mailtext"
)

// Reason says why a notice is sent.
type Reason string

// The reasons of notices.
const (
	// ReasonChanged is the reason if access changed or is about to end.
	ReasonChanged Reason = "Changed"
	// ReasonAsked is the reason if somebody asked for the notice.
	ReasonAsked Reason = "Asked"
	// ReasonDigest is the reason of a digest, which tells administrators about a mass change.
	ReasonDigest Reason = "Digest"
	// ReasonReview is the reason if administrators are told about groups that must be reviewed.
	ReasonReview Reason = "Review"
)

// Notice is what a user is told through one channel.
type Notice struct {
	// ID stays the same when a notice is sent again.
	ID           string
	Reason       Reason
	Organization string
	User         string
	// Name is the display name, and Address the e-mail address of the user; empty: not known.
	Name, Address string
	// At is when the notice was created.
	At time.Time
	// Changes are sorted: the organization, applications by name, all other applications; then expiring roles. A digest has
	// none.
	Changes []Change
	Groups  []Group
	// Digest is set on a digest.
	Digest *mailtext.Counts
	// Reviews are the groups that must be reviewed, sorted by due instant, then by name. MoreReviews counts the groups that
	// the notice leaves out.
	Reviews     []Review
	MoreReviews int
}

// Review is a review of a group that is due or soon will be.
type Review struct {
	Namespace string `json:"namespace"`
	Group     string `json:"group"`
	// Title is the display name of the group, which may be empty.
	Title string      `json:"-"`
	Due   time.Time   `json:"due"`
	State ReviewState `json:"state"`
	// IfMissed says what happens to the access that the group gives when the review is due: Keep or End.
	IfMissed string `json:"ifMissed"`
}

// ReviewState is the state of a review.
type ReviewState string

// The states of reviews.
const (
	ReviewComing ReviewState = "Coming" // it becomes due later
	ReviewDue    ReviewState = "Due"    // it is due, and the group keeps its access
	ReviewEnded  ReviewState = "Ended"  // it is due, and the group gives only NoAccess
)

// Group is a group on whose behalf a notice is sent.
type Group struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// DisplayName and Message are empty if the group has none or no longer exists.
	DisplayName string `json:"-"`
	Message     string `json:"message,omitempty"`
}

// ChangeKind says how a role changed.
type ChangeKind string

// The kinds of changes.
const (
	Granted  ChangeKind = "Granted"
	Changed  ChangeKind = "Changed"
	Revoked  ChangeKind = "Revoked"
	Expiring ChangeKind = "Expiring"
	// Unchanged is the kind of a role in a notice that somebody asked for.
	Unchanged ChangeKind = "Unchanged"
)

// Scope says where a role holds.
type Scope string

// The scopes of roles.
const (
	ScopeOrganization Scope = "Organization"
	ScopeApplication  Scope = "Application"
	ScopeDefault      Scope = "OtherApplications"
)

// Change is a change of one role of a user.
type Change struct {
	Kind  ChangeKind `json:"kind"`
	Scope Scope      `json:"scope"`
	// Application is set in the scope of an application.
	Application string `json:"application,omitempty"`
	// Title is the display name of the application, which may be empty.
	Title string `json:"-"`
	// Before and After are names of roles, NoAccess where there was or is none. After is empty for an expiring role: what
	// follows is not known yet.
	Before string `json:"before"`
	After  string `json:"after,omitempty"`
	// Until is the end of the present role, UntilBefore the end of the former one; zero: it has none.
	Until       time.Time `json:"until,omitzero"`
	UntilBefore time.Time `json:"untilBefore,omitzero"`
	// Source is the object that grants the present role, or granted the revoked one: Kind/namespace/name.
	Source string `json:"source,omitempty"`
}

// NoAccess is the name of the role of a user without access.
const NoAccess = "NoAccess"

package roster

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// These aliases let packages that only read decisions use the types without importing package index.
type (
	// Object identifies an object of one of the four kinds.
	Object = index.Object
	// Kind is the kind of a declared object.
	Kind = index.Kind
	// Namespace holds the objects of one namespace.
	Namespace = index.Namespace
	// Account identifies a user in a namespace.
	Account = index.Account
	// Version identifies one state of an object.
	Version = index.Version
	// Entrance is the way in which a user becomes a member of a group.
	Entrance = index.Entrance
	// Unlisted is a member of a group who is not in the group's list of members.
	Unlisted = index.Unlisted
)

// The declared kinds.
const (
	KindAccessGroup       = index.KindAccessGroup
	KindUserAccess        = index.KindUserAccess
	KindApplicationAccess = index.KindApplicationAccess
	KindAccessPolicy      = index.KindAccessPolicy
)

// The entrances.
const (
	ByMembers  = index.ByMembers
	ByAccount  = index.ByAccount
	BySelector = index.BySelector
	ByGroup    = index.ByGroup
)

// ReasonNotFound is the reason for ignoring a reference to an object that does not exist.
const ReasonNotFound = index.ReasonNotFound

// ObjectOf returns the identity of the object, which must be of one of the four kinds.
func ObjectOf(o client.Object) Object { return index.ObjectOf(o) }

// ParseObject parses the format that [Object.String] returns, and reports whether the source has it.
func ParseObject(source string) (Object, bool) { return index.ParseObject(source) }

// SameObject returns an error unless before and after are the same object of the four kinds. See
// [index.SameObject].
func SameObject(before, after client.Object) error { return index.SameObject(before, after) }

// SameSpec reports whether two objects of one of the four kinds have the same spec.
func SameSpec(a, b client.Object) bool { return index.SameSpec(a, b) }

// IsMaterialized reports whether Usher wrote the UserAccess. It checks the name, the label, and that the spec
// sets only the user.
func IsMaterialized(ua *accessv1alpha1.UserAccess) bool { return index.IsMaterialized(ua) }

// ReviewDue returns the instant at which the review of the group is due, as of now. It also reports whether the
// group requires reviews at all.
func ReviewDue(g *accessv1alpha1.AccessGroup, now time.Time) (due time.Time, reviewed bool) {
	return index.ReviewDue(g, now)
}

// ReviewNotice is how long before its due instant a review is announced and counted as coming.
const ReviewNotice = 14 * 24 * time.Hour

// Selector converts the selector to one that matches labels. A selector that has no terms or does not parse
// selects nothing.
func Selector(s *accessv1alpha1.LabelSelector) labels.Selector { return index.Selector(s) }

// StandardSelector converts the selector to the standard Kubernetes type.
func StandardSelector(s *accessv1alpha1.LabelSelector) *metav1.LabelSelector {
	return index.StandardSelector(s)
}

// AttributesOf returns the user attributes in the UserAccess, or nil if it has none.
func AttributesOf(ua *accessv1alpha1.UserAccess) resolve.Attributes { return index.AttributesOf(ua) }

// ReviewTolerance is how far in the future a reviewedAt may be. A reviewedAt further in the future is ignored.
const ReviewTolerance = index.ReviewTolerance

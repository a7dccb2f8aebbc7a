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

// What the index calls its objects, for those who read decisions only.
type (
	// Object names an object of one of the four kinds.
	Object = index.Object
	// Kind is the kind of a declared object.
	Kind = index.Kind
	// Account is a user as a namespace knows one.
	Account = index.Account
	// Version is what tells one state of an object from all others.
	Version = index.Version
	// Entrance is how a user comes to be in a group.
	Entrance = index.Entrance
	// Unlisted is a member of a group who is not in its list of members.
	Unlisted = index.Unlisted
)

// The kinds.
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

// ReasonNotFound is why a name counts for nothing that no object has.
const ReasonNotFound = index.ReasonNotFound

// ObjectOf names the object, which is of one of the four kinds.
func ObjectOf(o client.Object) Object { return index.ObjectOf(o) }

// ParseObject is the reverse of [Object.String].
func ParseObject(source string) (Object, bool) { return index.ParseObject(source) }

// SameObject returns an error unless before and after are one object of the four kinds; see [index.SameObject].
func SameObject(before, after client.Object) error { return index.SameObject(before, after) }

// SameSpec reports whether two objects of one of the four kinds have the same spec.
func SameSpec(a, b client.Object) bool { return index.SameSpec(a, b) }

// IsMaterialized reports whether Usher wrote the UserAccess: by name, label, and a spec that says nothing but the user.
func IsMaterialized(ua *accessv1alpha1.UserAccess) bool { return index.IsMaterialized(ua) }

// ReviewDue returns the instant at which the review of the group is due, as it stands at the instant now, and whether the
// group is to be reviewed at all.
func ReviewDue(g *accessv1alpha1.AccessGroup, now time.Time) (due time.Time, reviewed bool) {
	return index.ReviewDue(g, now)
}

// Selector returns the selector as one that matches labels. A selector without terms, and one that does not parse, selects
// nothing.
func Selector(s *accessv1alpha1.LabelSelector) labels.Selector { return index.Selector(s) }

// StandardSelector returns the selector as the standard type has it.
func StandardSelector(s *accessv1alpha1.LabelSelector) *metav1.LabelSelector {
	return index.StandardSelector(s)
}

// AttributesOf returns the attributes of the user that the UserAccess has; nil without any.
func AttributesOf(ua *accessv1alpha1.UserAccess) resolve.Attributes { return index.AttributesOf(ua) }

// ReviewTolerance is how far ahead a reviewedAt may be. One further ahead counts as absent.
const ReviewTolerance = index.ReviewTolerance

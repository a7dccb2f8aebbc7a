package index

import (
	"cmp"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
)

// Kind is the kind of a declared object.
type Kind string

// The declared kinds.
const (
	KindAccessGroup       Kind = "AccessGroup"
	KindUserAccess        Kind = "UserAccess"
	KindApplicationAccess Kind = "ApplicationAccess"
	KindAccessPolicy      Kind = "AccessPolicy"
)

// Object identifies an object of one of the four kinds.
type Object struct {
	Kind      Kind
	Namespace string
	Name      string
}

// String returns Kind/namespace/name, the format in which decisions name their sources.
func (o Object) String() string { return string(o.Kind) + "/" + o.Namespace + "/" + o.Name }

// Compare orders objects by namespace, kind and name.
func (o Object) Compare(p Object) int {
	return cmp.Or(strings.Compare(o.Namespace, p.Namespace), strings.Compare(string(o.Kind), string(p.Kind)),
		strings.Compare(o.Name, p.Name))
}

// ObjectOf returns the identity of the object, which must be of one of the four kinds.
func ObjectOf(o client.Object) Object {
	kind := KindAccessPolicy
	switch o.(type) {
	case *accessv1alpha1.AccessGroup:
		kind = KindAccessGroup
	case *accessv1alpha1.UserAccess:
		kind = KindUserAccess
	case *accessv1alpha1.ApplicationAccess:
		kind = KindApplicationAccess
	}
	return Object{kind, o.GetNamespace(), o.GetName()}
}

// ParseObject parses the format that [Object.String] returns, and reports whether the source has it.
func ParseObject(source string) (Object, bool) {
	parts := strings.SplitN(source, "/", 3)
	if len(parts) != 3 {
		return Object{}, false
	}
	return Object{Kind: Kind(parts[0]), Namespace: parts[1], Name: parts[2]}, true
}

// IsMaterialized reports whether Usher wrote the UserAccess. It checks the name, the label, and that the spec
// sets only the user.
func IsMaterialized(ua *accessv1alpha1.UserAccess) bool {
	s := &ua.Spec
	return ua.Labels[accessv1alpha1.LabelMaterialized] == accessv1alpha1.ValueTrue &&
		s.DisplayName == "" && s.Email == "" &&
		(s.State == "" || s.State == accessv1alpha1.UserStateActive) &&
		s.NotBefore == nil && s.NotAfter == nil && len(s.Groups) == 0 && s.OrganizationRole == "" &&
		len(s.ApplicationAccess)+len(s.ApplicationSelectors)+len(s.SystemAccess)+len(s.SystemAccessSelectors) == 0 &&
		len(s.Attributes) == 0 &&
		ua.Name == identity.Name(string(s.User))
}

package cli

import (
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/validation"
)

// attributes are the attributes of a right, as in RBAC. An empty namespace means all namespaces, an empty name
// means any name.
type attributes struct {
	Verb        string `json:"verb"`
	Group       string `json:"group"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
}

func (a *attributes) text() string {
	text := a.Verb + " " + a.Resource + "." + a.Group
	if a.Subresource != "" {
		text = a.Verb + " " + a.Resource + "/" + a.Subresource + "." + a.Group
	}
	if a.Name != "" {
		text += " " + a.Name
	}
	if a.Namespace == "" {
		return text + " in all namespaces"
	}
	return text + " in namespace " + a.Namespace
}

// newRight returns a finding with the right that an apply of the object needs, and the reason.
func newRight(o *objects.Object, right *validation.Right) finding {
	f := newFinding(o, severityRight, right.Field.String(), right.Reason)
	for _, each := range right.AnyOf {
		f.AnyOf = append(f.AnyOf, attributes(each))
	}
	if len(f.AnyOf) > 0 {
		f.Message += ": this takes the right to " + f.AnyOf[0].text()
	}
	return f
}

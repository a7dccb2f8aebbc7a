package report

import (
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/validation"
)

func rightText(a *validation.Attributes) string {
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
func newRight(o *objects.Object, right *validation.Right) Finding {
	f := newFinding(o, SeverityRight, right.Field.String(), right.Reason)
	f.AnyOf = right.AnyOf
	if len(f.AnyOf) > 0 {
		f.Message += ": this requires the right to " + rightText(&f.AnyOf[0])
	}
	return f
}

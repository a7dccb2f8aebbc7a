package source

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// Target selects the groups that a command changes.
type Target struct {
	// Groups are the groups as NAME or NAMESPACE/NAME.
	Groups []string
	// Selector is a label selector instead of Groups.
	Selector string
	// Argument is the name by which errors refer to the argument with the groups. Empty means the flag --group.
	Argument string
}

// IsEmpty reports whether the target neither names nor selects groups.
func (t *Target) IsEmpty() bool { return len(t.Groups) == 0 && t.Selector == "" }

// Find returns the groups in the namespace of the world without duplicates, in the order in which they were named or read.
func (t *Target) Find(w *World) ([]*objects.Object, error) {
	all := w.GroupObjects(w.Namespace)
	if t.Selector != "" {
		selector, err := labels.Parse(t.Selector)
		if err != nil {
			return nil, fmt.Errorf("--selector %q: %w", t.Selector, err)
		}
		found := slices.DeleteFunc(slices.Clone(all), func(o *objects.Object) bool {
			return !selector.Matches(labels.Set(o.GetLabels()))
		})
		if len(found) == 0 {
			return nil, fmt.Errorf("--selector %q: none of %s has such labels", t.Selector, words.Counted(len(all), "group", "groups"))
		}
		return found, nil
	}
	var found []*objects.Object
	var failures []error
	for _, name := range t.Groups {
		one, err := w.group(all, cmp.Or(t.Argument, "--group"), name)
		if err != nil {
			failures = append(failures, err)
		} else if !slices.Contains(found, one) {
			found = append(found, one)
		}
	}
	return found, errors.Join(failures...)
}

// group returns the one group with the name. Errors refer to the source of the name by argument.
func (w *World) group(all []*objects.Object, argument, name string) (*objects.Object, error) {
	namespace, own, qualified := strings.Cut(name, "/")
	if !qualified {
		own = name
	}
	var found []*objects.Object
	var places, names []string
	for _, o := range all {
		called := o.GetName()
		if qualified {
			called = o.GetNamespace() + "/" + o.GetName()
		}
		names = append(names, called)
		if o.GetName() == own && (!qualified || o.GetNamespace() == namespace) {
			found, places = append(found, o), append(places, o.GetNamespace())
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("%s %s: there is one in each of %s; say which with -n, or as NAMESPACE/%s", argument,
			name, words.Some(places), name)
	}
	where := ""
	if w.Namespace != "" {
		where = " in namespace " + w.Namespace
	}
	if meant := words.Meant(validation.Nearest(name, names)); meant != "" {
		return nil, fmt.Errorf("%s %s: there is no such AccessGroup%s; %s", argument, name, where, meant)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s %s: there is no AccessGroup%s", argument, name, where)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("%s %s: there is no such AccessGroup%s; there is %s", argument, name, where, words.Some(slices.Compact(names)))
}

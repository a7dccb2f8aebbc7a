package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// target selects the groups that a command changes.
type target struct {
	groups   []string
	selector string
	// argument is the name by which errors refer to the argument with the groups. Empty means the flag --group.
	argument string
}

func (t *target) addFlags(o *options, command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVarP(&t.groups, "group", "g", nil, "The groups to change, as NAME or NAMESPACE/NAME")
	flags.StringVarP(&t.selector, "selector", "l", "", "Label selector over the groups to change, in place of --group")
	command.MarkFlagsMutuallyExclusive("group", "selector")
	command.MarkFlagsOneRequired("group", "selector")
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("group", o.completeEach(completeGroup))
}

func completeGroup(w *world) []string {
	var names []string
	for _, each := range groupsIn(w.set, w.scope) {
		names = append(names, each.GetName())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// groupsIn returns the groups in the namespace, or in all namespaces if it is empty.
func groupsIn(set *objects.Set, namespace string) []*objects.Object {
	var found []*objects.Object
	for i := range set.Objects {
		o := &set.Objects[i]
		if _, is := o.Object.(*accessv1alpha1.AccessGroup); is && (namespace == "" || o.GetNamespace() == namespace) {
			found = append(found, o)
		}
	}
	return found
}

// find returns the groups without duplicates, in the order in which they were named or read.
func (t *target) find(b *basis) ([]*objects.Object, error) {
	all := groupsIn(b.set, b.target)
	if t.selector != "" {
		selector, err := labels.Parse(t.selector)
		if err != nil {
			return nil, fmt.Errorf("--selector %q: %w", t.selector, err)
		}
		found := slices.DeleteFunc(slices.Clone(all), func(o *objects.Object) bool {
			return !selector.Matches(labels.Set(o.GetLabels()))
		})
		if len(found) == 0 {
			return nil, fmt.Errorf("--selector %q: none of %s has such labels", t.selector, counted(len(all), "group", "groups"))
		}
		return found, nil
	}
	var found []*objects.Object
	var failures []error
	for _, name := range t.groups {
		one, err := b.group(all, cmp.Or(t.argument, "--group"), name)
		if err != nil {
			failures = append(failures, err)
		} else if !slices.Contains(found, one) {
			found = append(found, one)
		}
	}
	return found, errors.Join(failures...)
}

// group returns the one group with the name. Errors refer to the source of the name by argument.
func (b *basis) group(all []*objects.Object, argument, name string) (*objects.Object, error) {
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
			name, some(places), name)
	}
	where := ""
	if b.target != "" {
		where = " in namespace " + b.target
	}
	if near := nearest(name, names); len(near) > 0 {
		return nil, fmt.Errorf("%s %s: there is no such AccessGroup%s; did you mean %s?", argument, name, where,
			strings.Join(near, ", or "))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s %s: there is no AccessGroup%s", argument, name, where)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("%s %s: there is no such AccessGroup%s; there is %s", argument, name, where, some(slices.Compact(names)))
}

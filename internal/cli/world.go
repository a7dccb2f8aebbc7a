package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/clientcmd"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/roster"
)

// world is the basis of all answers of a command: the objects, and the roster with their decisions.
type world struct {
	*roster.View
	roster  *roster.Roster
	options *options
	now     time.Time
	set     *objects.Set
	// selectors caches the parsed selectors of the objects.
	selectors map[*accessv1alpha1.LabelSelector]labels.Selector
	// scope is the one organization that the command asks about; empty means all.
	scope string
}

// load reads the objects and computes the decisions. It reports missing objects at once; see [world.finish].
func (o *options) load(ctx context.Context) (*world, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	scope, err := o.scope()
	if err != nil {
		return nil, err
	}
	set, err := o.read(ctx, scope, progress.Say)
	if err != nil {
		return nil, err
	}
	progress.Say("deciding for the users of %d objects", len(set.Objects))
	w, err := o.settle(set, scope)
	progress.Done()
	return w, err
}

// scope returns the namespace that the command asks about; empty means all.
func (o *options) scope() (string, error) {
	switch {
	case o.namespace() != "":
		return o.namespace(), nil
	case o.allNamespaces || o.offline():
		return "", nil
	}
	namespace, _, err := o.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", noCluster(err)
	}
	return namespace, nil
}

func (o *options) read(ctx context.Context, scope string, say func(string, ...any)) (*objects.Set, error) {
	if o.offline() {
		return o.readFiles(ctx, o.filenames, o.recursive, o.kustomize, say)
	}
	return o.readCluster(ctx, scope, say)
}

func (o *options) readFiles(
	ctx context.Context, names []string, recursive bool, kustomize string, say func(string, ...any),
) (*objects.Set, error) {
	files := &objects.Files{
		Names: names, Recursive: recursive, Kustomize: kustomize, Namespace: o.namespace(), Input: o.reader(), Say: say,
	}
	return files.Read(ctx)
}

func (o *options) readCluster(ctx context.Context, scope string, say func(string, ...any)) (*objects.Set, error) {
	if scope == "" {
		return o.readClusterIn(ctx, nil, false, say)
	}
	return o.readClusterIn(ctx, []string{scope}, false, say)
}

// readClusterIn reads the namespaces and the system namespace. An empty list means all namespaces. With withLabels,
// it reads the labels of the namespaces even if no object on the cluster selects by them.
func (o *options) readClusterIn(
	ctx context.Context, namespaces []string, withLabels bool, say func(string, ...any),
) (*objects.Set, error) {
	config, err := o.config.ToRESTConfig()
	if err != nil {
		return nil, noCluster(err)
	}
	if raw, err := o.config.ToRawKubeConfigLoader().RawConfig(); err == nil && len(raw.Clusters) == 0 &&
		strings.HasSuffix(config.Host, "localhost:8080") && *o.config.APIServer == "" {
		return nil, errNoCluster // the default address without any configuration
	}
	c := &objects.Cluster{
		Config: config, Namespaces: namespaces, WithNamespaces: withLabels || o.organizationSelector != "", Say: say,
	}
	if len(namespaces) > 0 && !slices.Contains(namespaces, o.systemNamespace) {
		c.Optional = o.systemNamespace
	}
	set, err := c.Read(ctx)
	if err != nil {
		return nil, err
	}
	if o.organizationSelector == "" {
		dropUnselected(set)
	}
	return set, nil
}

func noCluster(err error) error {
	if clientcmd.IsEmptyConfig(err) {
		return errNoCluster
	}
	return err
}

var errNoCluster = errors.New(
	"no cluster is configured; choose one with --kubeconfig or --context, or give files with -f or -k")

// dropUnselected drops namespaces that the manager does not select as organizations. Only the manager knows which ones
// it selects. It reports a namespace that it does not select on every object there.
func dropUnselected(set *objects.Set) {
	selected, unselected := map[string]bool{}, map[string]bool{}
	for _, o := range set.Objects {
		ready := apimeta.FindStatusCondition(conditions(o), accessv1alpha1.ConditionReady)
		switch {
		case ready == nil:
		case ready.Reason == accessv1alpha1.ReasonNotAnOrganization:
			unselected[o.GetNamespace()] = true
		default:
			selected[o.GetNamespace()] = true
		}
	}
	maps.DeleteFunc(unselected, func(namespace string, _ bool) bool { return selected[namespace] })
	set.Objects = slices.DeleteFunc(set.Objects, func(o objects.Object) bool { return unselected[o.GetNamespace()] })
	for namespace := range unselected {
		set.Notes = append(set.Notes, fmt.Sprintf("namespace %s is left out: the manager does not take it for an organization "+
			"(its label selector does not select it)", namespace))
	}
	slices.Sort(set.Notes)
}

func conditions(o objects.Object) []metav1.Condition {
	switch each := o.Object.(type) {
	case *accessv1alpha1.AccessGroup:
		return each.Status.Conditions
	case *accessv1alpha1.UserAccess:
		return each.Status.Conditions
	case *accessv1alpha1.ApplicationAccess:
		return each.Status.Conditions
	case *accessv1alpha1.AccessPolicy:
		return each.Status.Conditions
	default:
		return nil
	}
}

// settle builds the roster of the set.
func (o *options) settle(set *objects.Set, scope string) (*world, error) {
	now, err := o.instant()
	if err != nil {
		return nil, err
	}
	selector, err := labels.Parse(o.organizationSelector)
	if err != nil {
		return nil, err
	}
	w := &world{
		roster:  roster.New(roster.Options{SystemNamespace: o.systemNamespace, Organizations: selector}),
		options: o, now: now, set: set, scope: scope,
	}
	for _, each := range set.Objects {
		if err := w.roster.Set(each.Object); err != nil {
			return nil, err
		}
	}
	w.View = w.roster.Settle(now).View
	for _, p := range set.Problems {
		o.say("error: %s", p)
	}
	for _, note := range set.Notes {
		o.say("note: %s", note)
	}
	return w, nil
}

// say writes a message for people to stderr.
func (o *options) say(format string, args ...any) {
	// A failure to write the message is harmless.
	_, _ = fmt.Fprintln(o.streams.ErrOut, terminal.Escape(fmt.Sprintf(format, args...)))
}

// finish ends a command that has answered. It returns an error if the answer is based on incomplete data.
func (w *world) finish() error {
	if len(w.set.Problems) == 0 {
		return nil
	}
	return fmt.Errorf("the answer is incomplete: %s could not be read", counted(len(w.set.Problems), "object or file", "objects or files"))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// organizations returns the organizations that the command asks about. It prints a message if there are none.
func (w *world) organizations() []string {
	all := w.Organizations()
	switch {
	case w.scope == "":
		if len(all) == 0 {
			w.options.say("No organizations found: no namespace but the system namespace %s has objects of %s",
				w.options.systemNamespace, accessv1alpha1.GroupVersion.Group)
		}
		return all
	case slices.Contains(all, w.scope):
		return []string{w.scope}
	case w.scope == w.options.systemNamespace:
		w.options.say("%s is the system namespace, above all organizations and none itself; -A asks in all of them", w.scope)
	default:
		w.options.say("No access objects found in namespace %s: it is no organization.%s", w.scope, w.others(all))
	}
	return nil
}

func (w *world) others(all []string) string {
	switch {
	case len(all) > 0:
		return " Organizations: " + some(all)
	case !w.options.offline() && w.options.namespace() == "":
		return " -A asks in all namespaces, -n in another one"
	default:
		return ""
	}
}

// some joins the first few of many names.
func some(names []string) string {
	const few = 10
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
}

// organization returns the one organization that the command asks about.
func (w *world) organization() (string, error) {
	all := w.Organizations()
	switch {
	case w.scope != "" && slices.Contains(all, w.scope):
		return w.scope, nil
	case w.scope == w.options.systemNamespace && w.scope != "":
		return "", fmt.Errorf("-n %s: that is the system namespace, and no organization", w.scope)
	case w.scope != "":
		return "", fmt.Errorf("namespace %s is no organization: it has no access objects.%s", w.scope, w.others(all))
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return "", fmt.Errorf("there is no organization: no namespace but %s has access objects", w.options.systemNamespace)
	default:
		return "", fmt.Errorf("which organization? Say it with -n: %s", some(all))
	}
}

// users returns all known users of the organizations, sorted.
func (w *world) users(organizations []string) []string {
	var all []string
	for _, organization := range organizations {
		all = append(all, w.Users(organization)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unknownUser returns the error for a user who is unknown in the organizations.
func (w *world) unknownUser(user string, organizations []string) error {
	known := w.users(organizations)
	if near := nearest(user, known); len(near) > 0 {
		return fmt.Errorf("no user %s; did you mean %s?", user, strings.Join(near, ", or "))
	}
	return fmt.Errorf("no user %s among the %s of %s", user, counted(len(known), "user", "users"),
		cmp.Or(w.scope, counted(len(organizations), "organization", "organizations")))
}

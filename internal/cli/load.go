package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/words"
)

// cluster is the cluster that the flags of kubectl configure.
type cluster struct {
	config *genericclioptions.ConfigFlags
}

// RESTConfig returns the configuration of the cluster, or an error that says how to choose one.
func (c cluster) RESTConfig() (*rest.Config, error) {
	config, err := c.config.ToRESTConfig()
	if err != nil {
		return nil, noCluster(err)
	}
	if raw, err := c.config.ToRawKubeConfigLoader().RawConfig(); err == nil && len(raw.Clusters) == 0 &&
		strings.HasSuffix(config.Host, "localhost:8080") && *c.config.APIServer == "" {
		return nil, errNoCluster // the default address without any configuration
	}
	return config, nil
}

// Namespace returns the namespace of the context.
func (c cluster) Namespace() (string, error) {
	namespace, _, err := c.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", noCluster(err)
	}
	return namespace, nil
}

func noCluster(err error) error {
	if clientcmd.IsEmptyConfig(err) {
		return errNoCluster
	}
	return err
}

var errNoCluster = errors.New(
	"no cluster is configured; choose one with --kubeconfig or --context, or give files with -f or -k")

func (o *options) cluster() cluster { return cluster{o.config} }

// source returns the source of the objects. It reports progress by say, which may be nil.
func (o *options) source(say func(string, ...any)) *source.Source {
	return &source.Source{
		Cluster: o.cluster(), Filenames: o.filenames, Recursive: o.recursive, Kustomize: o.kustomize,
		Namespace: o.namespace(), AllNamespaces: o.allNamespaces, SystemNamespace: o.systemNamespace,
		OrganizationSelector: o.organizationSelector, Input: o.reader(), Say: say,
	}
}

// load reads the objects for a question, and reports at once what could not be read; see [finish].
func (o *options) load(ctx context.Context) (*source.World, error) {
	return o.loadBy(ctx, (*source.Source).Load)
}

// loadToChange is like load, for a change of the objects.
func (o *options) loadToChange(ctx context.Context) (*source.World, error) {
	return o.loadBy(ctx, (*source.Source).LoadToChange)
}

func (o *options) loadBy(
	ctx context.Context, load func(*source.Source, context.Context, time.Time) (*source.World, error),
) (*source.World, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	now, err := o.instant()
	if err != nil {
		return nil, err
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	w, err := load(o.source(progress.Say), ctx, now)
	if err != nil {
		return nil, err
	}
	progress.Done()
	o.sayProblems(w.Set)
	return w, nil
}

// settle decides about objects that were read.
func (o *options) settle(set *objects.Set, scope string) (*source.World, error) {
	now, err := o.instant()
	if err != nil {
		return nil, err
	}
	w, err := o.source(nil).Settle(set, scope, now)
	if err != nil {
		return nil, err
	}
	o.sayProblems(set)
	return w, nil
}

func (o *options) sayProblems(set *objects.Set) {
	for _, p := range set.Problems {
		o.say("error: %s", p)
	}
	o.note(set.Notes...)
}

// say writes a message for people to stderr.
func (o *options) say(format string, args ...any) {
	// A failure to write the message is harmless.
	_, _ = fmt.Fprintln(o.streams.ErrOut, terminal.Escape(fmt.Sprintf(format, args...)))
}

// note writes the notes that are not empty to stderr.
func (o *options) note(notes ...string) {
	for _, text := range notes {
		if text != "" {
			o.say("note: %s", text)
		}
	}
}

// finish ends a command that has answered. It returns an error if the answer is based on incomplete data.
func finish(w *source.World) error {
	if len(w.Set.Problems) == 0 {
		return nil
	}
	return fmt.Errorf("the answer is incomplete: %s could not be read",
		words.Counted(len(w.Set.Problems), "object or file", "objects or files"))
}

// answer loads the objects and answers from them. It returns an error if the answer is based on incomplete data.
func (o *options) answer(ctx context.Context, write func(*source.World) error) error {
	w, err := o.load(ctx)
	if err != nil {
		return err
	}
	if err := write(w); err != nil {
		return err
	}
	return finish(w)
}

// asked returns the organizations that the command asks about. It prints a message if there are none.
func (o *options) asked(w *source.World) []string {
	asked := w.Asked()
	switch {
	case len(asked) > 0:
	case w.Scope == "":
		o.say("No organizations found: no namespace except the system namespace %s has objects of %s", w.SystemNamespace(),
			accessv1alpha1.GroupVersion.Group)
	case w.Scope == w.SystemNamespace():
		o.say("%s is the system namespace, above all organizations and none itself; -A asks in all of them", w.Scope)
	default:
		o.say("No access objects found in namespace %s: it is not an organization.%s", w.Scope, o.others(w))
	}
	return asked
}

// others returns a sentence about the organizations other than the one that is asked about.
func (o *options) others(w *source.World) string {
	all := w.Organizations()
	switch {
	case len(all) > 0:
		return " Organizations: " + words.Some(all)
	case !o.offline() && o.namespace() == "":
		return " -A asks in all namespaces, -n in another one"
	default:
		return ""
	}
}

// organization returns the one organization that the command asks about.
func (o *options) organization(w *source.World) (string, error) {
	all := w.Organizations()
	switch {
	case w.Scope != "" && slices.Contains(all, w.Scope):
		return w.Scope, nil
	case w.Scope == w.SystemNamespace():
		return "", fmt.Errorf("-n %s: the system namespace is not an organization", w.Scope)
	case w.Scope != "":
		return "", fmt.Errorf("namespace %s is not an organization: it has no access objects.%s", w.Scope, o.others(w))
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return "", fmt.Errorf("there is no organization: no namespace except %s has access objects", w.SystemNamespace())
	default:
		return "", fmt.Errorf("there are several organizations; choose one with -n: %s", words.Some(all))
	}
}

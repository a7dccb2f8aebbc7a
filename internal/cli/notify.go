package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/roster"
)

// notify requests that Usher notifies users of their access.
type notify struct {
	*writing
	target target
	users  []string
}

// reached is an object that requests notices, with the users that it reaches.
type reached struct {
	object   client.Object
	name     string
	users    []string
	channels []string
}

func newNotify(o *options) *cobra.Command {
	n := &notify{writing: &writing{options: o}}
	command := &cobra.Command{
		Use:   "notify (--group GROUP... | --selector SELECTOR | --user USER...)",
		Short: "Have people told of their access as it is",
		Long: `Has Usher tell all members of groups, or users, of their access as it is: through the notification channels of the
groups, whether or not these tell of changes. It shows how many people that reaches, and asks.

It sets the annotation access.usher.dev/notify to the present instant. That takes the right to patch the objects.

Exit code: 0 done, 1 not done, or not for all: refused or declined; 2 error, and nothing was written.`,
		Example: `  # The members of two groups
  kubectl access notify -g france,germany -n analytics

  # Those of a selection of groups, without being asked
  kubectl access notify -l team=finance -n analytics --yes

  # One user
  kubectl access notify --user ana@acme.example -n analytics`,
		Annotations: map[string]string{errorCode: "true"},
		Args:        cobra.NoArgs,
		RunE:        func(command *cobra.Command, _ []string) error { return n.run(command.Context()) },
	}
	flags := command.Flags()
	flags.StringSliceVarP(&n.target.groups, "group", "g", nil, "The groups whose members are told, as NAME or NAMESPACE/NAME")
	flags.StringVarP(&n.target.selector, "selector", "l", "", "Label selector over the groups whose members are told")
	flags.StringSliceVar(&n.users, "user", nil, "The users who are told")
	flags.BoolVarP(&n.yes, "yes", "y", false, "Do it without asking")
	flags.StringVar(&n.dryRun, "dry-run", dryRunNone, "none, or client: show whom it would reach, and no more")
	command.MarkFlagsMutuallyExclusive("group", "selector", "user")
	command.MarkFlagsOneRequired("group", "selector", "user")
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("group", o.completeEach(completeGroup))
	_ = command.RegisterFlagCompletionFunc("user", o.completeEach(completeUser))
	_ = command.RegisterFlagCompletionFunc("dry-run",
		cobra.FixedCompletions([]string{dryRunNone, dryRunClient}, cobra.ShellCompDirectiveNoFileComp))
	return command
}

func (n *notify) validate() error {
	failures := []error{checkFlag("--dry-run", n.dryRun, dryRunNone, dryRunClient)}
	if n.options.offline() && n.dryRun != dryRunClient {
		failures = append(failures, errors.New("-f and -k: from files nobody is told; --dry-run=client shows whom it would reach"))
	}
	if n.options.at != "" {
		failures = append(failures, errors.New("--at: people are told of what they have now"))
	}
	for _, user := range n.users {
		failures = append(failures, checkUser(user))
	}
	return errors.Join(append(failures, n.options.validate())...)
}

func (n *notify) run(ctx context.Context) error {
	if err := n.validate(); err != nil {
		return err
	}
	b, err := n.basis(ctx)
	if err != nil {
		return err
	}
	all, err := n.reach(b)
	if err != nil {
		return err
	}
	people, err := n.showReach(all)
	if err != nil {
		return err
	}
	if people == 0 {
		return &exit{1, errors.New("nobody would be told, and nothing was written")}
	}
	if n.dryRun == dryRunClient {
		return nil
	}
	if err := n.confirm(ctx, fmt.Sprintf("Tell %s of their access?", counted(people, "person", "people"))); err != nil {
		return err
	}
	return n.ask(ctx, all)
}

// basis reads the objects. Members of a group in the system namespace may be in every organization.
func (n *notify) basis(ctx context.Context) (*basis, error) {
	o := n.options
	target, err := o.scope()
	if err != nil {
		return nil, err
	}
	scope := target
	if scope == o.systemNamespace {
		scope = ""
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	set, err := o.read(ctx, scope, progress.Say)
	if err != nil {
		return nil, err
	}
	made, err := o.settle(set, scope)
	if err != nil {
		return nil, err
	}
	return &basis{made, target}, nil
}

// reach returns the objects that the command annotates.
func (n *notify) reach(b *basis) ([]reached, error) {
	if len(n.users) > 0 {
		return n.reachUsers(b)
	}
	if n.target.selector != "" {
		if _, err := labels.Parse(n.target.selector); err != nil {
			return nil, fmt.Errorf("--selector %q: %w", n.target.selector, err)
		}
	}
	groups, err := n.target.find(b)
	if err != nil {
		return nil, err
	}
	var all []reached
	for _, o := range groups {
		g := o.Object.(*accessv1alpha1.AccessGroup)
		made := reached{object: g, name: objects.Name(g), channels: channelNames(g)}
		if len(made.channels) > 0 {
			made.users = b.ActiveMembers(roster.ObjectOf(g))
		}
		all = append(all, made)
	}
	return all, nil
}

// reachUsers returns the UserAccess objects of the users, declared or materialized.
func (n *notify) reachUsers(b *basis) ([]reached, error) {
	slices.Sort(n.users)
	var all []reached
	var failures []error
	for _, user := range slices.Compact(n.users) {
		found := false
		for i := range b.set.Objects {
			ua, is := b.set.Objects[i].Object.(*accessv1alpha1.UserAccess)
			if !is || string(ua.Spec.User) != user || (b.target != "" && ua.Namespace != b.target) {
				continue
			}
			found = true
			made := reached{object: ua, name: objects.Name(ua)}
			for _, g := range b.Member(ua.Namespace, user).Groups {
				made.channels = append(made.channels, channelNames(g)...)
			}
			slices.Sort(made.channels)
			if made.channels = slices.Compact(made.channels); len(made.channels) > 0 {
				made.users = []string{user}
			}
			all = append(all, made)
		}
		if !found {
			failures = append(failures, b.unknownUser(user, b.organizations()))
		}
	}
	return all, errors.Join(failures...)
}

func channelNames(g *accessv1alpha1.AccessGroup) []string {
	var names []string
	for _, name := range g.Spec.Notification.Channels {
		names = append(names, string(name))
	}
	return names
}

// showReach prints the users that each object reaches, and returns their number.
func (n *notify) showReach(all []reached) (int, error) {
	people := map[string]bool{}
	table := terminal.Table{Columns: []string{"OBJECT", "PEOPLE", "CHANNELS"}}
	for i := range all {
		channels := "none: nobody is told"
		if len(all[i].channels) > 0 {
			channels = strings.Join(all[i].channels, ", ")
		}
		table.Add(all[i].name, strconv.Itoa(len(all[i].users)), channels)
		for _, user := range all[i].users {
			people[user] = true
		}
	}
	if err := table.Write(&n.options.streams); err != nil {
		return 0, err
	}
	_, err := fmt.Fprintf(n.options.streams.Out, "\nTogether %s.\n", counted(len(people), "person", "people"))
	return len(people), err
}

// ask sets the annotation on each object that reaches at least one user.
func (n *notify) ask(ctx context.Context, all []reached) error {
	config, err := n.options.config.ToRESTConfig()
	if err != nil {
		return noCluster(err)
	}
	writer, err := objects.NewWriter(config)
	if err != nil {
		return err
	}
	at := n.options.clock().UTC().Format(time.RFC3339)
	var outcomes []outcome
	for i := range all {
		made := outcome{object: all[i].name, state: stateUnchanged}
		if len(all[i].users) > 0 {
			err := writer.Annotate(ctx, all[i].object, accessv1alpha1.AnnotationNotify, at)
			made = outcomeOf(&objects.Change{After: all[i].object}, err, false)
		}
		outcomes = append(outcomes, made)
	}
	return tell(&n.options.streams, outcomes)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/words"
)

// notify requests that Usher notifies users of their access.
type notify struct {
	*writing
	target source.Target
	users  []string
}

func newNotify(o *options) *cobra.Command {
	n := &notify{writing: &writing{options: o}}
	command := &cobra.Command{
		Use:   "notify (--group GROUP... | --selector SELECTOR | --user USER...)",
		Short: "Send people a notice about their current access",
		Long: `Requests a notice about their current access for all members of groups, or for users. Usher sends it through the
notification channels of the groups, even if the groups do not notify of changes. The command shows how many people it
reaches, and asks first.

It sets the annotation access.usher.dev/notify to the current time, which requires the right to patch the objects.

Exit code: 0 all notices requested, 1 not all (refused or declined), 2 error, and nothing was written.`,
		Example: `  # The members of two groups
  kubectl access notify -g france,germany -n analytics

  # The members of the selected groups, without a question
  kubectl access notify -l team=finance -n analytics --yes

  # One user
  kubectl access notify --user ana@acme.example -n analytics`,
		Annotations: map[string]string{errorCode: "true"},
		Args:        cobra.NoArgs,
		RunE:        func(command *cobra.Command, _ []string) error { return n.run(command.Context()) },
	}
	flags := command.Flags()
	flags.StringSliceVarP(&n.target.Groups, "group", "g", nil, "The groups whose members get a notice, as NAME or NAMESPACE/NAME")
	flags.StringVarP(&n.target.Selector, "selector", "l", "", "Label selector over the groups whose members get a notice")
	flags.StringSliceVar(&n.users, "user", nil, "The users who get a notice")
	flags.BoolVarP(&n.yes, "yes", "y", false, "Write without asking")
	flags.StringVar(&n.dryRun, "dry-run", dryRunNone, "none, or client (show who would get a notice, and write nothing)")
	command.MarkFlagsMutuallyExclusive("group", "selector", "user")
	command.MarkFlagsOneRequired("group", "selector", "user")
	o.completeFlag(command, "group", completeGroup)
	o.completeFlag(command, "user", completeUser)
	completeValues(command, "dry-run", dryRunNone, dryRunClient)
	return command
}

func (n *notify) validate() error {
	failures := []error{checkFlag("--dry-run", n.dryRun, dryRunNone, dryRunClient)}
	if n.options.offline() && n.dryRun != dryRunClient {
		failures = append(failures, errors.New("-f and -k: notices need a cluster; --dry-run=client shows who would get one"))
	}
	if n.options.at != "" {
		failures = append(failures, errors.New("--at: notices are about current access only"))
	}
	_, err := edit.CheckUsers(n.users)
	return errors.Join(append(failures, err, n.options.validate())...)
}

func (n *notify) run(ctx context.Context) error {
	if err := n.validate(); err != nil {
		return err
	}
	w, err := n.options.loadToChange(ctx)
	if err != nil {
		return err
	}
	notices, err := n.find(w)
	if err != nil {
		return err
	}
	people, err := n.show(notices)
	if err != nil {
		return err
	}
	if people == 0 {
		return &exit{1, errors.New("nobody would get a notice, and nothing was written")}
	}
	if n.dryRun == dryRunClient {
		return nil
	}
	if err := n.confirm(ctx, fmt.Sprintf("Tell %s of their access?", words.Counted(people, "person", "people"))); err != nil {
		return err
	}
	return n.request(ctx, notices)
}

// find returns the notices of the objects that the command annotates.
func (n *notify) find(w *source.World) ([]edit.Notice, error) {
	if len(n.users) > 0 {
		n.options.asked(w)
		return edit.NoticesOfUsers(w, n.users)
	}
	groups, err := n.target.Find(w)
	if err != nil {
		return nil, err
	}
	return edit.NoticesOfGroups(w, groups), nil
}

// show prints the users that each notice reaches, and returns their number.
func (n *notify) show(notices []edit.Notice) (int, error) {
	people := map[string]bool{}
	table := terminal.Table{Columns: []string{"OBJECT", "PEOPLE", "CHANNELS"}}
	for i := range notices {
		each := &notices[i]
		channels := "none: nobody is told"
		if len(each.Channels) > 0 {
			channels = strings.Join(each.Channels, ", ")
		}
		table.Add(objects.Name(each.Object), strconv.Itoa(len(each.Users)), channels)
		for _, user := range each.Users {
			people[user] = true
		}
	}
	if err := table.Write(&n.options.streams); err != nil {
		return 0, err
	}
	_, err := fmt.Fprintf(n.options.streams.Out, "\nTogether %s.\n", words.Counted(len(people), "person", "people"))
	return len(people), err
}

// request sets the annotation on each object that reaches at least one user.
func (n *notify) request(ctx context.Context, notices []edit.Notice) error {
	config, err := n.options.cluster().RESTConfig()
	if err != nil {
		return err
	}
	writer, err := objects.NewWriter(config, objects.FieldManager)
	if err != nil {
		return err
	}
	at := n.options.clock().UTC().Format(time.RFC3339)
	var outcomes []edit.Outcome
	for i := range notices {
		each := &notices[i]
		made := edit.Outcome{Object: objects.Name(each.Object), State: edit.StateUnchanged}
		if len(each.Users) > 0 {
			made = edit.Annotate(ctx, writer, each.Object, accessv1alpha1.AnnotationNotify, at)
		}
		outcomes = append(outcomes, made)
	}
	return tell(&n.options.streams, outcomes)
}

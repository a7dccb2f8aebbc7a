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

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/words"
)

// review lists the groups whose access requires periodic confirmation, and confirms them.
type review struct {
	*writing
	target  source.Target
	within  string
	confirm bool
}

func newReview(o *options) *cobra.Command {
	r := &review{target: source.Target{Argument: "GROUP"}}
	command := &cobra.Command{
		Use:   "review [GROUP...] [--within 30d] [--confirm]",
		Short: "List the groups whose review is due, and confirm them",
		Long: `Lists the AccessGroups whose review is due, or becomes due within the time of --within, with their members, what they
give, and who changed them last. Groups that are given by name or by --selector are always listed.

With --confirm it sets spec.reviewedAt of these groups to the current time. This confirms that somebody has reviewed the
members of the group and what it gives. The next review is due spec.review.everyDays days later.`,
		Example: `  # What is due by the end of the next quarter, for a spreadsheet
  kubectl access review -A --within 90d -o csv

  # Confirm two groups
  kubectl access review france germany -n analytics --confirm

  # Confirm a group in the files of a checkout
  kubectl access review france -f deploy/access -R --confirm --in-place`,
		ValidArgsFunction: o.completeEach(completeReviewed),
		RunE: func(command *cobra.Command, args []string) error {
			r.target.Groups = args
			if r.confirm {
				return r.runConfirm(command.Context())
			}
			return r.list(command.Context())
		},
	}
	r.writing = newWritingWithoutOutput(o, command)
	r.addOutput(command, "Of the list: table, json, csv. With --confirm: yaml prints the changed manifests instead of writing them",
		asTable, asJSON, asCSV, asYAML)
	r.addInPlace(command)
	flags := command.Flags()
	flags.StringVarP(&r.target.Selector, "selector", "l", "", "Label selector over the groups, instead of GROUP")
	flags.StringVar(&r.within, "within", "30d", "List reviews that are due within this many days; 0d lists those that are due now")
	flags.BoolVar(&r.confirm, "confirm", false, "Set spec.reviewedAt of the groups to the current time")
	return command
}

// completeReviewed lists the groups that have a review.
func completeReviewed(w *source.World) []string {
	return namesOf(slices.DeleteFunc(w.GroupObjects(w.Scope), withoutReview))
}

func withoutReview(o *objects.Object) bool {
	return o.Object.(*accessv1alpha1.AccessGroup).Spec.Review.EveryDays == 0
}

// checkTarget returns an error if the command both names and selects groups.
func (r *review) checkTarget() error {
	if len(r.target.Groups) > 0 && r.target.Selector != "" {
		return errors.New("--selector: give either names of groups or a selector")
	}
	return nil
}

// runConfirm sets reviewedAt.
func (r *review) runConfirm(ctx context.Context) error {
	if err := r.checkTarget(); err != nil {
		return err
	}
	if r.target.IsEmpty() {
		return errors.New("--confirm: name the groups whose members and roles you have looked at, or select them with --selector")
	}
	return r.run(ctx, r.planConfirmation)
}

// planConfirmation confirms the groups. A selector selects only groups that have a review.
func (r *review) planConfirmation(w *source.World) (*edit.Plan, error) {
	groups, err := r.target.Find(w)
	if err != nil {
		return nil, err
	}
	if r.target.Selector != "" {
		all := len(groups)
		if groups = slices.DeleteFunc(groups, withoutReview); len(groups) == 0 {
			return nil, fmt.Errorf("--selector %q: none of %s has a spec.review", r.target.Selector,
				words.Counted(all, "group", "groups"))
		}
	}
	return edit.ConfirmReviews(groups, w.Now())
}

// list shows the reviews.
func (r *review) list(ctx context.Context) error {
	within, err := r.validateList()
	if err != nil {
		return err
	}
	return r.options.answer(ctx, func(w *source.World) error {
		reviews, err := r.find(w, within)
		if err != nil {
			return err
		}
		if len(reviews) == 0 {
			r.options.say("No review is due within %s", words.Counted(int(within/day), "day", "days"))
		}
		return r.write(reviews)
	})
}

func (r *review) validateList() (time.Duration, error) {
	within, err := parseDays(r.within)
	failures := []error{err, r.checkTarget()}
	if r.output != "" {
		failures = append(failures, checkFlag("-o", r.output, asTable, asJSON, asCSV))
	}
	for _, each := range []struct {
		flag  string
		given bool
	}{
		{"--dry-run", r.dryRun != dryRunNone}, {"--in-place", r.inPlace}, {"--overrule-gitops", r.overrule}, {"--yes", r.yes},
	} {
		if each.given {
			failures = append(failures, fmt.Errorf("%s: without --confirm nothing is written", each.flag))
		}
	}
	return within, errors.Join(failures...)
}

const day = 24 * time.Hour

// mostDays is larger than the maximum of spec.review.everyDays.
const mostDays = 36500

// parseDays parses a number of days, such as 30d.
func parseDays(text string) (time.Duration, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "d"))
	if err != nil || n < 0 || n > mostDays {
		return 0, fmt.Errorf("--within %q: it takes a number of days from 0 to %d, such as 30d", text, mostDays)
	}
	return time.Duration(n) * day, nil
}

// find returns the reviews that the command asks about, sorted by due date.
func (r *review) find(w *source.World, within time.Duration) ([]query.Review, error) {
	if r.target.IsEmpty() {
		return query.Reviews(w, w.GroupObjects(w.Scope), w.Now().Add(within)), nil
	}
	groups, err := r.target.Find(w)
	if err != nil {
		return nil, err
	}
	if len(r.target.Groups) > 0 {
		for _, o := range groups {
			if len(query.Reviews(w, []*objects.Object{o}, time.Time{})) == 0 {
				r.options.say("note: %s has no spec.review", objects.Name(o.Object))
			}
		}
	}
	return query.Reviews(w, groups, time.Time{}), nil
}

// write prints the reviews in the requested format.
func (r *review) write(reviews []query.Review) error {
	s := &r.options.streams
	switch {
	case r.output == asJSON:
		return print.JSON(s.Out, reviews)
	case r.output == asCSV:
		return print.ReviewsCSV(s.Out, reviews)
	case len(reviews) == 0:
		return nil
	}
	return print.Reviews(s, reviews)
}

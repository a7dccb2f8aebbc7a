package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/roster"
)

// review lists the groups whose access requires periodic confirmation, and confirms them.
type review struct {
	*writing
	target  target
	within  string
	confirm bool
}

func newReview(o *options) *cobra.Command {
	r := &review{target: target{argument: "GROUP"}}
	command := &cobra.Command{
		Use:   "review [GROUP...] [--within 30d] [--confirm]",
		Short: "List the groups whose review is due, and confirm them",
		Long: `Lists the AccessGroups whose review is due, or will be within the time of --within: with their members, what they give,
and who changed them last. Groups that are named, or selected by --selector, are listed whenever their review is due.

With --confirm it sets spec.reviewedAt of these groups to the present instant: somebody has looked at the members and at
what the group gives, and both are right. The next review is due spec.review.everyDays days later.`,
		Example: `  # What is due by the end of the next quarter, for a spreadsheet
  kubectl access review -A --within 90d -o csv

  # Confirm two groups
  kubectl access review france germany -n analytics --confirm

  # Confirm a group in the files of a checkout
  kubectl access review france -f deploy/access -R --confirm --in-place`,
		ValidArgsFunction: o.completeEach(completeReviewed),
		RunE: func(command *cobra.Command, args []string) error {
			r.target.groups = args
			if r.confirm {
				return r.runConfirm(command.Context())
			}
			return r.list(command.Context())
		},
	}
	r.writing = newWritingWithoutOutput(o, command)
	r.addOutput(command, "Of the list: table, json, csv. With --confirm: yaml prints the changed manifests in place of writing them",
		asTable, asJSON, asCSV, asYAML)
	r.addInPlace(command)
	flags := command.Flags()
	flags.StringVarP(&r.target.selector, "selector", "l", "", "Label selector over the groups, in place of GROUP")
	flags.StringVar(&r.within, "within", "30d", "List what is due within so many days; 0d lists what is due now")
	flags.BoolVar(&r.confirm, "confirm", false, "Set spec.reviewedAt of the groups to the present instant")
	return command
}

// completeReviewed lists the groups that have a review.
func completeReviewed(w *world) []string {
	var names []string
	for _, o := range groupsIn(w.set, w.scope) {
		if o.Object.(*accessv1alpha1.AccessGroup).Spec.Review.EveryDays > 0 {
			names = append(names, o.GetName())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isTargeted reports whether the command names or selects groups.
func (r *review) isTargeted() bool { return len(r.target.groups) > 0 || r.target.selector != "" }

// checkTarget returns an error if the command both names and selects groups.
func (r *review) checkTarget() error {
	if len(r.target.groups) > 0 && r.target.selector != "" {
		return errors.New("--selector: with GROUP it is one of the two; give names or a selector")
	}
	return nil
}

// runConfirm sets reviewedAt.
func (r *review) runConfirm(ctx context.Context) error {
	if err := r.checkTarget(); err != nil {
		return err
	}
	if !r.isTargeted() {
		return errors.New("--confirm: name the groups whose members and roles you have looked at, or select them with --selector")
	}
	return r.run(ctx, r.planConfirmation)
}

// planConfirmation sets reviewedAt of every group that has a review. It returns an error for a named group without
// one.
func (r *review) planConfirmation(b *basis) (*plan, error) {
	groups, err := r.target.find(b)
	if err != nil {
		return nil, err
	}
	now := metav1.NewTime(b.now)
	p := &plan{}
	var failures []error
	for _, o := range groups {
		g := edited[*accessv1alpha1.AccessGroup](o)
		switch {
		case g.Spec.Review.EveryDays > 0:
			g.Spec.ReviewedAt = &now
			p.changes = append(p.changes, objects.Change{Before: o, After: g})
		case r.target.selector == "":
			failures = append(failures, fmt.Errorf("%s has no spec.review, so there is nothing to confirm; "+
				"set spec.review.everyDays first", objects.Name(g)))
		}
	}
	if len(p.changes) == 0 && len(failures) == 0 {
		failures = append(failures, fmt.Errorf("--selector %q: none of %s has a spec.review", r.target.selector,
			counted(len(groups), "group", "groups")))
	}
	return p, errors.Join(failures...)
}

// list shows the reviews.
func (r *review) list(ctx context.Context) error {
	within, err := r.validateList()
	if err != nil {
		return err
	}
	w, err := r.options.load(ctx)
	if err != nil {
		return err
	}
	reviews, err := r.find(w, within)
	if err != nil {
		return err
	}
	if err := r.write(reviews); err != nil {
		return err
	}
	if len(reviews) == 0 {
		r.options.say("No review is due within %s", counted(int(within/day), "day", "days"))
	}
	return w.finish()
}

func (r *review) validateList() (time.Duration, error) {
	within, err := parseDays(r.within)
	failures := []error{err, r.checkTarget()}
	if r.output != "" {
		failures = append(failures, checkFlag("-o", r.output, asTable, asJSON, asCSV))
	}
	for flag, given := range map[string]bool{
		"--yes": r.yes, "--in-place": r.inPlace, "--overrule-gitops": r.overrule, "--dry-run": r.dryRun != dryRunNone,
	} {
		if given {
			failures = append(failures, fmt.Errorf("%s: without --confirm nothing is written", flag))
		}
	}
	slices.SortStableFunc(failures, func(a, b error) int { return strings.Compare(errorText(a), errorText(b)) })
	return within, errors.Join(failures...)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
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
func (r *review) find(w *world, within time.Duration) ([]dueReview, error) {
	groups := groupsIn(w.set, w.scope)
	if r.isTargeted() {
		var err error
		if groups, err = r.target.find(&basis{world: w, target: w.scope}); err != nil {
			return nil, err
		}
	}
	reviews := []dueReview{}
	for _, o := range groups {
		g := o.Object.(*accessv1alpha1.AccessGroup)
		due, has := w.reviewDue(g)
		switch {
		case !has && len(r.target.groups) > 0:
			r.options.say("note: %s has no spec.review", objects.Name(g))
		case !has:
		case r.isTargeted() || due.IsZero() || !due.After(w.now.Add(within)):
			reviews = append(reviews, w.newReview(g, due))
		}
	}
	sortReviews(reviews)
	return reviews, nil
}

// firstYear is the first year that the schema accepts in an instant.
const firstYear = 1000

// reviewDue returns when a review of the group is due, and reports whether the group has one. The instant is zero
// for a group from files without a valid confirmation, because files do not contain the creation time.
func (w *world) reviewDue(g *accessv1alpha1.AccessGroup) (due time.Time, has bool) {
	if g.DeletionTimestamp != nil {
		return time.Time{}, false
	}
	if due, has = roster.ReviewDue(g, w.now); due.Year() < firstYear {
		due = time.Time{}
	}
	return due, has
}

// sortReviews sorts reviews by due date.
func sortReviews(reviews []dueReview) {
	slices.SortFunc(reviews, func(a, b dueReview) int {
		return cmp.Or(compareDue(a.Due, b.Due), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Group, b.Group))
	})
}

// compareDue compares two due dates. An absent date comes first.
func compareDue(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	default:
		return a.Compare(*b)
	}
}

// The states of reviews.
const (
	reviewComing = "Coming" // it becomes due later
	reviewDue    = "Due"    // it is due, and the group keeps its access
	reviewEnded  = "Ended"  // it is due, and the group gives only NoAccess
)

// dueReview is one review. Its JSON is a contract.
type dueReview struct {
	Namespace   string `json:"namespace"`
	Group       string `json:"group"`
	DisplayName string `json:"displayName,omitempty"`
	EveryDays   int32  `json:"everyDays"`
	IfMissed    string `json:"ifMissed"`
	// ReviewedAt is the time of the last confirmation; absent if the group was never confirmed.
	ReviewedAt *time.Time `json:"reviewedAt,omitempty"`
	// Due is absent for an unconfirmed group from files, because files do not contain the creation time.
	Due     *time.Time `json:"due,omitempty"`
	State   string     `json:"state"`
	Members []string   `json:"members"`
	Gives   []string   `json:"gives"`
	// ChangedBy is absent for a group from files.
	ChangedBy *lastChange `json:"changedBy,omitempty"`
}

// lastChange is the newest entry of managedFields for the main resource, without subresources.
type lastChange struct {
	Manager string    `json:"manager"`
	At      time.Time `json:"at"`
}

func (w *world) newReview(g *accessv1alpha1.AccessGroup, due time.Time) dueReview {
	spec := &g.Spec.Review
	made := dueReview{
		Namespace: g.Namespace, Group: g.Name, DisplayName: g.Spec.DisplayName, EveryDays: spec.EveryDays,
		IfMissed: string(cmp.Or(spec.IfMissed, accessv1alpha1.MissedReviewKeep)), State: reviewComing,
		Members: w.ActiveMembers(roster.ObjectOf(g)), Gives: givenBy(g), ChangedBy: lastChangeOf(g),
	}
	if made.Members == nil {
		made.Members = []string{}
	}
	if g.Spec.ReviewedAt != nil {
		made.ReviewedAt = newInstant(g.Spec.ReviewedAt.UTC())
	}
	made.Due = newInstant(due)
	if !due.After(w.now) {
		made.State = reviewDue
		if spec.IfMissed == accessv1alpha1.MissedReviewEnd {
			made.State = reviewEnded
		}
	}
	return made
}

// lastChangeOf returns the last write to the spec or the metadata. It returns nil if the object has no such entry.
func lastChangeOf(g *accessv1alpha1.AccessGroup) *lastChange {
	var last *lastChange
	for i := range g.ManagedFields {
		entry := &g.ManagedFields[i]
		if entry.Subresource != "" || entry.Time == nil {
			continue
		}
		if last == nil || entry.Time.After(last.At) {
			last = &lastChange{entry.Manager, entry.Time.UTC()}
		}
	}
	return last
}

// write prints the reviews in the requested format.
func (r *review) write(reviews []dueReview) error {
	s := &r.options.streams
	switch r.output {
	case asJSON:
		return writeJSON(s, reviews)
	case asCSV:
		return writeCSV(s, reviewHeader, reviewRows(reviews))
	}
	if len(reviews) == 0 {
		return nil
	}
	table := &terminal.Table{Columns: []string{"GROUP", "DUE", "IF MISSED", "MEMBERS", "CONFIRMED", "CHANGED BY", "GIVES"}}
	for i := range reviews {
		each := &reviews[i]
		style := terminal.Plain
		switch each.State {
		case reviewDue:
			style = terminal.Yellow
		case reviewEnded:
			style = terminal.Red
		}
		cells := append(plainCells(each.Namespace+"/"+each.Group), terminal.Cell{Text: each.dueText(), Style: style})
		table.Rows = append(table.Rows, append(cells, plainCells(each.IfMissed, strconv.Itoa(len(each.Members)),
			cmp.Or(until(each.ReviewedAt), "never"), each.ChangedBy.text(), each.givesText())...))
	}
	return table.Write(s)
}

func (r *dueReview) dueText() string {
	due := cmp.Or(until(r.Due), "unknown")
	if r.State != reviewComing {
		due += " (" + strings.ToLower(r.State) + ")"
	}
	return due
}

func (r *dueReview) givesText() string { return cmp.Or(strings.Join(r.Gives, "; "), "nothing") }

func (c *lastChange) text() string {
	if c == nil {
		return ""
	}
	return c.Manager + " " + instantText(c.At)
}

// reviewHeader and reviewRows are the header and the rows of the CSV of reviews.
var reviewHeader = []string{
	"namespace", "group", "displayName", "due", "state", "everyDays", "ifMissed", "reviewedAt", "memberCount", "members", "gives",
	"changedBy", "changedAt",
}

func reviewRows(reviews []dueReview) [][]string {
	rows := make([][]string, 0, len(reviews))
	for i := range reviews {
		each := &reviews[i]
		by, at := "", ""
		if each.ChangedBy != nil {
			by, at = each.ChangedBy.Manager, instantText(each.ChangedBy.At)
		}
		rows = append(rows, []string{
			each.Namespace, each.Group, each.DisplayName, until(each.Due), each.State, strconv.Itoa(int(each.EveryDays)),
			each.IfMissed, until(each.ReviewedAt), strconv.Itoa(len(each.Members)), strings.Join(each.Members, " "),
			strings.Join(each.Gives, "; "), by, at,
		})
	}
	return rows
}

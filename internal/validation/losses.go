package validation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// lossWindow is over how long losses of access are counted together.
const lossWindow = 10 * time.Minute

// Losses knows who lost access of late, by whatever cause. It is safe for concurrent use.
type Losses struct {
	mu  sync.Mutex
	all []loss // by time
}

type loss struct {
	at time.Time
	roster.Difference
}

// NewLosses returns a record of losses that has seen none.
func NewLosses() *Losses { return &Losses{} }

// Note takes in what came of a settling.
func (l *Losses) Note(changes *roster.Changes, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	for i := range changes.Users {
		if d := &changes.Users[i].Difference; d.Before != nil && losesAny(d.Before, d.After) {
			l.all = append(l.all, loss{now, *d})
		}
	}
}

func (l *Losses) forget(now time.Time) {
	old := slices.IndexFunc(l.all, func(each loss) bool { return each.at.After(now.Add(-lossWindow)) })
	if old < 0 {
		old = len(l.all)
	}
	l.all = slices.Delete(l.all, 0, old)
}

// lost returns the users who lost all access to the application of late.
func (l *Losses) lost(organization, application string, now time.Time) map[string]struct{} {
	users := map[string]struct{}{}
	if l == nil {
		return users
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	for i := range l.all {
		d := &l.all[i]
		if d.Organization == organization && loses(d.Before, d.After, application) {
			users[d.User] = struct{}{}
		}
	}
	return users
}

func losesAny(before, after *resolve.Decision) bool {
	if after == nil {
		after = resolve.Nothing()
	}
	lost := before.Default.GivesAccess() && !after.Default.GivesAccess()
	resolve.EachApplication(before, after, func(_ string, was, is *resolve.Access) {
		lost = lost || (was.GivesAccess() && !is.GivesAccess())
	})
	return lost
}

// loses says whether there was access to the application, and is none; an empty name stands for one that nothing names.
func loses(before, after *resolve.Decision, application string) bool {
	return before.Application(application).GivesAccess() &&
		(after == nil || !after.Application(application).GivesAccess())
}

// brake refuses a change by which more users would have lost all access to an application, within ten minutes, than the
// policy allows (docs/admission.md, revocation brake). What the change sets an end to counts as taken now, and so does
// the access of everybody whose application's document ends.
func (j *judge) brake(trial *roster.Trial, lost taken) {
	j.endOfDocument(trial, lost)
	carrier := j.request.New
	if carrier == nil {
		carrier = j.request.Old
	}
	allowed, _ := parseAllowance(carrier.GetAnnotations()[accessv1alpha1.AnnotationAllowRevocation])
	for _, organization := range sortedKeys(lost) {
		b := brake{judge: j, trial: trial, organization: organization, allowed: allowed}
		for _, application := range sortedKeys(lost[organization]) {
			b.at(application, lost[organization][application])
		}
	}
}

func (j *judge) endOfDocument(trial *roster.Trial, lost taken) {
	o := trial.Organizations[trial.Object.Namespace]
	if trial.Object.Kind != roster.KindApplicationAccess || !trial.Gone || o == nil || len(limitsOf(o)) == 0 {
		return
	}
	j.Roster.EachDecision(trial.Object.Namespace, func(user string, d *resolve.Decision) {
		if d.Application(trial.Object.Name).GivesAccess() {
			lost.add(trial.Object.Namespace, trial.Object.Name, user)
		}
	})
}

// taken is who would lose all access: by organization, application and user.
type taken map[string]map[string]map[string]struct{}

// note takes in what the user loses at the moment: of the applications that are named, of those that the change names,
// and of those that nothing does.
func (t taken) note(trial *roster.Trial, u *roster.Tried, m *moment) {
	if trial.Organizations[u.Namespace].After == nil { // no organization, no access
		m = &moment{m.at, m.before, nothing(&u.Before, &u.After)}
	}
	anywhere := m.before.Default.GivesAccess() && !m.after.Default.GivesAccess()
	var of []string // those of which something is said
	resolve.EachApplication(m.before, m.after, func(name string, before, after *resolve.Access) {
		if anywhere {
			of = append(of, name)
		}
		if before.GivesAccess() && !after.GivesAccess() {
			t.add(u.Namespace, name, u.User)
		}
	})
	if !anywhere {
		return
	}
	t.add(u.Namespace, "", u.User)
	for _, name := range trial.Organizations[u.Namespace].Applications {
		if _, said := slices.BinarySearch(of, name); !said {
			t.add(u.Namespace, name, u.User)
		}
	}
}

func (t taken) add(organization, application, user string) {
	if t[organization] == nil {
		t[organization] = map[string]map[string]struct{}{}
	}
	if t[organization][application] == nil {
		t[organization][application] = map[string]struct{}{}
	}
	t[organization][application][user] = struct{}{}
}

// brake is the brake of one organization.
type brake struct {
	*judge

	trial        *roster.Trial
	organization string
	allowed      allowance
	holders      func(application string) int // counted where a limit needs it
}

func (b *brake) at(application string, lost map[string]struct{}) {
	if _, again := b.braked[b.organization+"/"+application]; again {
		return // on its way out already
	}
	before := 0
	for user := range b.Losses.lost(b.organization, application, b.trial.Now) {
		_, again := lost[user]
		if d := b.Roster.Decision(b.organization, user); !again && (d == nil || !d.Application(application).GivesAccess()) {
			before++
		}
	}
	all := before + len(lost)
	if all <= b.allowed.users && b.trial.Now.Before(b.allowed.deadline) {
		return
	}
	for _, l := range limitsOf(b.trial.Organizations[b.organization]) {
		most, what := l.most, counted(l.most, "user")
		if l.percent {
			if b.holders == nil {
				b.holders = b.Roster.Holders(b.organization)
			}
			holders := b.holders(application) + before
			most, what = holders*l.most/100, fmt.Sprintf("%d percent of %s", l.most, counted(holders, "user"))
		}
		if all <= most {
			continue
		}
		b.braked[b.organization+"/"+application] = struct{}{}
		b.Braked = append(b.Braked, field.Forbidden(b.changed.path(""), fmt.Sprintf(
			"%s would lose all access to %s of organization %s, after %d within the last ten minutes: together more than "+
				"the %s that %s allows. If that is meant, annotate the object with %s: %q",
			counted(len(lost), "user"), nameOf(application), b.organization, before, what, l.source,
			accessv1alpha1.AnnotationAllowRevocation,
			fmt.Sprintf("%d@%s", all, b.trial.Now.Add(time.Hour).UTC().Format(time.RFC3339)))))
		return
	}
}

func nameOf(application string) string {
	if application == "" {
		return "every application that nothing names"
	}
	return "application " + application
}

// limit is one limit of a policy.
type limit struct {
	most    int
	percent bool
	source  string
}

// limitsOf returns the limits that hold for the organization: its own and the system namespace's, as they are before
// the change.
func limitsOf(o *roster.TriedOrganization) []limit {
	var limits []limit
	policies := []*accessv1alpha1.AccessPolicy{o.PolicyBefore}
	if o.SystemBefore != o.PolicyBefore {
		policies = append(policies, o.SystemBefore)
	}
	for _, p := range policies {
		if p == nil {
			continue
		}
		source := roster.Object{Kind: roster.KindAccessPolicy, Namespace: p.Namespace, Name: p.Name}.String() +
			" in spec.revocationLimit"
		if most := p.Spec.RevocationLimit.Users; most != nil {
			limits = append(limits, limit{int(*most), false, source + ".users"})
		}
		if most := p.Spec.RevocationLimit.Percent; most != nil {
			limits = append(limits, limit{int(*most), true, source + ".percent"})
		}
	}
	return limits
}

// allowance lets a change take access from as many users, until the deadline.
type allowance struct {
	users    int
	deadline time.Time
}

func parseAllowance(value string) (allowance, error) {
	const form = `must be "<users>@<RFC 3339 deadline>", such as "40@2027-01-31T18:00:00Z"`
	users, deadline, found := strings.Cut(value, "@")
	if !found {
		return allowance{}, errors.New(form)
	}
	count, err := strconv.Atoi(users)
	if err != nil || count < 0 {
		return allowance{}, fmt.Errorf("%s: %q is not a number of users", form, users)
	}
	until, err := time.Parse(time.RFC3339, deadline)
	if err != nil {
		return allowance{}, fmt.Errorf("%s: %q is not an instant", form, deadline)
	}
	return allowance{count, until}, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

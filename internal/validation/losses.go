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
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// lossWindow is the period over which losses of access are counted together.
const lossWindow = 10 * time.Minute

// Losses records the users who lost access within lossWindow, for any reason. It is safe for concurrent use.
type Losses struct {
	mu  sync.Mutex
	all []loss // by time
}

type loss struct {
	at time.Time
	roster.Difference
}

// NewLosses returns an empty record of losses.
func NewLosses() *Losses { return &Losses{} }

// Note records the losses among the changes of one settling.
func (l *Losses) Note(changes *roster.Changes, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	search := rows{left: mostForSettling}
	for i := range changes.Users {
		if d := &changes.Users[i].Difference; d.Before != nil && search.losesAny(d.Before, d.After) {
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

// lost returns the users who lost all access to the application within lossWindow.
func (l *Losses) lost(organization, application string, now time.Time, search *rows) map[string]struct{} {
	users := map[string]struct{}{}
	if l == nil {
		return users
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	for i := range l.all {
		d := &l.all[i]
		if d.Organization == organization && search.loses(d.Before, d.After, application) {
			users[d.User] = struct{}{}
		}
	}
	return users
}

func (r *rows) losesAny(before, after *resolve.Decision) bool {
	if after == nil {
		after = resolve.Nothing()
	}
	lost := r.losesAll(&before.Default, &after.Default)
	resolve.EachApplication(before, after, func(_ string, was, is *resolve.Access) {
		lost = lost || r.losesAll(was, is)
	})
	return lost
}

// loses reports whether the user had access to the application before and has none after. An empty name stands for
// an application that nothing names.
func (r *rows) loses(before, after *resolve.Decision, application string) bool {
	if after == nil {
		after = resolve.Nothing()
	}
	return r.losesAll(before.Application(application), after.Application(application))
}

// brake refuses a change by which more users lose all access to an application than the policy allows
// (docs/admission.md, revocation brake). It counts the users who lose the access within planWindow by the change,
// those who lost it within lossWindow, and those who lose it within planWindow because windows close. The deletion
// of an application's document takes the access of all of its users.
func (j *judge) brake(trial *preview.Preview, lost taken) {
	j.endOfDocument(trial, lost)
	carrier := j.request.New
	if carrier == nil {
		carrier = j.request.Old
	}
	allowed, _ := parseAllowance(carrier.GetAnnotations()[accessv1alpha1.AnnotationAllowRevocation])
	for _, organization := range sortedKeys(lost) {
		b := brake{judge: j, trial: trial, organization: organization, allowed: allowed}
		applications := sortedKeys(lost[organization])
		b.planned = b.plans(applications)
		for _, application := range applications {
			b.at(application, lost[organization][application])
		}
	}
}

func (j *judge) endOfDocument(trial *preview.Preview, lost taken) {
	o := trial.Organizations[trial.Object.Namespace]
	if trial.Object.Kind != roster.KindApplicationAccess || !trial.Gone || o == nil || len(limitsOf(o)) == 0 {
		return
	}
	for user, d := range j.view.Decisions(trial.Object.Namespace) {
		if j.rows.seesAny(d.Application(trial.Object.Name)) {
			lost.add(trial.Object.Namespace, trial.Object.Name, user)
		}
	}
}

// taken lists the users who would lose all access, by organization, application and user.
type taken map[string]map[string]map[string]struct{}

// note records the applications that the user loses at the moment: those with a decision of their own, the others
// that the organization names, and those that nothing names. Losses after planWindow do not count yet.
func (t taken) note(trial *preview.Preview, u *preview.Affected, m *moment, search *rows) {
	if m.at.After(trial.Now.Add(planWindow)) {
		return
	}
	if trial.Organizations[u.Namespace].After == nil { // no organization, no access
		m = &moment{m.at, m.before, nothing(&u.Before, &u.After)}
	}
	anywhere := search.losesAll(&m.before.Default, &m.after.Default)
	var of []string // applications with a decision of their own
	resolve.EachApplication(m.before, m.after, func(name string, before, after *resolve.Access) {
		if anywhere {
			of = append(of, name)
		}
		if search.losesAll(before, after) {
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

// brake is the revocation brake of one organization.
type brake struct {
	*judge

	trial        *preview.Preview
	organization string
	allowed      allowance
	planned      plans
	holders      func(application string) int // set if a limit needs it
}

// total counts the users who lose the access: by the change, recently, and by windows that close soon.
type total struct{ change, lately, planned int }

func (t *total) all() int { return t.change + t.lately + t.planned }

// count returns the totals for the application. It counts each user once.
func (b *brake) count(application string, lost map[string]struct{}) total {
	counts := total{change: len(lost)}
	lately := b.Losses.lost(b.organization, application, b.trial.Now, &b.rows)
	for user := range lately {
		_, again := lost[user]
		if d := b.view.Decision(b.organization, user); !again && (d == nil || !b.rows.seesAny(d.Application(application))) {
			counts.lately++
		}
	}
	for user := range b.planned[application] {
		if _, again := lost[user]; !again {
			counts.planned++ // has access now, so is not counted as a recent loss
		}
	}
	return counts
}

func (b *brake) at(application string, lost map[string]struct{}) {
	if _, again := b.braked[b.organization+"/"+application]; again {
		return // already refused
	}
	counts := b.count(application, lost)
	if counts.all() <= b.allowed.users && b.trial.Now.Before(b.allowed.deadline) {
		return
	}
	for _, l := range limitsOf(b.trial.Organizations[b.organization]) {
		most, what := l.most, words.Counted(l.most, "user", "users")
		if l.percent {
			if b.holders == nil {
				b.holders = b.view.Holders(b.organization)
			}
			holders := b.holders(application) + counts.lately
			most, what = holders*l.most/100, fmt.Sprintf("%d percent of %s", l.most, words.Counted(holders, "user", "users"))
		}
		if counts.all() > most {
			b.braked[b.organization+"/"+application] = struct{}{}
			b.Braked = append(b.Braked, field.Forbidden(b.changed.path(""), b.refusal(application, &counts, what, l.source)))
			return
		}
	}
}

// refusal returns the message: the counts, the limit that they exceed, and how to allow the change.
func (b *brake) refusal(application string, counts *total, most, source string) string {
	allowance := fmt.Sprintf("%d@%s", counts.all(), b.trial.Now.Add(time.Hour).UTC().Format(time.RFC3339))
	return fmt.Sprintf("%s would lose all access to %s of organization %s, after %d within the last ten minutes and with %d "+
		"more whose access ends within a day: %s, more than the %s that %s allows. If that is meant, annotate the object "+
		"with %s: %q. To change several objects, annotate each of them first with the total of all of them, such as by: "+
		"kubectl annotate %s -n %s -l SELECTOR %s=%s",
		words.Counted(counts.change, "user", "users"), nameOf(application), b.organization, counts.lately, counts.planned,
		words.Counted(counts.all(), "user", "users")+" together", most, source,
		accessv1alpha1.AnnotationAllowRevocation, allowance,
		plurals[b.trial.Object.Kind], b.trial.Object.Namespace, accessv1alpha1.AnnotationAllowRevocation, allowance)
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

// limitsOf returns the limits that apply to the organization before the change: its own and those of the system
// namespace.
func limitsOf(o *preview.Organization) []limit {
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

// allowance permits a change to take access from up to this many users, until the deadline.
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

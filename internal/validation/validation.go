// Package validation judges a change to one object: what it would bring, and what speaks against it
// (docs/admission.md). It is pure: it takes objects and a roster, and returns errors, warnings and the required
// rights as plain data. The caller finds out who holds a right.
package validation

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Request is a change to one object of the four kinds.
type Request struct {
	// Old and New are the object before and after the request. Old is nil if the request creates the object, New if
	// it deletes it.
	Old, New client.Object
	// Lingers is set if a deleted object is not removed at once, because it keeps finalizers or gets one.
	Lingers bool
	// Now is the instant of the request.
	Now time.Time
}

// AllWarnings returns the warnings and the hints, for a requester who may read everything.
func (j *Judgement) AllWarnings() []string {
	all := slices.Clone(j.Warnings)
	for i := range j.Hints {
		all = append(all, j.Hints[i].Text())
	}
	return all
}

// Judgement is the result of judging a request.
type Judgement struct {
	// Errors are reasons to refuse that depend on the object alone.
	Errors field.ErrorList
	// Rights are the rights that the requester must hold. Each missing right is a reason to refuse.
	Rights []Right
	// Braked are reasons to refuse because too many users would lose their access at once (docs/admission.md,
	// revocation brake).
	Braked field.ErrorList
	// Refusals are problems between two objects, if crossObjectChecks is Deny. They are reasons to refuse, but only
	// warnings for a requester who holds Exempting.
	Refusals  field.ErrorList
	Exempting Right
	// Warnings are shown to the requester, whatever the answer is.
	Warnings []string
	// Hints are warnings that name objects of another namespace, for a requester who may read them.
	Hints []Hint
	// Organizations are the organizations that the judgement depends on, besides the namespace of the object and the
	// system namespace. A caller that confirms the judgement reads them again. They are sorted.
	Organizations []string
	// Evaluations counts how often an entry of a user's decision was evaluated at an instant. It measures the cost of
	// the judgement.
	Evaluations int
	// Revisions has the revisions of these namespaces in the roster that the judgement depends on.
	Revisions map[string]uint64
}

// Validator judges requests against a roster.
type Validator struct {
	// View returns the current decisions, with all objects that the roster has taken in.
	View func() *roster.View
	// Elsewhere returns a view of the namespaces that View lacks. If it is nil, View has all namespaces.
	Elsewhere func() *roster.View
	// Partial is set if some namespaces are unknown. Hints that require all of them are then left out.
	Partial bool
	// Losses records the recent losses of access. Nil means none.
	Losses *Losses
	// ConfigMaps returns the ConfigMaps that the document of an application needs. If it is nil, there are no
	// warnings about additional ones.
	ConfigMaps ConfigMapsFunc
	// MostEvaluations bounds how often entries that change over time are evaluated for one request. 0 means one
	// million. The remaining entries are judged like entries with too many instants (docs/admission.md, many
	// windows).
	MostEvaluations int
}

// On returns a validator that judges by the view. It shares this validator's knowledge of other namespaces.
func (v *Validator) On(view *roster.View) *Validator {
	return &Validator{
		View: func() *roster.View { return view }, Elsewhere: v.Elsewhere, Partial: v.Partial, Losses: v.Losses,
		ConfigMaps: v.ConfigMaps, MostEvaluations: v.MostEvaluations,
	}
}

// Judge judges the request. The cost grows with the number of users whom the change affects, and of their windows
// that will open or close. Judge returns an error if the context ends first, or if Old and New are not the
// same object.
func (v *Validator) Judge(ctx context.Context, request *Request) (*Judgement, error) {
	if err := roster.SameObject(request.Old, request.New); err != nil {
		return nil, err
	}
	j := newJudge(ctx, v, request)
	if request.Old != nil && request.Old.GetDeletionTimestamp() != nil {
		return j.beingDeleted()
	}
	j.own()
	j.protect()
	j.protectOthers()
	j.join()
	j.changePolicy()
	j.span()
	j.handOver()
	if len(j.Errors) > 0 {
		return j.done(), nil
	}
	if request.New == nil && request.Lingers {
		// While finalizers keep the object, it gives no role, but everything that it removes still counts
		// (docs/rules.md R1). Judge this state first, then the removal.
		if err := j.preview(request.Old, deletedAt(request.Old, request.Now), j.weigh); err != nil {
			return nil, err
		}
	}
	if j.changed.owned && request.Old != nil {
		// From now on the object is deleted with its owner. Judge that deletion now.
		j.changed.pointing = ownersPath
		if err := j.preview(request.Old, nil, j.weigh); err != nil {
			return nil, err
		}
		j.changed.pointing = nil
	}
	if err := j.preview(request.Old, request.New, func(trial *preview.Preview) { j.weigh(trial); j.warn(trial) }); err != nil {
		return nil, err
	}
	return j.done(), nil
}

// beingDeleted judges a change to an object that is being deleted: its finalizers may change. Taking away the last
// one removes the object, which requires the rights to what others gain by the removal. A second deletion removes
// the finalizer of the garbage collector if its propagation policy differs from that of the first one.
func (j *judge) beingDeleted() (*Judgement, error) {
	if j.request.New != nil {
		j.stayAsItIs()
	}
	if len(j.Errors) > 0 || !j.goes() {
		return j.done(), nil
	}
	j.changePolicy()
	if err := j.preview(j.request.Old, nil, j.weighRightsOnly); err != nil {
		return nil, err
	}
	return j.done(), nil
}

// judge collects the judgement of one request.
type judge struct {
	*Validator
	Judgement

	ctx     context.Context // of the one call of Judge
	view    *roster.View
	request *Request
	changed changes
	needed  map[need]struct{}
	filters resolve.Containment
	braked  map[string]struct{} // organization/application
	shown   shown
	rows    rows
	spent   int // evaluations of courses so far
}

func newJudge(ctx context.Context, v *Validator, request *Request) *judge {
	return &judge{
		ctx: ctx, Validator: v, view: v.View(), Judgement: Judgement{Revisions: map[string]uint64{}},
		request: request, changed: changesOf(request), needed: map[need]struct{}{}, braked: map[string]struct{}{},
		rows: rows{left: mostForRequest},
	}
}

// preview computes the effects of the change from before to after, and calls weigh with them.
func (j *judge) preview(before, after client.Object, weigh func(*preview.Preview)) error {
	p, err := preview.Of(j.ctx, j.view, before, after, j.request.Now)
	if err != nil {
		return err
	}
	for name := range p.Organizations {
		j.Organizations = append(j.Organizations, name)
	}
	maps.Copy(j.Revisions, p.Revisions)
	weigh(p)
	return j.ctx.Err()
}

// weigh judges every user whom the change affects once, at every moment.
func (j *judge) weigh(trial *preview.Preview) {
	watched, lost := watchers{}, taken{}
	limited := map[string]bool{}
	for name, o := range trial.Organizations {
		limited[name] = o.Was && len(limitsOf(o)) > 0
	}
	j.declare(trial)
	j.each(trial, func(u *preview.Affected, c *courses) {
		j.weighRights(trial, u, c)
		j.checkConflicts(trial, u, c)
		c.each(func(m *moment) {
			watched.note(trial, u, m)
			if limited[u.Namespace] {
				lost.note(trial, u, m, &j.rows)
			}
		})
	})
	j.checkAdministrators(trial, watched)
	j.brake(trial, lost)
}

// weighRightsOnly adds the rights that a requester needs to remove the last finalizer.
func (j *judge) weighRightsOnly(trial *preview.Preview) {
	j.declare(trial)
	j.each(trial, func(u *preview.Affected, c *courses) { j.weighRights(trial, u, c) })
}

func (j *judge) weighRights(trial *preview.Preview, u *preview.Affected, c *courses) {
	// A requester who may change a policy may grant every role. What the users get by it requires nothing more.
	if trial.Object.Kind != roster.KindAccessPolicy {
		c.each(func(m *moment) { j.raise(u, m, trial.Now) })
		j.release(u, c, trial.Now)
		j.bound(u, c, trial.Now)
	}
	j.widen(u, c, trial.Now)
}

// each calls yield for every user in an organization, until the context ends.
func (j *judge) each(trial *preview.Preview, yield func(u *preview.Affected, c *courses)) {
	for i := range trial.Users {
		if j.ctx.Err() != nil {
			return
		}
		u := &trial.Users[i]
		if u.Before.Rules != nil && u.After.Rules != nil {
			yield(u, j.coursesOf(u, trial.Now))
		}
	}
}

func (j *judge) done() *Judgement {
	j.shown.conclude(j)
	slices.Sort(j.Organizations)
	j.Organizations = slices.Compact(j.Organizations)
	j.Exempting = j.exempting()
	return &j.Judgement
}

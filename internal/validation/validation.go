// Package validation says what a change to one object would bring, and what has to be said against it
// (docs/admission.md). It is pure: objects and a roster go in; errors, warnings and the rights that the change takes come
// out as plain data. Who holds a right is for the caller to ask.
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
	// Old and New are the object as it is and as it would be. Without Old it is created, without New deleted.
	Old, New client.Object
	// Lingers says that a deleted object does not go at once: it keeps finalizers, or gets one.
	Lingers bool
	// Now is the instant of the request.
	Now time.Time
}

// AllWarnings returns the warnings and hints for somebody who may read everything.
func (j *Judgement) AllWarnings() []string {
	all := slices.Clone(j.Warnings)
	for i := range j.Hints {
		all = append(all, j.Hints[i].Text())
	}
	return all
}

// Judgement is what there is to say about a request.
type Judgement struct {
	// Errors are reasons to refuse that rest on the object alone.
	Errors field.ErrorList
	// Rights are what the requester must hold; each that is missing is a reason to refuse.
	Rights []Right
	// Braked are reasons to refuse because too many would lose their access at once (docs/admission.md, revocation
	// brake).
	Braked field.ErrorList
	// Refusals are what takes two objects to be wrong, where crossObjectChecks says Deny: reasons to refuse, but
	// warnings for a requester who holds Exempting.
	Refusals  field.ErrorList
	Exempting Right
	// Warnings are for the requester to read, whatever the answer.
	Warnings []string
	// Hints are warnings that name what another namespace holds: for a requester who may read it.
	Hints []Hint
	// Organizations are those that the judgement rests on, beside the namespace of the object and the system namespace:
	// what has to be read anew to be sure of it. Sorted.
	Organizations []string
	// Evaluations counts how often an entry of a user's decision was evaluated at an instant: what the judgement costs.
	Evaluations int
	// Revisions are those of these namespaces, in the roster, that it rests on.
	Revisions map[string]uint64
}

// Validator judges requests by a roster.
type Validator struct {
	// View returns what is decided now, with all objects that the roster has taken in.
	View func() *roster.View
	// Elsewhere returns a view of the namespaces that View lacks. Nil: View has all.
	Elsewhere func() *roster.View
	// Partial says that some namespaces are not known: nothing is said that takes to know all of them.
	Partial bool
	// Losses is what was lost of late. Nil: nothing.
	Losses *Losses
	// ConfigMaps says which ConfigMaps the document of an application takes. Nil: it is not warned of more of them.
	ConfigMaps ConfigMapsFunc
	// MostEvaluations bounds how often entries that change over time are evaluated for one request; 0: a million times. What
	// is left then is judged as an entry with too many instants is (docs/admission.md, many windows).
	MostEvaluations int

	names     names
	namesElse *names // of Elsewhere, where they are those of another validator; see On
}

// On returns a validator that judges by the view, and knows of other namespaces what this one knows. What is indexed of them
// is shared.
func (v *Validator) On(view *roster.View) *Validator {
	return &Validator{
		View: func() *roster.View { return view }, Elsewhere: v.Elsewhere, Partial: v.Partial, Losses: v.Losses,
		ConfigMaps: v.ConfigMaps, MostEvaluations: v.MostEvaluations, namesElse: &v.names,
	}
}

// Judge says what there is to say about the request. The cost grows with the users whom the change affects, and with
// their windows that will open or close. The error is that of a context that ended before all was looked at, or says that Old
// and New are not the same object.
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
		// It first gives no role any more, while all that it takes still counts (docs/rules.md R1); then it goes.
		if err := j.preview(request.Old, deletedAt(request.Old, request.Now), j.weigh); err != nil {
			return nil, err
		}
	}
	if j.changed.owned && request.Old != nil {
		// Its end is the owner's from now on: what it would bring now is told now.
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

// beingDeleted judges a change to an object that is on its way out: its finalizers may change. With the last of them it
// goes, which takes the rights to what others get by that. A second deletion removes the finalizer of the garbage collector
// where it asks for another propagation policy than the first one.
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

// judge collects a judgement.
type judge struct {
	*Validator
	Judgement

	ctx     context.Context // of the one call of Judge that it is made for
	view    *roster.View
	request *Request
	changed changes
	needed  map[need]struct{}
	filters resolve.Containment
	braked  map[string]struct{} // organization/application
	shown   shown
	rows    rows
	spent   int // of the evaluations
}

func newJudge(ctx context.Context, v *Validator, request *Request) *judge {
	return &judge{
		ctx: ctx, Validator: v, view: v.View(), Judgement: Judgement{Revisions: map[string]uint64{}},
		request: request, changed: changesOf(request), needed: map[need]struct{}{}, braked: map[string]struct{}{},
		rows: rows{left: mostForRequest},
	}
}

// preview looks at what the change from before to after would bring.
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

// weigh looks once at every user whom the change affects, at every moment.
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

// weighRightsOnly is what remains to be asked of who takes away the last finalizer.
func (j *judge) weighRightsOnly(trial *preview.Preview) {
	j.declare(trial)
	j.each(trial, func(u *preview.Affected, c *courses) { j.weighRights(trial, u, c) })
}

func (j *judge) weighRights(trial *preview.Preview, u *preview.Affected, c *courses) {
	// Who may change a policy may grant every role: what its users get by it takes nothing more.
	if trial.Object.Kind != roster.KindAccessPolicy {
		c.each(func(m *moment) { j.raise(u, m, trial.Now) })
		j.release(u, c, trial.Now)
		j.bound(u, c, trial.Now)
	}
	j.widen(u, c, trial.Now)
}

// each calls yield for every user in an organization, as long as there is time.
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

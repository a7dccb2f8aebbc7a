package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	// attributeFanOuts is even, so that the last run restores the declared state.
	attributeFanOuts  = 2
	attributeRestarts = 2
	// membersEach is the number of members of a group with rows by attribute.
	membersEach = 5_000
	attribute   = "customer"
)

// newAttributeWorld returns a world in which every user has a declared UserAccess with an attribute, and sees the rows of
// one application that the attribute selects. With own values, no two users see the same rows; otherwise all users do.
func newAttributeWorld(s size, own bool) *world {
	w := &world{size: s, policy: newPolicy(s), applications: []*accessv1alpha1.ApplicationAccess{{
		ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: applicationName(0)},
	}}}
	for i := range s.Users {
		user := fmt.Sprintf("user-%05d@acme.example", i)
		w.users = append(w.users, user)
		customer := 0
		if own {
			customer = i
		}
		ua := &accessv1alpha1.UserAccess{
			ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: fmt.Sprintf("declared-%05d", i)},
			Spec:       accessv1alpha1.UserAccessSpec{User: accessv1alpha1.UserName(user)},
		}
		values := accessv1alpha1.UserAttribute{Name: attribute}
		for _, region := range []string{"east", "north", "west"} {
			values.Values = append(values.Values, accessv1alpha1.AttributeValue(fmt.Sprintf("customer-%05d-%s", customer, region)))
		}
		ua.Spec.Attributes = []accessv1alpha1.UserAttribute{values}
		w.declared = append(w.declared, ua)
		if i%membersEach == 0 {
			w.groups = append(w.groups, newAttributeGroup(len(w.groups)))
		}
		g := w.groups[len(w.groups)-1]
		g.Spec.Members = append(g.Spec.Members, member(user))
	}
	return w
}

func newAttributeGroup(number int) *accessv1alpha1.AccessGroup {
	g := newGroup(fmt.Sprintf("customers-%d", number), gives(applicationName(0), "Viewer"))
	g.Spec.DataPermissions = []accessv1alpha1.DataPermission{{
		Application: accessv1alpha1.ApplicationSelector(applicationName(0)),
		AnyOf: []accessv1alpha1.RowAlternative{{AllOf: []accessv1alpha1.RowRequirement{{
			Attribute: attribute, Operator: accessv1alpha1.DataOperatorIn, UserAttribute: attribute,
		}}}},
	}}
	return g
}

// anAttributes holds the costs of one of the two worlds.
type anAttributes struct {
	documents, all, cpu []time.Duration
	writes              []float64
	memory              []float64
}

// attributes compares users who each have their own attribute values with users who all have the same values.
func (b *bench) attributes(ctx context.Context) error {
	own, err := b.attributesIn(ctx, true)
	if err != nil {
		return err
	}
	shared, err := b.attributesIn(ctx, false)
	if err != nil {
		return err
	}
	for _, each := range []struct {
		name  string
		costs *anAttributes
	}{{"own values", own}, {"the same values", shared}} {
		b.report.add(
			newFigure(attributes, each.name+": peak resident memory", "MiB", each.costs.memory...),
			newFigure(attributes, each.name+": fan-out, last document", "s", seconds(each.costs.documents)...),
			newFigure(attributes, each.name+": fan-out, last write", "s", seconds(each.costs.all)...),
			newFigure(attributes, each.name+": fan-out, processor time", "s", seconds(each.costs.cpu)...),
			newFigure(attributes, each.name+": fan-out, writes", "writes", each.costs.writes...),
		)
	}
	more := 1000 * (quantile(own.memory, 0.5) - quantile(shared.memory, 0.5)) / float64(b.size.Users)
	b.report.add(
		newFigure(attributes, "memory for 1,000 distinct sets of values", "MiB", more),
		newFigure(attributes, "fan-out, processor time, own values against the same", "x",
			quantile(seconds(own.cpu), 0.5)/quantile(seconds(shared.cpu), 0.5)),
	)
	return nil
}

func (b *bench) attributesIn(ctx context.Context, own bool) (_ *anAttributes, err error) {
	l, err := openLab(ctx, newAttributeWorld(b.size, own), b.say)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	a := &anAttributes{}
	for run := range attributeFanOuts {
		b.say.printf("attributes: run %d of %d, the rows of %d users change", run+1, attributeFanOuts, b.size.Users)
		if err := a.fanOut(ctx, l, []string{"NotIn", "In"}[run%2]); err != nil {
			return nil, err
		}
	}
	r, err := l.restart(ctx, attributeRestarts)
	if err != nil {
		return nil, err
	}
	a.memory = r.memory
	return a, nil
}

// fanOut changes the operator in the rows of every group, and waits until the rows of all users are published.
func (a *anAttributes) fanOut(ctx context.Context, l *lab, operator string) error {
	if err := l.calm(ctx); err != nil {
		return err
	}
	idle, err := cpuTime(l.manager.PID())
	if err != nil {
		return err
	}
	began := time.Now()
	for _, g := range l.world.groups {
		_, err := l.patchGroup(ctx, g.Name, types.JSONPatchType,
			fmt.Sprintf(`[{"op":"replace","path":"/spec/dataPermissions/0/anyOf/0/allOf/0/operator","value":%q}]`, operator))
		if err != nil {
			return err
		}
	}
	if err := l.settle(ctx, attributes, began); err != nil {
		return err
	}
	busy, err := cpuTime(l.manager.PID())
	if err != nil {
		return err
	}
	events := l.observer.since(began)
	documents, _ := lastOf(events, isDocument)
	last, writes := lastOf(events, isAny)
	a.documents, a.all = append(a.documents, documents.Sub(began)), append(a.all, last.Sub(began))
	a.cpu, a.writes = append(a.cpu, busy-idle), append(a.writes, float64(writes))
	return nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	// rateTurns is the number of times that the servers take turns.
	rateTurns = 4
	// quietTime is how long the latency is measured on an idle cluster.
	quietTime = 15 * time.Second
	// denials is the number of times that the largest group is deleted.
	denials = 3
)

// decisions measures the decision point and the sidecar.
func (b *bench) decisions(ctx context.Context) (err error) {
	if err := b.following(ctx); err != nil {
		return err
	}
	a, err := b.lab.openAsked(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := errors.Join(b.lab.rest(ctx), b.lab.observer.settle(ctx, quiet)); err != nil {
		return err
	}
	if err := b.rates(ctx, a); err != nil {
		return err
	}
	if err := b.tail(ctx, a); err != nil {
		return err
	}
	return b.denials(ctx, a)
}

// rates measures the questions that each server answers in a second, in turns.
func (b *bench) rates(ctx context.Context, a *asked) error {
	rates := map[*target][]float64{}
	for turn := range rateTurns {
		b.say.printf("pdp: questions in a second, turn %d of %d", turn+1, rateTurns)
		for _, t := range []*target{&a.ours, &a.bare, &a.opa, &a.batches} {
			if err := b.lab.calm(ctx); err != nil {
				return err
			}
			rate, err := t.load(ctx, loadTime)
			if err != nil {
				return err
			}
			rates[t] = append(rates[t], rate)
		}
	}
	ours, batches := rates[&a.ours], rates[&a.batches]
	b.report.add(
		newFigure(decisions, "Usher: evaluations", "1/s", ours...),
		newFigure(decisions, "bare handler: evaluations", "1/s", rates[&a.bare]...),
		newFigure(decisions, "OPA: evaluations", "1/s", rates[&a.opa]...),
		newFigure(decisions, "rate against the bare handler", "x", pairRatios(ours, rates[&a.bare])...).atLeast(bareAim,
			"Beside decoding, the decision point finds the reviews of the caller, decides, and measures the request."),
		newFigure(decisions, "rate against OPA", "x", pairRatios(ours, rates[&a.opa])...).atLeast(opaAim,
			"TLS, HTTP and the client share the two processors with both servers, and cost the same for both."),
		newFigure(decisions, fmt.Sprintf("item of a batch of %d against a single evaluation", batchOf), "x",
			scaledBy(pairRatios(ours, batches), 1.0/batchOf)...).atMost(itemAim, "Each item is decoded, decided and encoded."),
	)
	return nil
}

// tail measures the latency of questions at a constant rate, on an idle cluster and during a fan-out.
func (b *bench) tail(ctx context.Context, a *asked) error {
	l := b.lab
	b.say.printf("pdp: latency of questions without changes")
	idle, err := a.pacedDuring(ctx, func() error { return pause(ctx, quietTime) })
	if err != nil {
		return err
	}
	var during []time.Duration
	for _, role := range []string{"Editor", "Viewer"} {
		b.say.printf("pdp: latency of questions during a fan-out to %d members", l.world.largest().members)
		took, err := a.pacedDuring(ctx, func() error {
			at, err := l.setRole(ctx, l.world.largest(), role)
			if err != nil {
				return err
			}
			return l.settle(ctx, "fan-out", at)
		})
		if err != nil {
			return err
		}
		during = append(during, took...)
	}
	quantiles := func(of []time.Duration) []float64 { return []float64{quantile(milliseconds(of), 0.99)} }
	b.report.add(
		newFigure(decisions, "latency without changes, p99", "ms", quantiles(idle)...),
		newFigure(decisions, "latency during a fan-out, p99", "ms", quantiles(during)...),
		quantileRatio(decisions, during, idle, 0.99).named("latency during a fan-out, ratio, p99").atMost(fanOutTailAim,
			"The API server and the manager keep all processors busy during a fan-out, and questions wait for their turn."),
	)
	return nil
}

// pacedDuring asks at a constant rate while something happens.
func (a *asked) pacedDuring(ctx context.Context, what func() error) ([]time.Duration, error) {
	if err := a.lab.calm(ctx); err != nil {
		return nil, err
	}
	done, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(done)
		failed <- what()
	}()
	took, err := a.ours.paced(ctx, done)
	<-done
	return took, errors.Join(err, <-failed)
}

// denials deletes the largest group, and measures from the answer of the API server until the decision point denies a
// member. A bare client watches the group and decodes the event at the same time.
func (b *bench) denials(ctx context.Context, a *asked) error {
	l := b.lab
	v := l.world.largest()
	question := post("POST", evaluationPath, a.token, evaluation(l.world.users[0], v.application, "view"))
	var denied, seen, documents []time.Duration
	for run := range denials {
		b.say.printf("pdp: run %d of %d, %d members are denied", run+1, denials, v.members)
		if err := l.calm(ctx); err != nil {
			return err
		}
		d, err := a.deny(ctx, v, question)
		if err != nil {
			return err
		}
		denied, seen, documents = append(denied, d.denied), append(seen, d.seen), append(documents, d.document)
		if err := l.createGroup(ctx, v.group); err != nil {
			return err
		}
		if err := l.settle(ctx, "the group is there again", time.Now()); err != nil {
			return err
		}
	}
	late := 0
	for i := range denied {
		if denied[i] >= documents[i] {
			late++
		}
	}
	name := func(what string) string { return fmt.Sprintf("%d members, %s", v.members, what) }
	b.report.add(
		newFigure(decisions, name("Usher: first denial"), "ms", milliseconds(denied)...),
		newFigure(decisions, name("bare client: watch event"), "ms", milliseconds(seen)...),
		newFigure(decisions, name("first denial against watch event"), "x",
			pairRatios(milliseconds(denied), milliseconds(seen))...).atMost(denyAim,
			"After the event, every member is decided again."),
		newFigure(decisions, name("application document"), "ms", milliseconds(documents)...),
		newFigure(decisions, name("denied after the document"), "runs", float64(late)).never(
			"The manager and the decision point decide at the same time on the same processors."),
	)
	return nil
}

// denial holds the times since the API server's answer to a deletion.
type denial struct{ denied, seen, document time.Duration }

// deny deletes the group of the wave while somebody asks about one of its members.
func (a *asked) deny(ctx context.Context, v wave, question []byte) (denial, error) {
	l := a.lab
	c, err := a.ours.dial(ctx)
	if err != nil {
		return denial{}, err
	}
	defer c.close()
	// The decision point remembers the reviews of its caller for a few seconds.
	if err := c.until(ctx, question, true); err != nil {
		return denial{}, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	events, err := l.admin.Watch(watching, &accessv1alpha1.AccessGroupList{}, client.InNamespace(organization),
		client.MatchingFields{"metadata.name": v.group})
	if err != nil {
		return denial{}, fmt.Errorf("watch group %s: %w", v.group, err)
	}
	defer events.Stop()
	deleted := make(chan time.Time, 1)
	go func() {
		for e := range events.ResultChan() {
			if e.Type == watch.Deleted {
				deleted <- time.Now()
				return
			}
		}
	}()
	began := time.Now()
	at, err := l.deleteGroup(ctx, v.group)
	if err != nil {
		return denial{}, err
	}
	if err := c.until(ctx, question, false); err != nil {
		return denial{}, err
	}
	d := denial{denied: time.Since(at)}
	waiting, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	select {
	case seen := <-deleted:
		d.seen = max(pollInterval, seen.Sub(at))
	case <-waiting.Done():
		return denial{}, errors.New("the bare client does not see the deletion")
	}
	if err := l.settle(ctx, "revoke", at); err != nil {
		return denial{}, err
	}
	document, _ := lastOf(l.observer.since(began), func(e *event) bool { return e.application() == v.application })
	d.document = document.Sub(at)
	return d, nil
}

// until asks until the decision is as wanted.
func (c *connection) until(ctx context.Context, question []byte, want bool) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		answer, err := c.ask(question)
		if err != nil || bytes.Contains(answer, permit) == want {
			return err
		}
		if err := pause(ctx, pollInterval); err != nil {
			return fmt.Errorf("the decision does not become %t: %w", want, err)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"time"
)

// aRevocation is what came of deleting a group.
type aRevocation struct {
	wave            wave
	document, whole []time.Duration // until the document no longer holds the members, and until the last status
	amplified       []amplified
	changes         []change // between the last two states: deleted, and there again
}

func revokeRuns(v wave, s size) int {
	if v.members == s.largest() {
		return 2
	}
	return 3
}

// revoke deletes a group and brings it back.
func (l *lab) revoke(ctx context.Context, v wave) (*aRevocation, error) {
	r := &aRevocation{wave: v}
	runs := revokeRuns(v, l.world.size)
	// All that is published takes seconds to read: it is where requests are counted against it.
	look := func(ctx context.Context) (snapshot, error) { return l.documentsOf(ctx, v.application) }
	if v == l.world.largest() {
		look = l.snapshot
	}
	before, err := look(ctx)
	if err != nil {
		return nil, err
	}
	for run := range runs {
		l.say.printf("revoke: run %d of %d, %d members", run+1, runs, v.members)
		requested, err := l.readRequests(ctx)
		if err != nil {
			return nil, err
		}
		if err := l.calm(ctx); err != nil {
			return nil, err
		}
		began := time.Now()
		at, err := l.deleteGroup(ctx, v.group)
		if err != nil {
			return nil, err
		}
		if err := l.settle(ctx, "revoke", at); err != nil {
			return nil, err
		}
		events := l.observer.since(began)
		document, _ := lastOf(events, func(e *event) bool { return e.application() == v.application })
		status, _ := lastOf(events, isStatus)
		r.document = append(r.document, max(0, document.Sub(at)))
		r.whole = append(r.whole, status.Sub(at))
		requested, err = l.requestsSince(ctx, requested)
		if err != nil {
			return nil, err
		}
		after, err := look(ctx)
		if err != nil {
			return nil, err
		}
		r.amplified = append(r.amplified, amplifiedBy(requested, before, after))
		if err := l.createGroup(ctx, v.group); err != nil {
			return nil, err
		}
		if err := l.settle(ctx, "the group is there again", time.Now()); err != nil {
			return nil, err
		}
		if before, err = look(ctx); err != nil {
			return nil, err
		}
		r.changes = of(difference(after, before), v.application)
	}
	return r, nil
}

// bareTurns are how often the bare client writes what takes it milliseconds.
const bareTurns = 10

// reportRevocation has the bare client write the same ConfigMaps, and reports.
func (b *bench) reportRevocation(ctx context.Context, r *aRevocation) error {
	if b.wants(amplification) && r.wave == b.lab.world.largest() {
		b.reportAmplified("revocation", r.amplified)
	}
	if !b.wants(revoke) {
		return nil
	}
	b.say.printf("revoke: the bare client, %d members", r.wave.members)
	bare, size, err := b.lab.bareDocuments(ctx, r.changes, bareTurns)
	if err != nil {
		return err
	}
	name := func(what string) string { return fmt.Sprintf("%d members, %s", r.wave.members, what) }
	b.report.add(
		newFigure(revoke, name("Usher: document"), "ms", milliseconds(r.document)...),
		newFigure(revoke, name("bare client: document"), "ms", milliseconds(bare)...),
		newFigure(revoke, name("ratio"), "x", ratios(milliseconds(r.document), milliseconds(bare))...).atMost(2, fmt.Sprintf(
			"The document is %d ConfigMaps of together %d KiB. Before the first is written, the deletion has to arrive, %d users "+
				"are decided anew, and the document of all users of the application is rendered.",
			len(updates(r.changes)), size>>10, r.wave.members)),
		newFigure(revoke, name("Usher: last status"), "s", seconds(r.whole)...),
	)
	sooner := newFigure(revoke, name("last status against document"), "x", ratios(milliseconds(r.whole), milliseconds(r.document))...)
	if r.wave.members >= 5000 {
		sooner = sooner.atLeast(20, "Statuses are written after the documents, at the pace of the API server.")
	}
	b.report.add(sooner)
	return nil
}

// bareDocuments writes the ConfigMaps of a document as the manager does, one after the other, and returns how long that
// took each time from the state that the manager left, and how many bytes there are.
func (l *lab) bareDocuments(ctx context.Context, changes []change, turns int) ([]time.Duration, int, error) {
	r, err := l.newReplay(ctx, changes, 1)
	if err != nil {
		return nil, 0, err
	}
	var all []time.Duration
	for range turns {
		for _, counts := range []bool{true, false} {
			// A document at rest is written into a machine at rest, as by the manager.
			if err := pause(ctx, breath); err != nil {
				return nil, 0, err
			}
			took, _, err := r.turn(ctx)
			if err != nil {
				return nil, 0, err
			}
			if counts {
				all = append(all, took)
			}
		}
	}
	return all, dataBytes(r.changes), nil
}

// breath is the rest between two changes of which the second has nothing to do with the first. It is more than the
// manager leaves between two writes of one document.
const breath = 200 * time.Millisecond

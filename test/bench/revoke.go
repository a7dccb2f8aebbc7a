package main

import (
	"context"
	"fmt"
	"time"
)

// aRevocation holds the results of deleting a group.
type aRevocation struct {
	wave      wave
	document  turns           // until the document no longer contains the members
	whole     []time.Duration // until the last status
	amplified []amplified
	changes   []change // between the last two states: deleted, and created again
	bytes     int      // of the written ConfigMaps
}

func revokeRuns(v wave, s size) int {
	if v.members == s.largest() {
		return 3
	}
	return 5
}

// revoke deletes a group and creates it again. If bare is set, the bare client writes the same ConfigMaps after each
// run.
func (l *lab) revoke(ctx context.Context, v wave, bare bool) (*aRevocation, error) {
	r := &aRevocation{wave: v}
	runs := revokeRuns(v, l.world.size)
	for run := range runs {
		l.say.printf("revoke: run %d of %d, %d members", run+1, runs, v.members)
		took, err := r.run(ctx, l)
		if err != nil {
			return nil, err
		}
		if !bare {
			r.document.add(took)
			continue
		}
		l.say.printf("revoke: the bare client, %d members", v.members)
		if err := l.bareTurn(ctx, func(ctx context.Context) error {
			times, bytes, err := l.bareDocuments(ctx, r.changes, bareRepeats)
			r.document.add(took, times...)
			r.bytes = bytes
			return err
		}); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// run deletes the group and creates it again once. It returns the time until the document no longer contained the
// members.
func (r *aRevocation) run(ctx context.Context, l *lab) (time.Duration, error) {
	before, err := r.look(ctx, l)
	if err != nil {
		return 0, err
	}
	requested, err := l.readRequests(ctx)
	if err != nil {
		return 0, err
	}
	if err := l.calm(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	at, err := l.deleteGroup(ctx, r.wave.group)
	if err != nil {
		return 0, err
	}
	if err := l.settle(ctx, "revoke", at); err != nil {
		return 0, err
	}
	events := l.observer.since(began)
	document, _ := lastOf(events, func(e *event) bool { return e.application() == r.wave.application })
	status, _ := lastOf(events, isStatus)
	r.whole = append(r.whole, status.Sub(at))
	requested, err = l.requestsSince(ctx, requested)
	if err != nil {
		return 0, err
	}
	after, err := r.look(ctx, l)
	if err != nil {
		return 0, err
	}
	r.amplified = append(r.amplified, amplifiedBy(requested, before, after))
	if err := l.createGroup(ctx, r.wave.group); err != nil {
		return 0, err
	}
	if err := l.settle(ctx, "the group is there again", time.Now()); err != nil {
		return 0, err
	}
	again, err := r.look(ctx, l)
	if err != nil {
		return 0, err
	}
	r.changes = of(difference(after, again), r.wave.application)
	return max(0, document.Sub(at)), nil
}

// look returns what the manager has written. Reading all of it takes seconds, so it is read only for the group whose
// requests are compared with it.
func (r *aRevocation) look(ctx context.Context, l *lab) (snapshot, error) {
	if r.wave == l.world.largest() {
		return l.snapshot(ctx)
	}
	return l.documentsOf(ctx, r.wave.application)
}

// bareRepeats is the number of times that the bare client repeats in one turn what takes it milliseconds.
const bareRepeats = 5

func (b *bench) revoke(ctx context.Context, v wave) error {
	r, err := b.lab.revoke(ctx, v, b.wants(revoke))
	if err != nil {
		return err
	}
	if b.wants(amplification) && r.wave == b.lab.world.largest() {
		b.reportAmplified("revocation", r.amplified)
	}
	if b.wants(revoke) {
		b.reportRevocation(r)
	}
	return nil
}

func (b *bench) reportRevocation(r *aRevocation) {
	name := func(what string) string { return fmt.Sprintf("%d members, %s", r.wave.members, what) }
	b.report.add(
		newFigure(revoke, name("Usher: document"), "ms", milliseconds(r.document.ours)...),
		newFigure(revoke, name("bare client: document"), "ms", milliseconds(r.document.allBare())...),
		newFigure(revoke, name("ratio"), "x", r.document.ratios()...).atMost(revokeAimOf(r.wave.members), fmt.Sprintf(
			"The document is %d ConfigMaps of together %d KiB. Before the first is written, the deletion has to arrive, %d users "+
				"are decided again, and the shards with these users are rendered.",
			len(updates(r.changes)), r.bytes>>10, r.wave.members)),
		newFigure(revoke, name("Usher: last status"), "s", seconds(r.whole)...),
	)
	sooner := newFigure(revoke, name("last status against document"), "x",
		ratios(milliseconds(r.whole), milliseconds(r.document.ours))...)
	if r.wave.members >= 5000 {
		sooner = sooner.atLeast(20, "Statuses are written after the documents, at the pace of the API server.")
	}
	b.report.add(sooner)
}

// bareDocuments writes the ConfigMaps of a document sequentially, as the manager does, starting each time from the
// state that the manager left. It returns the durations and the number of bytes.
func (l *lab) bareDocuments(ctx context.Context, changes []change, turns int) ([]time.Duration, int, error) {
	r, err := l.newReplay(ctx, changes, 1)
	if err != nil {
		return nil, 0, err
	}
	var all []time.Duration
	for range turns {
		for _, counts := range []bool{true, false} {
			// Wait for an idle machine before each write, as before the manager's writes.
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

// breath is the pause between two unrelated changes. It is longer than the manager's interval between two writes of one
// document.
const breath = 200 * time.Millisecond

package console

import (
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/query"
)

// mostDrafts is the maximum number of drafts that are kept. A new draft displaces the oldest that was not written.
const mostDrafts = 200

// draft is a change that a person prepares: a form, or an edit of several objects. Addresses name it, so back and
// reload work.
type draft struct {
	id    string
	title string
	// kind is the form that edits the draft; empty for an edit without a form.
	kind formKind
	// part is the entry of the menu that the draft belongs to.
	part string
	// namespace is that of the object of the form.
	namespace string
	begun     time.Time

	mu   sync.Mutex
	plan *edit.Plan
	// told are the objects to annotate, for a draft that sends notices.
	told []edit.Notice
	// review is the last review of the plan. Nil means that the plan was not reviewed since it was changed.
	review *query.Differences
	// outcomes are the result of the last attempt to write.
	outcomes []edit.Outcome
	// written is the instant at which an object was written. The zero value means that none was. It is set under both
	// locks, that of the draft and that of the ledger, so one of them is enough to read it.
	written time.Time
}

// object returns the object that the form edits.
func (d *draft) object() client.Object { return d.plan.Changes[0].After.Object }

// isNew reports whether the form creates its object.
func (d *draft) isNew() bool { return d.plan.Changes[0].Before == nil }

// ledger keeps the drafts of one run of the console.
type ledger struct {
	mu     sync.Mutex
	drafts []*draft // the oldest first
}

func newLedger() *ledger { return &ledger{} }

func (l *ledger) add(d *draft) *draft {
	d.id = newSecret()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.drafts) >= mostDrafts {
		at := slices.IndexFunc(l.drafts, func(each *draft) bool { return each.written.IsZero() })
		l.drafts = slices.Delete(l.drafts, max(at, 0), max(at, 0)+1)
	}
	l.drafts = append(l.drafts, d)
	return d
}

func (l *ledger) find(id string) (*draft, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.drafts, func(each *draft) bool { return each.id == id })
	if at < 0 {
		return nil, notFound("This change is not kept any more", "The console keeps changes until it ends, and only the newest. Begin again from the object's page.")
	}
	return l.drafts[at], nil
}

// finish records that the draft was written. The caller holds the lock of the draft.
func (l *ledger) finish(d *draft, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.written = at
}

// done returns the drafts that were written, the newest first.
func (l *ledger) done() []*draft {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []*draft
	for _, each := range slices.Backward(l.drafts) {
		if !each.written.IsZero() {
			found = append(found, each)
		}
	}
	return found
}

package print

import (
	"io"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/report"
	"github.com/usher-dev/usher/internal/resolve"
)

// AuditJSON writes the report as JSON, entry by entry. The names are a contract (docs/kubectl-access.md).
func AuditJSON(out io.Writer, a *report.Audit) error {
	filters := newFilterList(func(yield func([]resolve.Filter) bool) {
		for _, held := range [][]query.Holding{a.Holdings, a.Ending} {
			for i := range held {
				if !yield(held[i].Filters) {
					return
				}
			}
		}
	})
	reference := func(h *query.Holding) any { return filters.reference(h) }

	j := newJSONStream(out)
	j.open("{")
	j.field("at", a.At)
	j.field("days", a.Days)
	j.field("systemNamespace", a.SystemNamespace)
	if len(a.Incomplete) > 0 {
		fieldOfList(j, "incomplete", a.Incomplete, asIs)
	}
	fieldOfList(j, "organizations", a.Organizations, asIs)
	filters.write(j)
	fieldOfList(j, "holdings", a.Holdings, reference)
	fieldOfList(j, "protectedGrants", a.Protected, asIs)
	fieldOfList(j, "systemLevelGrants", a.SystemLevel, asIs)
	fieldOfList(j, "conflicts", a.Conflicts, asIs)
	fieldOfList(j, "exclusions", a.Exclusions, asIs)
	fieldOfList(j, "barred", a.Barred, asIs)
	fieldOfList(j, "ending", a.Ending, reference)
	fieldOfList(j, "beginning", a.Beginning, asIs)
	fieldOfList(j, "reviews", a.Reviews, asIs)
	fieldOfList(j, "accountsWithoutGrant", a.WithoutGrant, asIs)
	fieldOfList(j, "unresolvedReferences", a.Unresolved, asIs)
	fieldOfList(j, "suspensionsOfNobody", a.BarsNobody, asIs)
	fieldOfList(j, "hints", a.Hints, asIs)
	fieldOfList(j, "outsideInventory", a.Outside, asIs)
	if len(a.NotRead) > 0 {
		fieldOfList(j, "inventoriesNotRead", a.NotRead, asIs)
	}
	j.shut("}")
	return j.finish()
}

package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/validation"
)

// addHints adds the values in objects of the namespaces that are probably mistakes.
func (a *Audit) addHints(w *source.World, namespaces []string) {
	validator := query.Validator(w)
	for i := range w.Set.Objects {
		o := w.Set.Objects[i].Object
		if !slices.Contains(namespaces, o.GetNamespace()) || source.IsNamespace(o) {
			continue
		}
		for _, hint := range validator.Hints(nil, o, a.At) {
			each := query.Remark{Object: objects.Name(o), Field: hint.Field, Message: hint.Message}
			if hint.Kind == validation.HintBarsNobody {
				a.BarsNobody = append(a.BarsNobody, each)
			} else {
				a.Hints = append(a.Hints, each)
			}
		}
	}
	a.addIdle(w, namespaces)
	for _, remarks := range [][]query.Remark{a.BarsNobody, a.Hints} {
		slices.SortStableFunc(remarks, func(a, b query.Remark) int {
			return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field))
		})
	}
}

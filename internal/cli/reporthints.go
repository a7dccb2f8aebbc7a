package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/validation"
)

// addHints adds the values in objects of the namespaces that are probably mistakes.
func (a *audit) addHints(w *world, namespaces []string) {
	validator := w.validator()
	for i := range w.set.Objects {
		o := w.set.Objects[i].Object
		if !slices.Contains(namespaces, o.GetNamespace()) || isNamespace(o) {
			continue
		}
		for _, hint := range validator.Hints(nil, o, a.At) {
			each := remark{Object: objects.Name(o), Field: hint.Field, Message: hint.Message}
			if hint.Kind == validation.HintBarsNobody {
				a.BarsNobody = append(a.BarsNobody, each)
			} else {
				a.Hints = append(a.Hints, each)
			}
		}
	}
	a.addIdle(w, namespaces)
	for _, remarks := range [][]remark{a.BarsNobody, a.Hints} {
		slices.SortStableFunc(remarks, func(a, b remark) int {
			return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field))
		})
	}
}

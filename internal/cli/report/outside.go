package report

import (
	"context"
	"slices"
	"strings"

	"k8s.io/client-go/rest"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
)

// Outside is a declared object that carries the marks of a Kustomization or Application but is not in its
// inventory. The tool neither changes nor prunes the object, so its access stays (docs/gitops.md).
type Outside struct {
	Object string `json:"object"`
	// KeptBy is the Kustomization or Application in the marks of the object.
	KeptBy string `json:"keptBy"`
	// Gone reports that the Kustomization or Application does not exist.
	Gone bool `json:"gone,omitempty"`
}

// AddOutside adds the objects of the cluster that are missing in the inventory of the tool that marked them.
// Inventories that the caller may not read are listed and are not an error, because most callers may not read them.
func (a *Audit) AddOutside(ctx context.Context, config *rest.Config, w *source.World) error {
	inventories, err := objects.NewInventories(config)
	if err != nil {
		return err
	}
	for _, o := range w.Set.Objects {
		keeper, marked := objects.KeeperOf(o.Object)
		if ua, is := o.Object.(*accessv1alpha1.UserAccess); !marked || is && roster.IsMaterialized(ua) {
			continue
		}
		has, exists, err := inventories.Has(ctx, keeper, o.Object)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.NotRead = append(a.NotRead, err.Error())
		case !has:
			a.Outside = append(a.Outside, Outside{Object: objects.Name(o.Object), KeptBy: keeper.String(), Gone: !exists})
		}
	}
	slices.SortFunc(a.Outside, func(x, y Outside) int { return strings.Compare(x.Object, y.Object) })
	slices.Sort(a.NotRead)
	a.NotRead = slices.Compact(a.NotRead)
	return nil
}

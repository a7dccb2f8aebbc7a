package edit

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// ConfirmReviews sets spec.reviewedAt of the groups to the instant. It returns an error for a group without a review.
func ConfirmReviews(groups []*objects.Object, now time.Time) (*Plan, error) {
	p := &Plan{}
	var failures []error
	for _, o := range groups {
		g := Edited[*accessv1alpha1.AccessGroup](o)
		if g.Spec.Review.EveryDays == 0 {
			failures = append(failures, fmt.Errorf("%s has no spec.review, so there is nothing to confirm; "+
				"set spec.review.everyDays first", objects.Name(g)))
			continue
		}
		g.Spec.ReviewedAt = new(metav1.NewTime(now))
		p.add(o, g)
	}
	return p, errors.Join(failures...)
}

package edit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/query"
)

// roles points to the fields of a spec that give roles.
type roles struct {
	organizationRole *accessv1alpha1.RoleName
	applications     *[]accessv1alpha1.ApplicationGrant
	selectors        *[]accessv1alpha1.ApplicationSelectorGrant
	system           *[]accessv1alpha1.SystemGrant
	systemSelectors  *[]accessv1alpha1.SystemSelectorGrant
}

// setRole sets the role of the row in the matching field.
func setRole(r *row, into *roles) error {
	role := accessv1alpha1.RoleName(r.get(columnRole))
	w, err := r.said()
	if err != nil {
		return err
	}
	var systemRole *accessv1alpha1.RoleName
	switch {
	case r.get(columnOrganization) != "":
		e := systemEntry(into.system, r.get(columnOrganization))
		systemRole, into.organizationRole, into.applications, into.selectors =
			&e.Role, &e.OrganizationRole, &e.ApplicationAccess, &e.ApplicationSelectors
	case r.get(columnOrganizationSelector) != "":
		e, err := systemSelectorEntry(into.systemSelectors, r.get(columnOrganizationSelector))
		if err != nil {
			return err
		}
		systemRole, into.organizationRole, into.applications, into.selectors =
			&e.Role, &e.OrganizationRole, &e.ApplicationAccess, &e.ApplicationSelectors
	}
	switch {
	case r.get(columnRecord) == recordSystemRole:
		*systemRole = role
	case r.get(columnRecord) == recordOrganizationRole:
		*into.organizationRole = role
	case r.get(columnApplicationSelector) != "":
		return setSelectorGrant(into.selectors, r.get(columnApplicationSelector), role, w)
	default:
		return setGrant(into.applications, r.get(columnApplication), string(role), w)
	}
	return nil
}

func systemSelectorEntry(entries *[]accessv1alpha1.SystemSelectorGrant, text string) (*accessv1alpha1.SystemSelectorGrant, error) {
	selector, err := parseSelector(text)
	if err != nil {
		return nil, err
	}
	text = query.SelectorText(selector)
	return entryOf(entries, func(each *accessv1alpha1.SystemSelectorGrant) bool { return query.SelectorText(&each.Selector) == text },
		accessv1alpha1.SystemSelectorGrant{Selector: *selector}), nil
}

// setSelectorGrant sets the window of the entry with the selector and the role.
func setSelectorGrant(
	grants *[]accessv1alpha1.ApplicationSelectorGrant, text string, role accessv1alpha1.RoleName, w *Window,
) error {
	selector, err := parseSelector(text)
	if err != nil {
		return err
	}
	text = query.SelectorText(selector)
	g := entryOf(grants, func(each *accessv1alpha1.ApplicationSelectorGrant) bool {
		return query.SelectorText(&each.Selector) == text && each.Role == role
	}, accessv1alpha1.ApplicationSelectorGrant{Selector: *selector, Role: role})
	g.NotBefore, g.NotAfter, err = w.Over(g.NotBefore, g.NotAfter)
	return err
}

// parseSelector parses a selector in the syntax of the kubectl flag --selector.
func parseSelector(text string) (*accessv1alpha1.LabelSelector, error) {
	standard, err := metav1.ParseToLabelSelector(text)
	if err != nil {
		return nil, fmt.Errorf("selector %q: %w", text, err)
	}
	selector := &accessv1alpha1.LabelSelector{}
	for key, value := range standard.MatchLabels {
		if selector.MatchLabels == nil {
			selector.MatchLabels = map[string]accessv1alpha1.LabelValue{}
		}
		selector.MatchLabels[key] = accessv1alpha1.LabelValue(value)
	}
	for _, e := range standard.MatchExpressions {
		made := accessv1alpha1.LabelSelectorRequirement{Key: accessv1alpha1.LabelKey(e.Key), Operator: e.Operator}
		for _, value := range e.Values {
			made.Values = append(made.Values, accessv1alpha1.LabelValue(value))
		}
		selector.MatchExpressions = append(selector.MatchExpressions, made)
	}
	if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		return nil, fmt.Errorf("selector %q: it has no terms, and selects nothing", text)
	}
	return selector, nil
}

func checkSelectorCell(text string) error { _, err := parseSelector(text); return err }

// The limits of everyDays.
const (
	minimumEveryDays = 1
	maximumEveryDays = 1826
)

func checkEveryDays(text string) error {
	if n, err := strconv.Atoi(text); err != nil || n < minimumEveryDays || n > maximumEveryDays {
		return fmt.Errorf("%q: it takes a number of days from %d to %d", text, minimumEveryDays, maximumEveryDays)
	}
	return nil
}

// setReview sets the review interval of the group, and the time of the last review if the row contains it.
func setReview(g *accessv1alpha1.AccessGroup, r *row) error {
	days, err := strconv.ParseInt(r.get(columnEveryDays), 10, 32)
	if err != nil {
		return err
	}
	g.Spec.Review.EveryDays = int32(days)
	g.Spec.Review.IfMissed = cmp.Or(accessv1alpha1.MissedReview(r.get(columnIfMissed)), g.Spec.Review.IfMissed)
	if text := r.get(columnReviewedAt); text != "" {
		at, err := ParseInstant(text)
		if err != nil {
			return err
		}
		g.Spec.ReviewedAt = orNone(at)
	}
	if g.Spec.Review.IfMissed == accessv1alpha1.MissedReviewEnd && g.Spec.ReviewedAt == nil {
		return fmt.Errorf("%s: with ifMissed End, reviewedAt says when the last review was", g.Name)
	}
	return nil
}

// addAttribute adds one value to an attribute of the user.
func addAttribute(ua *accessv1alpha1.UserAccess, r *row) {
	name, value := accessv1alpha1.AttributeName(r.get(columnAttribute)), accessv1alpha1.AttributeValue(r.get(columnValue))
	a := entryOf(&ua.Spec.Attributes, func(each *accessv1alpha1.UserAttribute) bool { return each.Name == name },
		accessv1alpha1.UserAttribute{Name: name})
	if !slices.Contains(a.Values, value) {
		a.Values = append(a.Values, value)
	}
}

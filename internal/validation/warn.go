package validation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// validateSelector returns the errors of a selector that the schema accepts, such as a label key of a form that no
// object can have.
func validateSelector(selector *metav1.LabelSelector, at *field.Path) field.ErrorList {
	return metav1validation.ValidateLabelSelector(selector, metav1validation.LabelSelectorValidationOptions{}, at)
}

// warn adds warnings about fields that have no effect, and about effects that the object does not show.
func (j *judge) warn(trial *preview.Preview) {
	if j.request.New == nil {
		return
	}
	j.warnOfPlace(trial)
	j.warnOfReferences(trial)
	j.warnOfFilters(trial)
	j.warnOfConfigMaps(trial)
	switch made := j.request.New.(type) {
	case *accessv1alpha1.AccessGroup:
		j.warnOfUnlisted(made)
	case *accessv1alpha1.UserAccess:
		j.warnOfDuplicates(made)
	}
	j.hint()
}

// hint adds the hints about values that are probably mistakes.
func (j *judge) hint() {
	for _, hint := range j.Validator.Hints(j.request.Old, j.request.New, j.request.Now) {
		if hint.Right == nil {
			j.Warnings = append(j.Warnings, hint.Text())
		} else {
			j.Judgement.Hints = append(j.Judgement.Hints, hint)
		}
	}
}

func (j *judge) warning(format string, args ...any) {
	j.Warnings = append(j.Warnings, fmt.Sprintf(format, args...))
}

// warnOfPlace warns of objects and fields that have no effect in their namespace.
func (j *judge) warnOfPlace(trial *preview.Preview) {
	system := j.view.SystemNamespace()
	atSystem := trial.Object.Namespace == system
	if !trial.Selected && j.changed.created {
		j.warning("namespace %s is not selected as an organization: %s has no effect until it is",
			trial.Object.Namespace, trial.Object)
	}
	switch made := j.request.New.(type) {
	case *accessv1alpha1.AccessGroup:
		isSystem := made.Spec.Type == accessv1alpha1.GroupTypeSystem
		switch {
		case !j.changed.created:
		case isSystem && !atSystem:
			j.warning("spec.type: a System group counts only in the namespace %s; %s has no effect", system, trial.Object)
		case !isSystem && atSystem:
			j.warning("spec.type: an Organization group counts only in an organization, and %s is none; %s has no effect",
				system, trial.Object)
		}
	case *accessv1alpha1.ApplicationAccess:
		if atSystem && j.changed.created {
			j.warning("%s is not an organization: %s has no effect", system, trial.Object)
		}
	case *accessv1alpha1.UserAccess:
		j.warnOfFields(made)
	case *accessv1alpha1.AccessPolicy:
		if !atSystem && j.changed.touch("systemRoles") && len(made.Spec.SystemRoles) > 0 {
			j.warning("spec.systemRoles has no effect outside %s", system)
		}
	}
}

// warnOfFields warns of fields of a UserAccess that have no effect in its namespace.
func (j *judge) warnOfFields(made *accessv1alpha1.UserAccess) {
	system, spec := j.view.SystemNamespace(), &made.Spec
	atSystem := made.Namespace == system
	for _, f := range []struct {
		name          string
		given, across bool
	}{
		{"organizationRole", spec.OrganizationRole != "", false},
		{"applicationAccess", len(spec.ApplicationAccess) > 0, false},
		{"applicationSelectors", len(spec.ApplicationSelectors) > 0, false},
		{"systemAccess", len(spec.SystemAccess) > 0, true},
		{"systemAccessSelectors", len(spec.SystemAccessSelectors) > 0, true},
	} {
		switch {
		case !f.given || f.across == atSystem || !j.changed.touch(f.name):
		case atSystem:
			j.warning("spec.%s has no effect in %s: roles across organizations are in spec.systemAccess", f.name, system)
		default:
			j.warning("spec.%s has no effect outside %s", f.name, system)
		}
	}
}

// warnOfReferences warns of new references to names that do not exist. They are not refused, because the target
// may be created later.
func (j *judge) warnOfReferences(trial *preview.Preview) {
	count := 0
	for _, u := range trial.UnresolvedAfter {
		if slices.Contains(trial.UnresolvedBefore, u) {
			continue
		}
		if count++; count > mostShown {
			continue
		}
		suggestion := ""
		if near := NearestReference(j.view, &u, trial.Object.Namespace); len(near) > 0 {
			suggestion = "; " + words.Meant(near[:1])
		}
		j.warning("%s: there is no %s %s in %s%s It has no effect until it exists", u.Field, noun(u.Kind), u.Name,
			j.place(&u, trial.Object.Namespace), sentence(suggestion))
	}
	if count > mostShown {
		j.warning("further references to what does not exist: %d", count-mostShown)
	}
}

func sentence(suggestion string) string {
	if suggestion == "" {
		return "."
	}
	return suggestion
}

func noun(kind accessv1alpha1.ReferenceKind) string {
	switch kind {
	case accessv1alpha1.ReferenceAccessGroup:
		return "AccessGroup"
	case accessv1alpha1.ReferenceApplicationRole:
		return "application role"
	case accessv1alpha1.ReferenceOrganizationRole:
		return "organization role"
	case accessv1alpha1.ReferenceSystemRole:
		return "system role"
	default:
		return "notification channel"
	}
}

// anywhere reports whether the reference of an object in the namespace is looked up in all organizations: a role that an
// object of the system namespace gives in organizations that it does not name.
func (j *judge) anywhere(u *accessv1alpha1.UnresolvedReference, namespace string) bool {
	return u.Organization == "" && namespace == j.view.SystemNamespace() &&
		(u.Kind == accessv1alpha1.ReferenceApplicationRole || u.Kind == accessv1alpha1.ReferenceOrganizationRole)
}

// place returns the words for where the reference is looked up.
func (j *judge) place(u *accessv1alpha1.UnresolvedReference, namespace string) string {
	if j.anywhere(u, namespace) {
		return "any organization"
	}
	return cmp.Or(string(u.Organization), namespace)
}

// NearestReference returns the existing names that are similar to the one that the reference of an object in the namespace
// has, like [Nearest].
func NearestReference(view *roster.View, u *accessv1alpha1.UnresolvedReference, namespace string) []string {
	return Nearest(u.Name, referable(view, u, namespace))
}

// referable returns the existing names where the reference is looked up. For a role in any organization, these are the roles
// of an organization without a policy.
func referable(view *roster.View, u *accessv1alpha1.UnresolvedReference, namespace string) []string {
	var names []string
	place := cmp.Or(string(u.Organization), namespace)
	if u.Kind == accessv1alpha1.ReferenceAccessGroup {
		for name := range view.Index().Namespace(place).Groups() {
			names = append(names, name)
		}
		return names
	}
	o := view.Organization(place)
	if place == view.SystemNamespace() {
		o = resolve.NewOrganization(view.Index().DefaultRules())
	}
	if o == nil {
		return nil
	}
	names = append(names, resolve.NoAccess)
	switch rules := o.Rules(); u.Kind {
	case accessv1alpha1.ReferenceApplicationRole:
		for _, r := range rules.ApplicationRoles {
			names = append(names, r.Name)
		}
	case accessv1alpha1.ReferenceOrganizationRole:
		for _, r := range rules.OrganizationRoles {
			names = append(names, r.Name)
		}
	case accessv1alpha1.ReferenceSystemRole:
		for _, r := range rules.SystemRoles {
			names = append(names, r.Name)
		}
	}
	return names
}

// warnOfDuplicates warns if the user has another UserAccess in the namespace, because only one of them counts.
func (j *judge) warnOfDuplicates(made *accessv1alpha1.UserAccess) {
	if !j.changed.created {
		return
	}
	var others []string
	for _, ua := range j.view.Index().Namespace(made.Namespace).Account(string(made.Spec.User)).All() {
		if ua.Name != made.Name && !roster.IsMaterialized(ua) && ua.DeletionTimestamp == nil {
			others = append(others, ua.Name)
		}
	}
	if len(others) == 0 {
		return
	}
	counts := slices.Min(append(slices.Clone(others), made.Name))
	j.warning("spec.user: %s has another UserAccess in %s (%s); only %s counts, and a suspension or closed window of any",
		made.Spec.User, made.Namespace, strings.Join(others, ", "), counts)
}

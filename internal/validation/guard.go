package validation

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/roster"
)

// goes reports whether the request removes an object that is being deleted: it removes the last finalizer.
func (j *judge) goes() bool {
	old, made := j.request.Old, j.request.New
	switch {
	case old == nil || old.GetDeletionTimestamp() == nil:
		return false
	case made == nil:
		return !j.request.Lingers
	default:
		return len(made.GetFinalizers()) == 0
	}
}

var (
	labelsPath = field.NewPath("metadata", "labels")
	ownersPath = field.NewPath("metadata", "ownerReferences")
)

// stayAsItIs refuses changes to the spec and the labels of an object that is being deleted. The deletion was
// judged by them.
func (j *judge) stayAsItIs() {
	const why = "the object is being deleted: only its finalizers and annotations may change"
	for _, name := range j.changed.fields {
		j.Errors = append(j.Errors, field.Forbidden(field.NewPath("spec", name), why))
	}
	if j.changed.labels {
		j.Errors = append(j.Errors, field.Forbidden(labelsPath, why))
	}
}

// isProtected reports whether the object carries the protection label.
func isProtected(o client.Object) bool {
	return o.GetLabels()[accessv1alpha1.LabelProtected] == accessv1alpha1.ValueTrue
}

// freeFields are the fields of a protected object that may change without the verb unprotect.
var freeFields = []string{"members", "reviewedAt"}

// protect requires the verb unprotect for a change to a protected object outside its free fields.
func (j *judge) protect() {
	old := j.request.Old
	if old == nil || !isProtected(old) || j.changed.only(freeFields...) {
		return
	}
	what, at := "deletes it", field.NewPath("metadata", "name")
	switch {
	case j.changed.deleted:
	case j.changed.labels:
		what, at = "changes its labels", labelsPath
	case j.changed.owners:
		what, at = "changes its owner references", ownersPath
	default:
		other := slices.DeleteFunc(slices.Clone(j.changed.fields), func(f string) bool { return slices.Contains(freeFields, f) })
		what, at = "changes spec."+other[0], field.NewPath("spec", other[0])
	}
	o := j.object()
	j.Rights = append(j.Rights, Right{
		AnyOf: objectRight(VerbUnprotect, o), Field: at,
		Reason: fmt.Sprintf("%s is protected by the label %s=%s and this %s; without the right only members and reviewedAt may change",
			o, accessv1alpha1.LabelProtected, accessv1alpha1.ValueTrue, what),
	})
}

// join requires the verb join on every group that the object newly names, even if the group does not exist.
func (j *judge) join() {
	var was, is []accessv1alpha1.GroupName
	name, what := "groups", "the user becomes a member of"
	switch made := j.request.New.(type) {
	case *accessv1alpha1.UserAccess:
		is = made.Spec.Groups
		if old, ok := j.request.Old.(*accessv1alpha1.UserAccess); ok && old != nil {
			was = old.Spec.Groups
		}
	case *accessv1alpha1.AccessGroup:
		name, what = "memberGroups", "this group takes in the members of"
		is = made.Spec.MemberGroups
		if old, ok := j.request.Old.(*accessv1alpha1.AccessGroup); ok && old != nil {
			was = old.Spec.MemberGroups
		}
	}
	for i, group := range is {
		if slices.Contains(was, group) {
			continue
		}
		named := roster.Object{Kind: roster.KindAccessGroup, Namespace: j.object().Namespace, Name: string(group)}
		j.Rights = append(j.Rights, Right{
			AnyOf: objectRight(VerbJoin, named), Field: field.NewPath("spec", name).Index(i),
			Reason: fmt.Sprintf("%s %s, now or as soon as it exists", what, named),
		})
	}
}

// changePolicy requires the right to grant every role for a change to the parts of a policy that decide about
// roles or guard them.
func (j *judge) changePolicy() {
	o := j.object()
	if o.Kind != roster.KindAccessPolicy {
		return
	}
	at := j.changed.path("")
	if !j.changed.created && !j.changed.deleted && !j.changed.owned && !j.goes() {
		i := slices.IndexFunc(j.changed.fields, func(name string) bool {
			return name != "userConfigMaps" && name != "notificationChannels"
		})
		if i < 0 {
			return
		}
		at = field.NewPath("spec", j.changed.fields[i])
	}
	where := "in organization " + o.Namespace
	if o.Namespace == j.view.SystemNamespace() {
		where = "in every organization"
	}
	j.requireAny(at, fmt.Sprintf("%s determines the effect of every grant %s, so changes are reserved for those who may grant any of the",
		o, where))
}

// requireAny requires the right to grant every role in the namespace of the object, or in all namespaces if the
// object is in the system namespace.
func (j *judge) requireAny(at *field.Path, reason string) {
	namespace := j.object().Namespace
	if namespace == j.view.SystemNamespace() {
		namespace = ""
	}
	for _, resource := range []string{ResourceApplicationRoles, ResourceOrganizationRoles, ResourceSystemRoles} {
		j.Rights = append(j.Rights, Right{
			AnyOf: []Attributes{{Verb: VerbGrant, Group: GrantsGroup, Resource: resource, Namespace: namespace}},
			Field: at, Reason: reason + " " + resource,
		})
	}
}

// handOver requires the right to grant every role if an object gets an owner reference. The garbage collector
// later deletes the object with its owner without any check, even if users gain access by the deletion.
func (j *judge) handOver() {
	o := j.object()
	if !j.changed.owned || o.Kind == roster.KindAccessPolicy {
		return // changePolicy already requires it
	}
	j.requireAny(ownersPath, fmt.Sprintf(
		"the garbage collector deletes %s with its owner and without a check, so owner references are reserved for those "+
			"who may grant any of the", o))
}

// span requires the right of a super-administrator for a new group that spans organizations, whatever the group
// declares at first.
func (j *judge) span() {
	made, ok := j.request.New.(*accessv1alpha1.AccessGroup)
	if !ok || !j.changed.created || made.Spec.Type != accessv1alpha1.GroupTypeSystem ||
		made.Namespace != j.view.SystemNamespace() {
		return
	}
	right := j.exempting()
	right.Field = field.NewPath("spec", "type")
	right.Reason = fmt.Sprintf("%s spans organizations, so creating it is reserved for those who may grant the top system role",
		j.object())
	j.Rights = append(j.Rights, right)
}

// own refuses an object that is wrong by itself in a way that neither the schema nor CEL can check.
func (j *judge) own() {
	if j.request.New == nil {
		return
	}
	j.ownAnnotation()
	j.ownSelectors()
	j.ownReview()
	j.ownTemplates()
	j.ownName()
	value, is := j.request.New.GetLabels()[accessv1alpha1.LabelProtected]
	if was := j.oldLabels()[accessv1alpha1.LabelProtected]; is && value != was && value != accessv1alpha1.ValueTrue {
		j.Errors = append(j.Errors, field.NotSupported(labelsPath.Key(accessv1alpha1.LabelProtected), value,
			[]string{accessv1alpha1.ValueTrue}))
	}
}

func (j *judge) oldLabels() map[string]string {
	if j.request.Old == nil {
		return nil
	}
	return j.request.Old.GetLabels()
}

func (j *judge) ownAnnotation() {
	value, is := j.request.New.GetAnnotations()[accessv1alpha1.AnnotationAllowRevocation]
	if !is || (j.request.Old != nil && j.request.Old.GetAnnotations()[accessv1alpha1.AnnotationAllowRevocation] == value) {
		return
	}
	if _, err := parseAllowance(value); err != nil {
		j.Errors = append(j.Errors, field.Invalid(
			field.NewPath("metadata", "annotations").Key(accessv1alpha1.AnnotationAllowRevocation), value, err.Error()))
	}
}

// ownName refuses a new UserAccess with the name that Usher generates for the UserAccess of another user. Usher
// could then write neither that UserAccess nor the user's document.
func (j *judge) ownName() {
	made, ok := j.request.New.(*accessv1alpha1.UserAccess)
	if !ok || !j.changed.created || !identity.IsReserved(made.Name) {
		return
	}
	if name := identity.Name(string(made.Spec.User)); made.Name != name {
		j.Errors = append(j.Errors, field.Invalid(field.NewPath("metadata", "name"), made.Name, fmt.Sprintf(
			"a name that ends in a hyphen and 16 hex digits is reserved for the user that it is derived from; the name for %s is %s. "+
				"Use that name, or one with another ending", made.Spec.User, name)))
	}
}

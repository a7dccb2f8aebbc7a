package v1alpha1

import (
	"cmp"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/json"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// resources maps the four kinds to their resources in requests.
var resources = map[string]string{
	kindGroup: "accessgroups", kindPolicy: "accesspolicies", kindApplication: "applicationaccesses", kindUser: "useraccesses",
}

// checkRequest returns an error for a request that the webhook configuration does not send: one for another kind,
// resource, subresource or operation.
func checkRequest(review *admission.Request) error {
	switch review.Operation {
	case admissionv1.Create, admissionv1.Update, admissionv1.Delete:
	case admissionv1.Connect:
		return fmt.Errorf("operation %q is none that Usher is asked about", review.Operation)
	default:
		return fmt.Errorf("operation %q is none that Usher knows", shortened(string(review.Operation)))
	}
	if newObject(review.Kind) == nil {
		return fmt.Errorf("%s is none of Usher's kinds", shortened(review.Kind.String()))
	}
	resource := metav1.GroupVersionResource{
		Group: review.Kind.Group, Version: review.Kind.Version, Resource: resources[review.Kind.Kind],
	}
	if review.Resource != resource && review.Resource != (metav1.GroupVersionResource{}) {
		return fmt.Errorf("resource: the kind of the request is %s and its resource %s; must be %s",
			review.Kind.Kind, shortened(review.Resource.String()), resource)
	}
	if review.SubResource != "" {
		return fmt.Errorf("subResource %q: Usher is asked about whole objects only", shortened(review.SubResource))
	}
	return nil
}

// readObject reads one of the two objects of a review. It returns an error if it is not the object that the
// request names. A request without a name creates an object with a generated name.
func readObject(review *admission.Request, which string, raw runtime.RawExtension) (client.Object, error) {
	made := newObject(review.Kind)
	// Keys are case-sensitive, as they are for the API server. Otherwise two keys could set the same field.
	if err := json.UnmarshalCaseSensitivePreserveInts(raw.Raw, made); err != nil {
		return nil, fmt.Errorf("%s: reading the %s: %w", which, review.Kind.Kind, err)
	}
	if made.GetNamespace() == "" {
		made.SetNamespace(review.Namespace)
	}
	for _, each := range []struct{ what, of, request string }{
		{"apiVersion", made.GetObjectKind().GroupVersionKind().GroupVersion().String(), accessv1alpha1.GroupVersion.String()},
		{"kind", made.GetObjectKind().GroupVersionKind().Kind, review.Kind.Kind},
		{"metadata.namespace", made.GetNamespace(), review.Namespace},
		{"metadata.name", made.GetName(), cmp.Or(review.Name, made.GetName())},
	} {
		if each.of != each.request && (each.of != "" || strings.HasPrefix(each.what, "metadata.")) {
			return nil, fmt.Errorf("%s.%s is %q, but the request is for %q; both must be the same",
				which, each.what, shortened(each.of), shortened(each.request))
		}
	}
	if problems := validation.IsDNS1123Label(made.GetNamespace()); len(problems) > 0 {
		return nil, fmt.Errorf("%s.metadata.namespace %q: %s", which, shortened(made.GetNamespace()), problems[0])
	}
	if len(made.GetUID()) > mostOfName {
		return nil, fmt.Errorf("%s.metadata.uid has %d bytes; must have at most %d", which, len(made.GetUID()), mostOfName)
	}
	if problems := validation.IsDNS1123Subdomain(made.GetName()); len(problems) > 0 {
		return nil, fmt.Errorf("%s.metadata.name %q: %s", which, shortened(made.GetName()), problems[0])
	}
	return made, nil
}

// agree returns an error unless both are the same object. readObject has compared each object with the name in the
// request, but a request for a generated name has none.
func agree(old, made client.Object) error {
	for _, each := range []struct{ what, was, is string }{
		{"metadata.namespace", old.GetNamespace(), made.GetNamespace()},
		{"metadata.name", old.GetName(), made.GetName()},
		{"metadata.uid", string(old.GetUID()), string(made.GetUID())},
	} {
		if each.was != each.is {
			return fmt.Errorf("oldObject.%s is %q, but object.%s is %q; both must be the same object",
				each.what, shortened(each.was), each.what, shortened(each.is))
		}
	}
	return nil
}

const (
	// mostOfName bounds how much of a name in a review appears in messages and logs.
	mostOfName = 256
	// mostLogged bounds how much of a message appears in logs.
	mostLogged = 4096
)

// shortened returns the text, or its beginning if it is longer than a name may be.
func shortened(text string) string { return excerpt(text, mostOfName) }

// excerpt returns the text, or its beginning if it has more than most bytes.
func excerpt(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

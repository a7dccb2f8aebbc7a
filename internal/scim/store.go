package scim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// FieldManager is the field manager of everything that an identity provider writes.
const FieldManager = "usher-scim"

// pageSize is the number of objects that the API server returns at a time.
const pageSize = 100

// mostRetries is how often the client repeats a request by itself, where a connection is lost or the API server asks for
// it. After that, the identity provider repeats its request.
const mostRetries = 2

// kind is a kind of objects.
type kind struct{ name, resource string }

var (
	kindUserAccess  = kind{"UserAccess", "useraccesses"}
	kindAccessGroup = kind{"AccessGroup", "accessgroups"}
)

// Connector connects to the API server with the tokens of callers. The connections are shared.
type Connector struct {
	host      *url.URL
	transport http.RoundTripper
	content   rest.ClientContentConfig
	userAgent string
}

// NewConnector returns a connector to the API server of the configuration. It uses no credentials of the configuration.
func NewConnector(config *rest.Config, userAgent string) (*Connector, error) {
	config = rest.AnonymousClientConfig(config)
	shared, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	host, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("the address of the API server: %w", err)
	}
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, accessv1alpha1.GroupVersion)
	if err := accessv1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	return &Connector{
		host: host, transport: shared, userAgent: userAgent,
		content: rest.ClientContentConfig{
			ContentType: runtime.ContentTypeJSON, GroupVersion: accessv1alpha1.GroupVersion,
			Negotiator: runtime.NewClientNegotiator(codecs, accessv1alpha1.GroupVersion),
		},
	}, nil
}

// connect returns a store that acts with the token.
func (c *Connector) connect(token, namespace string) (*store, error) {
	client := &http.Client{Transport: transport.NewUserAgentRoundTripper(c.userAgent,
		transport.NewBearerAuthRoundTripper(token, c.transport))}
	api, err := rest.NewRESTClient(c.host, "/apis/"+accessv1alpha1.GroupVersion.String(), c.content, nil, client)
	if err != nil {
		return nil, err
	}
	return &store{api, namespace}, nil
}

// store reads and writes the objects of an organization.
type store struct {
	api       rest.Interface
	namespace string
}

func (s *store) get(ctx context.Context, k kind, name string, into runtime.Object) error {
	return s.api.Get().Namespace(s.namespace).Resource(k.resource).Name(name).MaxRetries(mostRetries).Do(ctx).Into(into)
}

// check returns an error if the API server does not accept the token, or lets it list no groups.
func (s *store) check(ctx context.Context) error {
	options := metav1.ListOptions{Limit: 1}
	return s.api.Get().Namespace(s.namespace).Resource(kindAccessGroup.resource).
		VersionedParams(&options, metav1.ParameterCodec).MaxRetries(mostRetries).Do(ctx).Error()
}

// eachPage lists the objects with the labels. It calls visit for each page; into is the list that each page is read into.
func (s *store) eachPage(ctx context.Context, k kind, selector string, into metav1.ListInterface, visit func() error) error {
	options := metav1.ListOptions{LabelSelector: selector, Limit: pageSize}
	for {
		list, is := into.(runtime.Object)
		if !is {
			return fmt.Errorf("%T is not a list", into)
		}
		err := s.api.Get().Namespace(s.namespace).Resource(k.resource).
			VersionedParams(&options, metav1.ParameterCodec).MaxRetries(mostRetries).Do(ctx).Into(list)
		if err != nil {
			return err
		}
		if err := visit(); err != nil || into.GetContinue() == "" {
			return err
		}
		options.Continue = into.GetContinue()
	}
}

// users calls visit for each UserAccess with the labels, sorted by name.
func (s *store) users(ctx context.Context, selector string, visit func(*accessv1alpha1.UserAccess) error) error {
	var list accessv1alpha1.UserAccessList
	return s.eachPage(ctx, kindUserAccess, selector, &list, func() error {
		items := list.Items
		list = accessv1alpha1.UserAccessList{ListMeta: list.ListMeta}
		for i := range items {
			if err := visit(&items[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// groups calls visit for each AccessGroup with the labels, sorted by name.
func (s *store) groups(ctx context.Context, selector string, visit func(*accessv1alpha1.AccessGroup) error) error {
	var list accessv1alpha1.AccessGroupList
	return s.eachPage(ctx, kindAccessGroup, selector, &list, func() error {
		items := list.Items
		list = accessv1alpha1.AccessGroupList{ListMeta: list.ListMeta}
		for i := range items {
			if err := visit(&items[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// applied is everything that an identity provider's manager applies to an object. What it leaves out, the API server
// removes if no other manager owns it.
type applied struct {
	kind            kind
	namespace, name string
	// uid and resourceVersion make the API server refuse the write if the object has changed. Without them, the object is
	// created.
	uid             types.UID
	resourceVersion string
	labels          map[string]string
	annotations     map[string]string
	spec            map[string]any
}

// setExternalID sets the annotation and the label of the externalId.
func (a *applied) setExternalID(id string) {
	if id != "" {
		a.annotations[accessv1alpha1.AnnotationExternalID] = id
		a.labels[accessv1alpha1.LabelExternalIDDigest] = exactDigest(id)
	}
}

// isMetadataOf reports whether the object has these labels and annotations.
func (a *applied) isMetadataOf(o metav1.Object) bool {
	for _, each := range []struct{ wanted, current map[string]string }{
		{a.labels, o.GetLabels()}, {a.annotations, o.GetAnnotations()},
	} {
		for key, value := range each.wanted {
			if each.current[key] != value {
				return false
			}
		}
	}
	return true
}

// MarshalJSON returns the body of the request.
func (a *applied) MarshalJSON() ([]byte, error) {
	metadata := map[string]any{"name": a.name, "namespace": a.namespace}
	if a.uid != "" {
		metadata["uid"], metadata["resourceVersion"] = a.uid, a.resourceVersion
	}
	if len(a.labels) > 0 {
		metadata["labels"] = a.labels
	}
	if len(a.annotations) > 0 {
		metadata["annotations"] = a.annotations
	}
	body := map[string]any{"apiVersion": accessv1alpha1.GroupVersion.String(), "kind": a.kind.name, "metadata": metadata}
	if len(a.spec) > 0 {
		body["spec"] = a.spec
	}
	return json.Marshal(body)
}

// apply writes an object by server-side apply and returns the result.
func (s *store) apply(ctx context.Context, a *applied, into runtime.Object) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.api.Patch(types.ApplyPatchType).Namespace(a.namespace).Resource(a.kind.resource).Name(a.name).
		VersionedParams(&metav1.PatchOptions{FieldManager: FieldManager}, metav1.ParameterCodec).Body(body).
		WarningHandler(rest.NoWarnings{}).MaxRetries(mostRetries).Do(ctx).Into(into)
}

// remove deletes an object if it has not changed.
func (s *store) remove(ctx context.Context, k kind, o metav1.Object) error {
	uid, version := o.GetUID(), o.GetResourceVersion()
	return s.api.Delete().Namespace(s.namespace).Resource(k.resource).Name(o.GetName()).
		Body(&metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}}).
		WarningHandler(rest.NoWarnings{}).MaxRetries(mostRetries).Do(ctx).Error()
}

// ownerOf describes who has written the object, for messages.
func ownerOf(o metav1.Object) string {
	if provider := o.GetLabels()[accessv1alpha1.LabelProvisionedBy]; provider != "" {
		return "service account " + provider + " has provisioned it"
	}
	return otherManagers(o)
}

// otherManagers lists the field managers of the object other than identity providers, for messages.
func otherManagers(o metav1.Object) string {
	var managers []string
	for _, entry := range o.GetManagedFields() {
		if entry.Subresource == "" && entry.Manager != FieldManager && !slices.Contains(managers, entry.Manager) {
			managers = append(managers, entry.Manager)
		}
	}
	slices.Sort(managers)
	return "its field managers are " + strings.Join(managers, ", ")
}

// selector returns a label selector of the terms.
func selector(terms ...string) string { return strings.Join(terms, ",") }

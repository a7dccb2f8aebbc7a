package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Writer is a client whose Create, Update and Status().Update request only the metadata in the answer. These methods
// copy the resourceVersion, labels, annotations and owner references from the answer into the object: the version
// identifies the watch event of the write, and the others show what admission changed. The rest of the object stays as
// the caller passed it. The watch shows the rest anyway, and reading it from the answer would cost both sides. All
// other methods are those of the embedded client.
type Writer struct {
	client.Client

	config     *rest.Config
	http       *http.Client
	codecs     serializer.CodecFactory
	parameters runtime.ParameterCodec

	mu        sync.Mutex
	resources map[schema.GroupVersionKind]*resource
}

// resource is the REST endpoint for the objects of a kind.
type resource struct {
	rest.Interface
	mapping string
}

// NewWriter returns a writer that wraps the client. config and connections must be those of the client.
func NewWriter(c client.Client, config *rest.Config, connections *http.Client) *Writer {
	return &Writer{
		Client: c, config: config, http: connections,
		codecs: serializer.NewCodecFactory(c.Scheme()), parameters: runtime.NewParameterCodec(c.Scheme()),
		resources: map[schema.GroupVersionKind]*resource{},
	}
}

// Create creates the object.
func (w *Writer) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	to, err := w.resourceOf(o)
	if err != nil {
		return err
	}
	merged := (&client.CreateOptions{}).ApplyOptions(options).AsCreateOptions()
	return w.send(ctx, to.Post().Namespace(o.GetNamespace()).Resource(to.mapping), o, merged)
}

// Update replaces the object.
func (w *Writer) Update(ctx context.Context, o client.Object, options ...client.UpdateOption) error {
	to, err := w.resourceOf(o)
	if err != nil {
		return err
	}
	merged := (&client.UpdateOptions{}).ApplyOptions(options).AsUpdateOptions()
	return w.send(ctx, to.Put().Namespace(o.GetNamespace()).Resource(to.mapping).Name(o.GetName()), o, merged)
}

// Status returns a writer for statuses.
func (w *Writer) Status() client.SubResourceWriter {
	return &statusWriter{SubResourceWriter: w.Client.Status(), writer: w}
}

type statusWriter struct {
	client.SubResourceWriter

	writer *Writer
}

// Update replaces the status of the object.
func (s *statusWriter) Update(ctx context.Context, o client.Object, options ...client.SubResourceUpdateOption) error {
	to, err := s.writer.resourceOf(o)
	if err != nil {
		return err
	}
	merged := (&client.SubResourceUpdateOptions{}).ApplyOptions(options).AsUpdateOptions()
	request := to.Put().Namespace(o.GetNamespace()).Resource(to.mapping).Name(o.GetName()).SubResource("status")
	return s.writer.send(ctx, request, o, merged)
}

// metadataOnly requests an answer with the metadata only. Errors are answered in full.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

// send sends the object and copies the metadata from the answer.
func (w *Writer) send(ctx context.Context, request *rest.Request, o client.Object, options runtime.Object) error {
	result := request.SetHeader("Accept", metadataOnly).Body(o).VersionedParams(options, w.parameters).Do(ctx)
	if err := result.Error(); err != nil {
		return err // includes the message from the body
	}
	text, err := result.Raw()
	if err != nil {
		return err
	}
	var answer struct {
		Metadata struct {
			ResourceVersion string                  `json:"resourceVersion"`
			Labels          map[string]string       `json:"labels"`
			Annotations     map[string]string       `json:"annotations"`
			OwnerReferences []metav1.OwnerReference `json:"ownerReferences"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("reading the answer to a write of %T %s: %w", o, client.ObjectKeyFromObject(o), err)
	}
	o.SetResourceVersion(answer.Metadata.ResourceVersion)
	o.SetLabels(answer.Metadata.Labels)
	o.SetAnnotations(answer.Metadata.Annotations)
	o.SetOwnerReferences(answer.Metadata.OwnerReferences)
	return nil
}

func (w *Writer) resourceOf(o client.Object) (*resource, error) {
	kind, err := w.GroupVersionKindFor(o)
	if err != nil {
		return nil, fmt.Errorf("writing a %T: %w", o, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.resources[kind]; known != nil {
		return known, nil
	}
	mapping, err := w.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("writing a %s: %w", kind.Kind, err)
	}
	restClient, err := apiutil.RESTClientForGVK(kind, false, false, w.config, w.codecs, w.http)
	if err != nil {
		return nil, fmt.Errorf("writing a %s: %w", kind.Kind, err)
	}
	w.resources[kind] = &resource{restClient, mapping.Resource.Resource}
	return w.resources[kind], nil
}

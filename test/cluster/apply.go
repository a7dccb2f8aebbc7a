package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// fieldOwner is that of kubectl, so that a person who applies the same objects with kubectl gets no conflict.
const fieldOwner = "kubectl"

// localWebhook is the URL of the manager in config/local/webhook.
const localWebhook = "https://localhost:9443/"

// Install applies config/local (namespaces, CRDs and the manager's permissions, but no Deployment) and waits until the
// API server serves the kinds. It is idempotent.
func (c *Cluster) Install(ctx context.Context) error {
	manifests, err := renderConfig("local")
	if err != nil {
		return fmt.Errorf("install Usher: %w", err)
	}
	if _, err := c.apply(ctx, manifests, true); err != nil {
		return fmt.Errorf("install Usher: %w", err)
	}
	return nil
}

// InstallWebhooks applies config/local/webhook. Call it after Install. From then on, the API server calls a manager
// with the option Webhooks for every change to the four kinds, and rejects changes if there is none. It is idempotent.
func (c *Cluster) InstallWebhooks(ctx context.Context) error {
	address, err := c.webhookAddress(ctx)
	if err != nil {
		return err
	}
	manifests, err := renderConfig("local", "webhook")
	if err != nil {
		return fmt.Errorf("install the webhooks: %w", err)
	}
	if !bytes.Contains(manifests, []byte(localWebhook)) {
		return fmt.Errorf("config/local/webhook does not have the API server call %s", localWebhook)
	}
	manifests = bytes.ReplaceAll(manifests, []byte(localWebhook), []byte("https://"+localhost(address)+"/"))
	if _, err := c.apply(ctx, manifests, true); err != nil {
		return fmt.Errorf("install the webhooks: %w", err)
	}
	return nil
}

// RemoveWebhooks removes the webhooks, so that the kinds can be written without a manager.
func (c *Cluster) RemoveWebhooks(ctx context.Context) error {
	writer, err := c.client()
	if err != nil {
		return err
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: webhookConfiguration},
	}
	return client.IgnoreNotFound(writer.Delete(ctx, configuration))
}

// ApplyKustomization applies the output of a kustomization, as "kubectl apply --server-side -k" does, and returns the
// objects as stored.
func (c *Cluster) ApplyKustomization(ctx context.Context, dir string) ([]unstructured.Unstructured, error) {
	manifests, err := render(dir)
	if err != nil {
		return nil, err
	}
	return c.apply(ctx, manifests, false)
}

// apply applies objects on the server side, waits until the API server serves the CRDs among them, and returns the
// objects. An error on one object does not stop the others. force takes fields from other owners.
func (c *Cluster) apply(ctx context.Context, manifests []byte, force bool) ([]unstructured.Unstructured, error) {
	objects, err := parseManifests(manifests)
	if err != nil {
		return nil, err
	}
	writer, err := c.client()
	if err != nil {
		return nil, err
	}
	options := []client.ApplyOption{client.FieldOwner(fieldOwner)}
	if force {
		options = append(options, client.ForceOwnership)
	}
	var errs []error
	for i := range objects {
		object := &objects[i]
		if err := applyObject(ctx, writer, object, options); err != nil {
			errs = append(errs, fmt.Errorf("apply %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err))
		}
	}
	return objects, errors.Join(errs...)
}

func applyObject(ctx context.Context, writer client.Client, object *unstructured.Unstructured, options []client.ApplyOption) error {
	namespaced, err := writer.IsObjectNamespaced(object)
	if err != nil {
		return err
	}
	if namespaced && object.GetNamespace() == "" {
		object.SetNamespace(metav1.NamespaceDefault)
	}
	if err := writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
		return err
	}
	if object.GetKind() != "CustomResourceDefinition" {
		return nil
	}
	return wait.PollUntilContextTimeout(ctx, pollInterval, readyTimeout, true, func(ctx context.Context) (bool, error) {
		var served apiextensionsv1.CustomResourceDefinition
		if err := writer.Get(ctx, client.ObjectKeyFromObject(object), &served); err != nil {
			return false, err
		}
		for _, condition := range served.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}

// client returns a client that rejects unknown fields, as kubectl does.
func (c *Cluster) client() (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(apiextensionsv1.AddToScheme(scheme), admissionregistrationv1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register the kinds: %w", err)
	}
	writer, err := client.New(c.config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return client.WithFieldValidation(writer, client.FieldValidation(metav1.FieldValidationStrict)), nil
}

// renderConfig renders a directory below config.
func renderConfig(path ...string) ([]byte, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	return render(filepath.Join(append([]string{root, "config"}, path...)...))
}

// render renders a kustomization.
func render(dir string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", dir, err)
	}
	return built.AsYaml()
}

func parseManifests(manifests []byte) ([]unstructured.Unstructured, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	var objects []unstructured.Unstructured
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		object := unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		if strings.TrimSpace(object.GetKind()) != "" {
			objects = append(objects, object)
		}
	}
}

package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// InstallManifests installs the content of a file, such as the rendered Helm chart, instead of Install and
// InstallWebhooks. It omits the Deployment, because there are no nodes, and makes the API server call the webhooks of a
// manager with the option Webhooks. It is idempotent.
func (c *Cluster) InstallManifests(ctx context.Context, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read what to install: %w", err)
	}
	address, err := c.webhookAddress(ctx)
	if err != nil {
		return err
	}
	manifests, err := withoutNodes(content, "https://"+localhost(address))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	root, err := Root()
	if err != nil {
		return err
	}
	// Usher's installation does not create the system namespace.
	namespace, err := os.ReadFile(filepath.Join(root, "config", "local", "system_namespace.yaml"))
	if err != nil {
		return fmt.Errorf("read the system namespace: %w", err)
	}
	if _, err := c.apply(ctx, slices.Concat(namespace, []byte("\n---\n"), manifests), true); err != nil {
		return fmt.Errorf("install %s: %w", path, err)
	}
	return nil
}

// withoutNodes adapts the manifests to a control plane without nodes.
func withoutNodes(manifests []byte, webhooks string) ([]byte, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	var adapted bytes.Buffer
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return adapted.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		object := unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, err
		}
		switch object.GetKind() {
		case "", "Deployment":
			continue
		case "ValidatingWebhookConfiguration":
			if document, err = byURL(object, webhooks); err != nil {
				return nil, err
			}
		}
		adapted.WriteString("---\n")
		adapted.Write(document)
		adapted.WriteString("\n")
	}
}

// byURL makes the API server call webhooks by URL instead of a Service.
func byURL(object unstructured.Unstructured, address string) ([]byte, error) {
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &configuration); err != nil {
		return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	for i := range configuration.Webhooks {
		config := &configuration.Webhooks[i].ClientConfig
		if config.Service == nil || config.Service.Path == nil {
			return nil, fmt.Errorf("%s %s: webhook %s calls no path of a Service", object.GetKind(), object.GetName(), configuration.Webhooks[i].Name)
		}
		url := address + *config.Service.Path
		config.Service, config.URL = nil, &url
	}
	return yaml.Marshal(configuration)
}

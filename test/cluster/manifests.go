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

// InstallManifests installs what a file has, such as the rendered Helm chart, in place of Install and InstallWebhooks:
// all but the Deployment, for which there is no node, with the API server calling the webhooks of a manager that was
// started with the option Webhooks. It may be repeated.
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
	// Usher's installation does not make the system namespace.
	namespace, err := os.ReadFile(filepath.Join(root, "config", "local", "system_namespace.yaml"))
	if err != nil {
		return fmt.Errorf("read the system namespace: %w", err)
	}
	if _, err := c.apply(ctx, slices.Concat(namespace, []byte("\n---\n"), manifests), true); err != nil {
		return fmt.Errorf("install %s: %w", path, err)
	}
	return nil
}

// withoutNodes returns the manifests as a control plane without nodes takes them.
func withoutNodes(manifests []byte, webhooks string) ([]byte, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	var made bytes.Buffer
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return made.Bytes(), nil
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
		made.WriteString("---\n")
		made.Write(document)
		made.WriteString("\n")
	}
}

// byURL has the API server call webhooks by address in place of a Service.
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

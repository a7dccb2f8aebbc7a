package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
)

const (
	defaultDir     = "config/default"
	certManagerDir = "config/certmanager"
	alertsDir      = "config/alerts"
	pdpDir         = "config/pdp"
	scimDir        = "config/scim"
	templatesDir   = "config/helm/usher/templates"
	crdsDir        = "crds"

	// shippedNamespace is the namespace of config. A release of the chart has its own namespace.
	shippedNamespace = "usher-system"
	releaseNamespace = "{{ .Release.Namespace }}"

	issuedByUsher = `{{- if eq .Values.certificates.issuedBy "Usher" }}`
	end           = "{{- end }}"

	header = "# Generated from config: make manifests.\n"
)

// generated maps the kinds that the chart takes unchanged from config to their templates. Templates that depend on
// values are written by hand, and test/install compares them with config.
var generated = map[string]string{
	"ClusterRole":                    "rbac.yaml",
	"ClusterRoleBinding":             "rbac.yaml",
	"Role":                           "rbac.yaml",
	"RoleBinding":                    "rbac.yaml",
	"ValidatingAdmissionPolicy":      "admission-policies.yaml",
	"ValidatingWebhookConfiguration": "validating-webhook.yaml",
}

func writeChart(root string) error {
	shipped, err := build(root, defaultDir)
	if err != nil {
		return err
	}
	certManager, err := build(root, certManagerDir)
	if err != nil {
		return err
	}
	templates, err := chart(shipped, certManager)
	if err != nil {
		return err
	}
	alerts, err := build(root, alertsDir)
	if err != nil {
		return err
	}
	if templates["prometheusrule.yaml"], err = rules(alerts); err != nil {
		return err
	}
	for _, each := range []struct{ dir, value string }{{pdpDir, "pdp"}, {scimDir, "scim"}} {
		built, err := build(root, each.dir)
		if err != nil {
			return err
		}
		if templates[each.value+"-rbac.yaml"], err = rights(built, each.value); err != nil {
			return fmt.Errorf("%s: %w", each.dir, err)
		}
	}
	// Remove files of kinds that config no longer has.
	target := filepath.Join(root, templatesDir)
	if err := os.RemoveAll(filepath.Join(target, crdsDir)); err != nil {
		return fmt.Errorf("remove the old definitions: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(target, crdsDir), 0o755); err != nil {
		return fmt.Errorf("make a directory for the definitions: %w", err)
	}
	for name, text := range templates {
		if err := os.WriteFile(filepath.Join(target, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write a template: %w", err)
		}
	}
	return nil
}

// chart returns the generated templates by path.
func chart(shipped, certManager resmap.ResMap) (map[string]string, error) {
	texts := map[string][]string{}
	for _, object := range shipped.Resources() {
		text, err := template(object)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if object.GetKind() == "CustomResourceDefinition" {
			if text, err = definition(text); err != nil {
				return nil, fmt.Errorf("%s: %w", object.GetName(), err)
			}
			plural, _, _ := strings.Cut(object.GetName(), ".")
			name := filepath.Join(crdsDir, plural+".yaml")
			texts[name] = append(texts[name], text)
			continue
		}
		name, ok := generated[object.GetKind()]
		if !ok {
			continue
		}
		if text, err = byIssuer(text, object, certManager); err != nil {
			return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		texts[name] = append(texts[name], text)
	}
	templates := map[string]string{}
	for name, parts := range texts {
		templates[name] = header + strings.Join(parts, "---\n")
	}
	return templates, nil
}

// rules returns the template of the alert rules. Helm must not expand their Prometheus templates.
func rules(alerts resmap.ResMap) (string, error) {
	if alerts.Size() != 1 {
		return "", fmt.Errorf("%s has %d objects: the chart takes one", alertsDir, alerts.Size())
	}
	text, err := alerts.Resources()[0].AsYAML()
	if err != nil {
		return "", err
	}
	const labels = "\n  labels:\n"
	if bytes.Count(text, []byte(labels)) != 1 {
		return "", fmt.Errorf("%s: the object has no labels in the expected place", alertsDir)
	}
	escaped := strings.NewReplacer("{{", `{{ "{{" }}`, "}}", `{{ "}}" }}`).Replace(string(text))
	escaped = strings.ReplaceAll(escaped, shippedNamespace, releaseNamespace)
	escaped = strings.Replace(escaped, labels, labels+"    {{- with .Values.metrics.prometheusRule.labels }}\n"+
		"    {{- toYaml . | nindent 4 }}\n    {{- end }}\n", 1)
	return header + "{{- if and .Values.metrics.enabled .Values.metrics.prometheusRule.enabled }}\n" + escaped + end + "\n", nil
}

// rights returns the template of the roles and bindings of a server that the value enables.
func rights(built resmap.ResMap, value string) (string, error) {
	var texts []string
	for _, object := range built.Resources() {
		if generated[object.GetKind()] != generated["ClusterRole"] {
			continue
		}
		text, err := template(object)
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		texts = append(texts, text)
	}
	return header + "{{- if .Values." + value + ".enabled }}\n" + strings.Join(texts, "---\n") + end + "\n", nil
}

// template returns an object as a template that renders the object in the release's namespace.
func template(object *resource.Resource) (string, error) {
	text, err := object.AsYAML()
	if err != nil {
		return "", err
	}
	if bytes.Contains(text, []byte("{{")) || bytes.Contains(text, []byte("}}")) {
		return "", errors.New("the object has {{ or }}, which Helm would expand: escape it here")
	}
	return strings.ReplaceAll(string(text), shippedNamespace, releaseNamespace), nil
}

// definition wraps a CustomResourceDefinition. It is a template, because Helm never upgrades the folder "crds" of a
// chart. It is kept on uninstall, because deleting it would delete every declared object.
func definition(text string) (string, error) {
	const annotations = "\n  annotations:\n"
	if strings.Count(text, annotations) != 1 {
		return "", errors.New("it has no annotations in the expected place")
	}
	return "{{- if .Values.crds.enabled }}\n" + strings.Replace(text, annotations, annotations+
		"    {{- if .Values.crds.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n", 1) + end + "\n", nil
}

// byIssuer renders an object conditionally on the issuer of certificates, if the cert-manager variant has a different
// object or none.
func byIssuer(text string, shipped *resource.Resource, certManager resmap.ResMap) (string, error) {
	index, err := certManager.GetIndexOfCurrentId(shipped.CurId())
	if err != nil {
		return "", err
	}
	if index < 0 {
		return issuedByUsher + "\n" + text + end + "\n", nil
	}
	otherText, err := template(certManager.Resources()[index])
	if err != nil {
		return "", err
	}
	if otherText == text {
		return text, nil
	}
	return issuedByUsher + "\n" + text + "{{- else }}\n" + otherText + end + "\n", nil
}

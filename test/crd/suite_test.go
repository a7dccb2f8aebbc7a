// Package crd_test tests the schemas of the four kinds on a real API server without Usher: the schema must refuse
// everything that a single object can prove wrong, also while the webhook is down. It must not import anything of Usher
// but the API and test/cluster.
package crd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	namespace  = "acme"
	fieldOwner = client.FieldOwner("crd-test")
)

var (
	config    *rest.Config
	k8sClient client.Client
)

func TestCRDs(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "CRDs")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	config = suite.StartCluster(ctx, cluster.Options{}).Config()
	_, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{
		Paths:              []string{"../../config/crd/bases"},
		ErrorIfPathMissing: true,
	})
	Expect(err).NotTo(HaveOccurred())

	scheme := runtime.NewScheme()
	Expect(corev1.AddToScheme(scheme)).To(Succeed())
	Expect(accessv1alpha1.AddToScheme(scheme)).To(Succeed())
	k8sClient, err = client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	Expect(k8sClient.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
}, NodeTimeout(15*time.Minute)) // The suite builds the control plane if necessary.

// object returns an object of a kind with a spec in YAML, or without a spec if it is empty.
func object(kind, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(namespace)
	u.SetName("default") // The only name that every kind accepts.
	if spec != "" {
		var fields map[string]any
		Expect(yaml.UnmarshalStrict([]byte(spec), &fields)).To(Succeed())
		u.Object["spec"] = fields
	}
	return u
}

// create creates the object with a dry run.
func create(ctx context.Context, obj client.Object) error {
	return k8sClient.Create(ctx, obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// beRefused matches a refusal with exactly these causes. Each is "field: message". The message may omit the beginning,
// which has the type of the error and the value.
func beRefused(causes ...string) OmegaMatcher {
	matchers := make([]any, 0, len(causes))
	for _, cause := range causes {
		field, message, ok := strings.Cut(cause, ": ")
		Expect(ok).To(BeTrue(), "a cause is field: message, got %q", cause)
		matchers = append(matchers, And(HavePrefix(field+": "), HaveSuffix(message)))
	}
	return WithTransform(causesOf, ConsistOf(matchers...))
}

func causesOf(err error) []string {
	if err == nil {
		return []string{"accepted"}
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil {
		return []string{err.Error()}
	}
	causes := make([]string, 0, len(status.ErrStatus.Details.Causes))
	for _, cause := range status.ErrStatus.Details.Causes {
		if strings.HasPrefix(cause.Field, "<nil>") {
			continue // It only reports that CEL was skipped because of schema errors.
		}
		causes = append(causes, fmt.Sprintf("%s: %s", cause.Field, cause.Message))
	}
	return causes
}

// columns returns the columns that kubectl get shows, and those that only -o wide adds.
func columns(ctx context.Context, resource string) (narrow, wide []string) {
	GinkgoHelper()
	c, err := discovery.NewDiscoveryClientForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	body, err := c.RESTClient().Get().AbsPath("/apis/access.usher.dev/v1alpha1", resource).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	var table metav1.Table
	Expect(json.Unmarshal(body, &table)).To(Succeed())
	for _, column := range table.ColumnDefinitions {
		if column.Priority == 0 {
			narrow = append(narrow, column.Name)
		} else {
			wide = append(wide, column.Name)
		}
	}
	return narrow, wide
}

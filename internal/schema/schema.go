// Package schema validates objects of the four kinds against their resource definitions, as the API server does. It
// does not call an API server: the definitions of config/crd are embedded in the program.
//
// [Validate] is for objects that no API server has seen yet, such as those in files. [Bounds] is for objects that an
// API server should have validated already. The package imports nothing of Usher but the API types and config/crd.
package schema

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/config/crd"
)

// kind is the schema of one kind.
type kind struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	// rules returns the compiled CEL rules. Compiling is slow, so it happens once and only on first use.
	rules func() *cel.Validator
}

// load parses the definitions, once.
var load = sync.OnceValues(func() (map[string]*kind, error) {
	files, err := fs.Glob(crd.Definitions, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	kinds := map[string]*kind{}
	for _, file := range files {
		text, err := crd.Definitions.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &definition); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if kinds[definition.Spec.Names.Kind], err = newKind(&definition); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return kinds, nil
})

func newKind(definition *apiextensionsv1.CustomResourceDefinition) (*kind, error) {
	at := slices.IndexFunc(definition.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == accessv1alpha1.GroupVersion.Version
	})
	if at < 0 {
		return nil, fmt.Errorf("the definition has no version %s", accessv1alpha1.GroupVersion.Version)
	}
	var internal apiextensions.CustomResourceValidation
	err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(
		definition.Spec.Versions[at].Schema, &internal, nil)
	if err != nil {
		return nil, err
	}
	k := &kind{}
	if k.structural, err = structuralschema.NewStructural(internal.OpenAPIV3Schema); err != nil {
		return nil, err
	}
	if k.schema, _, err = validation.NewSchemaValidator(internal.OpenAPIV3Schema); err != nil {
		return nil, err
	}
	k.rules = sync.OnceValue(func() *cel.Validator {
		return cel.NewValidator(k.structural, true, celconfig.PerCallLimit)
	})
	return k, nil
}

// kindOf returns the schema of the kind.
func kindOf(name string) (*kind, error) {
	kinds, err := load()
	if err != nil {
		return nil, err
	}
	k := kinds[name]
	if k == nil {
		return nil, fmt.Errorf("there is no definition of the kind %q", name)
	}
	return k, nil
}

// Validate returns the errors with which the API server would refuse to create the object. It applies defaults to the
// object.
func Validate(ctx context.Context, object map[string]any) (field.ErrorList, error) {
	name, _ := object["kind"].(string)
	k, err := kindOf(name)
	if err != nil {
		return nil, err
	}
	errs := validateMetadata(object)
	defaulting.Default(object, k.structural)
	errs = append(errs, validation.ValidateCustomResource(nil, object, k.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...)
	if rules := k.rules(); !slices.ContainsFunc(errs, isBlocking) && rules != nil {
		found, _ := rules.Validate(ctx, nil, k.structural, object, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, found...)
	}
	return errs, nil
}

// isBlocking reports whether the API server skips the CEL rules of an object with this error, because the rules rely on
// the types and bounds of the schema. A pattern violation does not block.
func isBlocking(e *field.Error) bool {
	switch e.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	default:
		return false
	}
}

func validateMetadata(object map[string]any) field.ErrorList {
	var meta metav1.ObjectMeta
	at := field.NewPath("metadata")
	content, ok := object["metadata"].(map[string]any)
	if !ok {
		return field.ErrorList{field.Required(at, "")}
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &meta); err != nil {
		return field.ErrorList{field.Invalid(at, "", err.Error())}
	}
	return apivalidation.ValidateObjectMeta(&meta, true, apivalidation.NameIsDNSSubdomain, at)
}

package schema

import (
	"fmt"
	"unicode/utf8"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/cel/common"
)

// mostInMetadata bounds the lists in metadata. The API server bounds them only by the size of the object. No real
// object comes close.
const mostInMetadata = 1000

// Bounds returns the parts of the object that violate the bounds of its kind's schema: types, counts, lengths,
// patterns, enums and duplicates. Parts that are unchanged from old are not reported, as in the API server. old is nil
// for a new object. The error reports that there is no such kind.
//
// An object with too many elements is cheap to reject: Bounds checks counts first and stops at the first one over its
// bound. It does not evaluate CEL rules. The API server evaluates them before it calls admission, they cost much more
// than everything else here, and no bound of a count or length is only in CEL.
func Bounds(kind string, object, old map[string]any) (field.ErrorList, error) {
	k, err := kindOf(kind)
	if err != nil {
		return nil, err
	}
	if excess := excessIn(k, object); excess != nil && (old == nil || excessIn(k, old) == nil) {
		return field.ErrorList{excess}, nil
	}
	if old == nil {
		errs := validation.ValidateCustomResource(nil, object, k.schema)
		return append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...), nil
	}
	correlated := common.NewCorrelatedObject(object, old, &model.Structural{Structural: k.structural})
	errs := validation.ValidateCustomResourceUpdate(nil, object, old, k.schema, validation.WithRatcheting(correlated))
	if len(listtype.ValidateListSetsAndMaps(nil, k.structural, old)) == 0 {
		errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...)
	}
	return errs, nil
}

// excessIn returns an error for the first part of the object that has too many elements, or nil.
func excessIn(k *kind, object map[string]any) *field.Error {
	metadata, _ := object["metadata"].(map[string]any)
	for _, name := range []string{"finalizers", "ownerReferences"} {
		if list, _ := metadata[name].([]any); len(list) > mostInMetadata {
			return field.TooMany(field.NewPath("metadata", name), len(list), mostInMetadata)
		}
	}
	for _, name := range []string{"annotations", "labels"} {
		if values, _ := metadata[name].(map[string]any); len(values) > mostInMetadata {
			return field.TooMany(field.NewPath("metadata", name), len(values), mostInMetadata)
		}
	}
	return excess(nil, k.structural, object)
}

// excess checks only counts and lengths. It does not visit the elements of a part that has too many.
func excess(at *field.Path, s *structuralschema.Structural, value any) *field.Error {
	limits := s.ValueValidation
	if limits == nil {
		limits = &structuralschema.ValueValidation{}
	}
	switch value := value.(type) {
	case string:
		if most := limits.MaxLength; most != nil && utf8.RuneCountInString(value) > int(*most) {
			return field.TooLong(at, "", int(*most))
		}
	case []any:
		if most := limits.MaxItems; most != nil && len(value) > int(*most) {
			return field.TooMany(at, len(value), int(*most))
		}
		if s.Items == nil {
			return nil
		}
		for i := range value {
			if found := excess(at.Index(i), s.Items, value[i]); found != nil {
				return found
			}
		}
	case map[string]any:
		return excessInMap(at, s, limits, value)
	}
	return nil
}

func excessInMap(
	at *field.Path, s *structuralschema.Structural, limits *structuralschema.ValueValidation, value map[string]any,
) *field.Error {
	if most := limits.MaxProperties; most != nil && len(value) > int(*most) {
		return field.TooMany(at, len(value), int(*most))
	}
	for name := range s.Properties {
		if part, present := value[name]; present {
			property := s.Properties[name]
			if found := excess(childOf(at, name), &property, part); found != nil {
				return found
			}
		}
	}
	if s.AdditionalProperties == nil || s.AdditionalProperties.Structural == nil {
		return nil
	}
	for name, part := range value {
		if found := excess(at.Key(name), s.AdditionalProperties.Structural, part); found != nil {
			return found
		}
	}
	return nil
}

func childOf(at *field.Path, name string) *field.Path {
	if at == nil {
		return field.NewPath(name)
	}
	return at.Child(name)
}

// MustLoad loads the definitions immediately instead of at the first validation. It panics if the embedded definitions
// are invalid.
func MustLoad() {
	if _, err := load(); err != nil {
		panic(fmt.Sprintf("the resource definitions in this program: %v", err))
	}
}

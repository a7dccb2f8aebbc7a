package scim

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	parser "github.com/scim2/filter-parser/v2"
)

// patchSchema is the schema of the body of a PATCH.
const patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// resourceKind is what normalization knows of a kind of resource.
type resourceKind struct {
	core       schema.Schema
	own        []string // the attributes that Usher keeps in fields of their own
	attributes *Attributes
}

// verdict says what to do with an attribute of a request.
type verdict int

const (
	unknown verdict = iota
	ignored         // a schema has it, and Usher does not keep it
	kept
)

// judge returns the verdict on an attribute, and its name in the case of the schema.
func (k *resourceKind) judge(uri, name string) (verdict, string) {
	if uri == "" || strings.EqualFold(uri, k.core.ID) {
		if strings.EqualFold(name, attributeExternalID) {
			return kept, attributeExternalID
		}
		attribute, known := k.core.Attributes.ContainsAttribute(name)
		switch {
		case !known:
			return unknown, ""
		case slices.Contains(k.own, attribute.Name()), k.attributes.keeps("", attribute.Name()):
			return kept, attribute.Name()
		}
		return ignored, ""
	}
	extension, known := k.attributes.schema(uri)
	if !known {
		return unknown, ""
	}
	attribute, known := extension.Attributes.ContainsAttribute(name)
	switch {
	case !known:
		return unknown, ""
	case k.attributes.keeps(extension.ID, attribute.Name()):
		return kept, attribute.Name()
	}
	return ignored, ""
}

// normalizeResource returns the body of a POST or PUT with only the attributes that Usher keeps. The library would refuse
// the whole resource if one of the others had an unexpected type, as Entra ID sends "manager".
func (k *resourceKind) normalizeResource(body []byte) ([]byte, error) {
	resource, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	made := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(resource)) {
		value := resource[name]
		if strings.EqualFold(name, "schemas") {
			made["schemas"] = value
			continue
		}
		if extension, is := k.attributes.schema(name); is {
			parts, isObject := value.(map[string]any)
			if !isObject {
				continue
			}
			for part, value := range parts {
				if verdict, proper := k.judge(extension.ID, part); verdict == kept && value != nil {
					inner(made, extension.ID)[proper] = value
				}
			}
			continue
		}
		if verdict, proper := k.judge("", name); verdict == kept && value != nil {
			made[proper] = value
		}
	}
	return json.Marshal(made)
}

// operation is one operation of a PATCH.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

// normalizePatch returns the body of a PATCH in the form that the library accepts, and the number of its operations.
// Operations without a path become one operation for each attribute. Operations on attributes that Usher does not keep are
// left out, and null and the empty text become a removal: Entra ID and Okta send both.
func (k *resourceKind) normalizePatch(body []byte) ([]byte, int, error) {
	var request struct {
		Schemas    []string
		Operations []operation
	}
	if err := decode(body, &request); err != nil {
		return nil, 0, err
	}
	if !slices.Equal(request.Schemas, []string{patchSchema}) {
		return nil, 0, invalidValue("schemas: must be [%q]", patchSchema)
	}
	if len(request.Operations) == 0 {
		return nil, 0, invalidValue("Operations: must have at least one operation")
	}
	var made []operation
	for _, each := range request.Operations {
		each.Op = strings.ToLower(each.Op)
		normalized, err := k.normalizeOperation(each)
		if err != nil {
			return nil, 0, err
		}
		made = append(made, normalized...)
	}
	normalized, err := json.Marshal(map[string]any{"schemas": request.Schemas, "Operations": made})
	return normalized, len(made), err
}

func (k *resourceKind) normalizeOperation(o operation) ([]operation, error) {
	if !slices.Contains([]string{"add", "remove", "replace"}, o.Op) {
		return nil, invalid(scimerrors.ScimTypeInvalidSyntax, "op %q: must be add, remove or replace", shortened(o.Op))
	}
	if o.Path != "" {
		return k.normalizePath(o)
	}
	if o.Op == "remove" {
		return nil, invalid(scimerrors.ScimTypeNoTarget, "op remove: name the attribute in path")
	}
	values, is := o.Value.(map[string]any)
	if !is {
		return nil, invalidValue("op %s without path: value must be an object with attributes", o.Op)
	}
	var made []operation
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		// Okta sends the id of the resource along.
		if slices.ContainsFunc([]string{"id", "schemas", "meta"}, func(common string) bool { return strings.EqualFold(common, name) }) {
			continue
		}
		each := []operation{{Op: o.Op, Path: name, Value: value}}
		if extension, is := k.attributes.schema(name); is {
			parts, isObject := value.(map[string]any)
			if !isObject {
				return nil, invalidValue("%s: must be an object with attributes", name)
			}
			each = nil
			for _, part := range slices.Sorted(maps.Keys(parts)) {
				each = append(each, operation{Op: o.Op, Path: extension.ID + ":" + part, Value: parts[part]})
			}
		}
		for _, one := range each {
			normalized, err := k.normalizePath(one)
			if err != nil {
				return nil, err
			}
			made = append(made, normalized...)
		}
	}
	return made, nil
}

// normalizePath returns no operation or one.
func (k *resourceKind) normalizePath(o operation) ([]operation, error) {
	parsed, err := parser.ParsePath([]byte(o.Path))
	if err != nil {
		return nil, invalid(scimerrors.ScimTypeInvalidPath, "path %q: it is not the path of an attribute", shortened(o.Path))
	}
	name := parsed.AttributePath.AttributeName
	if slices.Contains([]string{"id", "schemas", "meta"}, strings.ToLower(name)) {
		return nil, invalid(scimerrors.ScimTypeMutability, "path %q: the attribute cannot be changed", o.Path)
	}
	switch verdict, _ := k.judge(parsed.AttributePath.URI(), name); verdict {
	case unknown:
		return nil, invalid(scimerrors.ScimTypeInvalidPath, "path %q: %s has no such attribute", shortened(o.Path), k.core.Name.Value())
	case ignored:
		return nil, nil
	case kept:
	}
	if text, is := o.Value.(string); o.Op != "remove" && (o.Value == nil || (is && text == "")) {
		if o.Op == "add" {
			return nil, nil
		}
		o = operation{Op: "remove", Path: o.Path}
	}
	return []operation{o}, nil
}

func decodeObject(body []byte) (map[string]any, error) {
	var object map[string]any
	if err := decode(body, &object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, invalid(scimerrors.ScimTypeInvalidSyntax, "the body must be a JSON object")
	}
	return object, nil
}

func decode(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return invalid(scimerrors.ScimTypeInvalidSyntax, "the body is not the JSON that it should be: %v", err)
	}
	if decoder.More() {
		return invalid(scimerrors.ScimTypeInvalidSyntax, "the body has more than one JSON value")
	}
	return nil
}

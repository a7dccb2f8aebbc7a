package decision

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/util/validation"
)

// mostEvaluations is the maximum number of questions in one batch.
const mostEvaluations = 1000

// The bodies of requests. A null member counts as absent. The decoder ignores unknown members and refuses duplicate
// ones.
type (
	entity struct {
		Type       *string        `json:"type"`
		ID         *string        `json:"id"`
		Properties jsontext.Value `json:"properties"`
	}
	action struct {
		Name       *string        `json:"name"`
		Properties jsontext.Value `json:"properties"`
	}
	evaluation struct {
		Subject  *entity        `json:"subject"`
		Action   *action        `json:"action"`
		Resource *entity        `json:"resource"`
		Context  jsontext.Value `json:"context"`
	}
	batch struct {
		Subject     *entity        `json:"subject"`
		Action      *action        `json:"action"`
		Resource    *entity        `json:"resource"`
		Context     jsontext.Value `json:"context"`
		Evaluations evaluations    `json:"evaluations"`
		Options     *options       `json:"options"`
	}
	options struct {
		Semantic *string `json:"evaluations_semantic"`
	}
	search struct {
		Subject  *entity        `json:"subject"`
		Action   *action        `json:"action"`
		Resource *entity        `json:"resource"`
		Context  jsontext.Value `json:"context"`
		Page     *pageRequest   `json:"page"`
	}
	pageRequest struct {
		Token      *string        `json:"token"`
		Limit      *int           `json:"limit"`
		Properties jsontext.Value `json:"properties"`
	}
)

// evaluations are the questions of a batch.
type evaluations []evaluation

var errTooMany = fmt.Errorf("evaluations has more than %d items: ask in several batches", mostEvaluations)

// UnmarshalJSONFrom decodes the list. It stops with an error if the list is too long.
func (e *evaluations) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	if decoder.PeekKind() == jsontext.KindNull {
		return decoder.SkipValue()
	}
	if kind := decoder.PeekKind(); kind != jsontext.KindBeginArray {
		return &json.SemanticError{JSONKind: kind, JSONPointer: decoder.StackPointer()}
	}
	if _, err := decoder.ReadToken(); err != nil {
		return err
	}
	for decoder.PeekKind() != jsontext.KindEndArray {
		if len(*e) == mostEvaluations {
			return errTooMany
		}
		var item evaluation
		if err := json.UnmarshalDecode(decoder, &item); err != nil {
			return err
		}
		*e = append(*e, item)
	}
	_, err := decoder.ReadToken()
	return err
}

// decode decodes a whole body. Its errors are meant for the caller.
func decode(body []byte, into any) error {
	if len(body) == 0 {
		return errors.New("the body is empty: send a JSON object")
	}
	err := json.Unmarshal(body, into)
	if err == nil {
		if body[firstToken(body)] != '{' {
			return errors.New("the body is not a JSON object")
		}
		return nil
	}
	if errors.Is(err, errTooMany) {
		return errTooMany
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		at := string(semantic.JSONPointer)
		if at == "" {
			at = "the body"
		}
		return fmt.Errorf("%s has a value of the wrong type: %s", at, nameOf(semantic.JSONKind))
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("the body is not JSON with unique names: %w at byte %d", syntactic.Err, syntactic.ByteOffset)
	}
	return errors.New("the body is not JSON")
}

// firstToken returns the position of the first character that is not white space.
func firstToken(body []byte) int {
	for i, c := range body {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return i
		}
	}
	return 0
}

func nameOf(kind jsontext.Kind) string {
	switch kind {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "a boolean"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindBeginObject:
		return "an object"
	default:
		return "an array"
	}
}

// target is the entity that a search looks for. The question does not name it.
type target int

const (
	nothing target = iota
	subjects
	resources
	actions
)

// question returns the question about the entities. The keys of types are the resource types that stand for
// applications.
func (e *evaluation) question(types map[string]bool, searched target) (*Question, error) {
	q := &Question{}
	var err error
	if q.SubjectType, q.User, err = identify("subject", e.Subject, searched != subjects); err != nil {
		return nil, err
	}
	if searched != actions {
		if e.Action == nil || e.Action.Name == nil {
			return nil, errors.New("action.name is missing: name the permission that is asked for")
		}
		q.Permission = *e.Action.Name
	}
	if e.Action != nil {
		if err := isObject("action.properties", e.Action.Properties); err != nil {
			return nil, err
		}
	}
	typ, id, err := identify("resource", e.Resource, searched != resources)
	if err != nil {
		return nil, err
	}
	if err := isObject("context", e.Context); err != nil {
		return nil, err
	}
	q.Resource = resource(typ, id, e.Resource.Properties, types)
	return q, nil
}

// identify returns the type and the identifier of an entity. It requires an identifier if named is true.
func identify(name string, e *entity, named bool) (typ, id string, err error) {
	if e == nil || e.Type == nil {
		return "", "", fmt.Errorf("%s.type is missing", name)
	}
	if named && e.ID == nil {
		return "", "", fmt.Errorf("%s.id is missing", name)
	}
	if named {
		id = *e.ID
	}
	return *e.Type, id, isObject(name+".properties", e.Properties)
}

// isObject returns an error unless the value is an object, null or absent.
func isObject(name string, value jsontext.Value) error {
	if len(value) == 0 || value.Kind() == jsontext.KindNull || value.Kind() == jsontext.KindBeginObject {
		return nil
	}
	return fmt.Errorf("%s has a value of the wrong type: %s", name, nameOf(value.Kind()))
}

// resource returns the resource with the type and the identifier.
func resource(typ, id string, properties jsontext.Value, types map[string]bool) Resource {
	switch {
	case types[typ]:
		return Resource{Kind: KindApplication, Application: id}
	case typ == TypeRow:
		application, _, found := strings.Cut(id, "/")
		if !found {
			return Resource{}
		}
		return Resource{Kind: KindRow, Application: application, Row: row(properties)}
	default:
		return Resource{}
	}
}

// row returns the properties of a row. A property that is not a scalar counts as absent, so that it matches
// nothing.
func row(properties jsontext.Value) map[string]any {
	values := map[string]any{}
	if properties.Kind() != jsontext.KindBeginObject {
		return values
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(properties, &members); err != nil { // it was decoded before and cannot fail
		return values
	}
	for name, value := range members {
		switch value.Kind() {
		case jsontext.KindString:
			var text string
			if err := json.Unmarshal(value, &text); err == nil {
				values[name] = text
			}
		case jsontext.KindNumber:
			values[name] = stdjson.Number(value)
		case jsontext.KindTrue, jsontext.KindFalse:
			values[name] = value.Kind() == jsontext.KindTrue
		}
	}
	return values
}

// rightFor returns the application for which the caller needs the right. It returns the empty string, which stands
// for all applications, if the resource cannot be an application.
func (r *Resource) rightFor() string {
	if r.Kind == KindUnknown || len(validation.IsDNS1123Label(r.Application)) > 0 {
		return ""
	}
	return r.Application
}

package objects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/input"
)

var scheme = newScheme()

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(accessv1alpha1.AddToScheme(s))
	utilruntime.Must(corev1.AddToScheme(s))
	return s
}

// header contains the fields that identify the kind of an object.
type header struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Items      itemList `json:"items"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
}

// itemList is a list of objects in encoded form. It stops collecting items as soon as the list is known to be too
// long.
type itemList []json.RawMessage

// UnmarshalJSON splits the list into its items.
func (l *itemList) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	begin, err := decoder.Token()
	switch {
	case err != nil || begin == nil:
		return err
	case begin != json.Delim('['):
		return errors.New("items is not a list")
	}
	for decoder.More() && len(*l) <= input.MaxObjects {
		var item json.RawMessage
		if err := decoder.Decode(&item); err != nil {
			return err
		}
		*l = append(*l, item)
	}
	return nil
}

// found is the content of a document.
type found struct {
	objects  []Object
	problems []Problem
	notes    []string
	ignored  []string
}

// decode reads one document: an object, a list of objects, or nothing. It returns an error only if the limit of the
// input is reached.
func decode(d *document, namespace string, in *input.Reader) (found, error) {
	var f found
	encoded, err := d.json(in)
	var limit *input.LimitError
	switch {
	case errors.As(err, &limit):
		return f, err
	case err != nil:
		f.problem(d, "", err)
		return f, nil
	}
	if text := bytes.TrimSpace(encoded); len(text) == 0 || bytes.Equal(text, []byte("null")) {
		return f, nil
	}
	return f, f.decode(d, "", encoded, namespace, in)
}

func (f *found) problem(d *document, path string, err error) {
	if at, line, node := d.unquoted(path, err); node != nil {
		err, _ := strings.CutSuffix(err.Error(), errorOfJSON(err))
		f.problems = append(f.problems, Problem{Origin{d.file, line}, fmt.Errorf(
			"%s%s: %s is not a text; put it in quotes (%q)", err, at, node.Value, node.Value)})
		return
	}
	f.problems = append(f.problems, Problem{Origin{d.file, d.lineOfError(path, err)}, trimLine(err)})
}

func (f *found) decode(d *document, path string, encoded []byte, namespace string, in *input.Reader) error {
	var h header
	if encoded[0] == '[' {
		f.notes = append(f.notes, fmt.Sprintf("%s:%d: ignored: it is a list, not an object", d.file, d.line(path)))
		return nil
	}
	if err := json.Unmarshal(encoded, &h); err != nil {
		f.problem(d, path, fmt.Errorf("this is not an object: %w", err))
		return nil
	}
	version, _ := schema.ParseGroupVersion(h.APIVersion)
	switch {
	case h.APIVersion == "" || h.Kind == "":
		f.notes = append(f.notes, fmt.Sprintf("%s:%d: ignored: it has no apiVersion and kind", d.file, d.line(path)))
	case strings.HasSuffix(h.Kind, "List") && (version == corev1.SchemeGroupVersion || version == accessv1alpha1.GroupVersion):
		if path != "" {
			f.problem(d, path, errors.New("a List in a List is not read; write its items into the outer one"))
			return nil
		}
		for i, item := range h.Items {
			if err := in.CountObject(); err != nil {
				return err
			}
			if err := f.decode(d, "items[#"+strconv.Itoa(i)+"]", item, namespace, in); err != nil {
				return err
			}
		}
	case version == corev1.SchemeGroupVersion && h.Kind == "Namespace":
		f.add(d, path, encoded, &corev1.Namespace{}, "")
	case version.Group != accessv1alpha1.GroupVersion.Group:
		f.ignored = append(f.ignored, h.Kind)
	case version != accessv1alpha1.GroupVersion:
		f.problem(d, path, fmt.Errorf("apiVersion %s: unknown; this plugin reads %s", h.APIVersion, accessv1alpha1.GroupVersion))
	default:
		if made, err := scheme.New(version.WithKind(h.Kind)); err == nil {
			f.add(d, path, encoded, made.(client.Object), namespace)
		} else {
			f.problem(d, path, fmt.Errorf("kind %s: there is none in %s", h.Kind, h.APIVersion))
		}
	}
	return nil
}

// add decodes the object and adds it. It refuses an object with a field that its kind does not have, as the API
// server does for kubectl, because the intention of the author is unknown.
func (f *found) add(d *document, path string, encoded []byte, into client.Object, namespace string) {
	strict, err := kjson.UnmarshalStrict(encoded, into)
	if err == nil && len(strict) > 0 {
		err = errors.Join(strict...)
	}
	name := into.GetName()
	if err == nil && name == "" {
		err = errors.New("metadata.name: missing")
	}
	if err != nil {
		var h header
		_ = json.Unmarshal(encoded, &h) // it was decoded before
		f.problem(d, path, fmt.Errorf("%s: %w", strings.TrimSpace(h.Kind+" "+h.Metadata.Name), err))
		return
	}
	if _, is := into.(*corev1.Namespace); !is && into.GetNamespace() == "" {
		into.SetNamespace(namespace)
	}
	f.objects = append(f.objects, Object{
		Object: into, Origin: Origin{d.file, d.line(path)}, text: d, path: path, encoded: encoded,
	})
}

// json returns the document as JSON. It returns an error for duplicate keys, and for a document with more values,
// or more bytes repeated by aliases, than any valid document needs.
func (d *document) json(in *input.Reader) ([]byte, error) {
	if text := bytes.TrimSpace(d.text); len(text) > 0 && text[0] == '{' && json.Valid(text) {
		return text, nil
	}
	if err := d.checkNodes(); err != nil {
		return nil, err
	}
	repeated, err := d.repeatedByAliases()
	if err != nil {
		return nil, err
	}
	if err := in.CountRepeated(repeated); err != nil {
		return nil, err
	}
	return yaml.YAMLToJSONStrict(d.text)
}

var (
	yamlLine     = regexp.MustCompile(`(?:yaml: )?line (\d+): `)
	unknownField = regexp.MustCompile(`(?:unknown|duplicate) field "([^"]+)"`)
)

// lineOfError returns the line of the file that an error refers to: the line that the YAML parser reports, the line
// of the field, or the line of the value.
func (d *document) lineOfError(path string, err error) int {
	if match := yamlLine.FindStringSubmatch(err.Error()); match != nil {
		if line, err := strconv.Atoi(match[1]); err == nil {
			return d.first + line - 1
		}
	}
	if match := unknownField.FindStringSubmatch(err.Error()); match != nil {
		return d.line(joinPath(path, match[1]))
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field != "" {
		return d.line(joinPath(path, mistyped.Field))
	}
	var unparsed *time.ParseError
	if errors.As(err, &unparsed) {
		if line := d.lineOfValue(strings.Trim(unparsed.Value, `"`)); line > 0 {
			return line
		}
	}
	return d.line(path)
}

// trimLine rewrites the error for people. It drops the line within the document, because the origin names the line
// within the file, and terms that are specific to Go.
func trimLine(err error) error {
	message := yamlLine.ReplaceAllString(err.Error(), "")
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field != "" {
		before, _, _ := strings.Cut(message, "json: ")
		message = fmt.Sprintf("%s%s: there is %s where something else belongs", before, mistyped.Field, article(mistyped.Value))
	}
	var unparsed *time.ParseError
	if errors.As(err, &unparsed) {
		before, _, _ := strings.Cut(message, "parsing time")
		message = fmt.Sprintf("%s%q is not an instant; write it as 2026-07-01T09:00:00Z", before, strings.Trim(unparsed.Value, `"`))
	}
	for _, noise := range []string{"error converting YAML to JSON: ", "yaml: unmarshal errors:\n ", "yaml: "} {
		message = strings.TrimPrefix(message, noise)
	}
	message = strings.ReplaceAll(message, "\n", "; ")
	return errors.New(strings.TrimSpace(message))
}

// errorOfJSON returns the part of the error's text that comes from the JSON decoder.
func errorOfJSON(err error) string {
	if i := strings.Index(err.Error(), "json: "); i >= 0 {
		return err.Error()[i:]
	}
	return err.Error()
}

// article returns the word for a JSON value with its indefinite article.
func article(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

// Content returns the object as it is written, without defaults or conversions, but with its namespace. It returns
// nil for an object of a cluster.
func (o *Object) Content() (map[string]any, error) {
	if o.text == nil {
		return nil, nil
	}
	var object map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(o.encoded, &object); err != nil {
		return nil, err
	}
	if metadata, ok := object["metadata"].(map[string]any); ok && o.GetNamespace() != "" {
		metadata["namespace"] = o.GetNamespace()
	}
	return object, nil
}

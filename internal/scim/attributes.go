package scim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/elimity-com/scim/schema"
	parser "github.com/scim2/filter-parser/v2"
)

// enterpriseSchema is the URI of the enterprise extension of users.
const enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// The attributes that Usher keeps in fields of their own.
const (
	attributeUserName    = "userName"
	attributeDisplayName = "displayName"
	attributeActive      = "active"
	attributeEmails      = "emails"
	attributeExternalID  = schema.CommonAttributeExternalID
	attributeMembers     = "members"
)

// path is the place of an attribute in a resource. The names have the case of the schema.
type path struct {
	uri       string // the schema; empty for the core schema
	attribute string
	sub       string // empty for the attribute as a whole
}

// String returns the path in SCIM's notation.
func (p path) String() string {
	text := p.attribute
	if p.uri != "" {
		text = p.uri + ":" + text
	}
	if p.sub != "" {
		text += "." + p.sub
	}
	return text
}

// mapped is an attribute of SCIM that becomes an attribute of a UserAccess.
type mapped struct {
	from path
	name string
}

// Attributes says which attributes of SCIM become which attributes of a UserAccess.
type Attributes struct {
	all []mapped
	// schemas are the extensions of users, the enterprise extension first.
	schemas []schema.Schema
}

var attributeName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// NewAttributes returns the attributes of the enterprise extension under their own names, except for those that a
// definition "scimPath=name" names otherwise, and the other attributes that the definitions name.
func NewAttributes(definitions []string) (*Attributes, error) {
	a := &Attributes{schemas: []schema.Schema{schema.ExtensionEnterpriseUser()}}
	for _, definition := range definitions {
		i := strings.LastIndex(definition, "=")
		if i < 0 {
			return nil, fmt.Errorf("%q: must be a SCIM path, =, and the name of an attribute", definition)
		}
		from, err := a.resolve(definition[:i])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", definition, err)
		}
		name := definition[i+1:]
		switch {
		case !attributeName.MatchString(name):
			return nil, fmt.Errorf("%q: the name of an attribute must match %s", definition, attributeName)
		case slices.ContainsFunc(a.all, func(m mapped) bool { return m.from == from }):
			return nil, fmt.Errorf("%q: %s is mapped twice", definition, from)
		case slices.ContainsFunc(a.all, func(m mapped) bool { return m.name == name }):
			return nil, fmt.Errorf("%q: attribute %s is named twice", definition, name)
		}
		a.all = append(a.all, mapped{from, name})
	}
	for _, attribute := range a.schemas[0].Attributes {
		m := mapped{path{uri: enterpriseSchema, attribute: attribute.Name()}, attribute.Name()}
		if attribute.HasSubAttributes() || slices.ContainsFunc(a.all, func(other mapped) bool {
			return other.from == m.from || other.name == m.name
		}) {
			continue
		}
		a.all = append(a.all, m)
	}
	return a, nil
}

// ownFields are the attributes of users that are no attributes of a UserAccess.
var ownFields = []string{
	attributeUserName, attributeDisplayName, attributeActive, attributeEmails, attributeExternalID, "id", "meta", "schemas",
	"groups", "password",
}

// resolve returns the path of a definition. It declares the attribute if no known schema has it.
func (a *Attributes) resolve(text string) (path, error) {
	parsed, err := parser.ParsePath([]byte(text))
	if err != nil || parsed.ValueExpression != nil {
		return path{}, fmt.Errorf("%q is not the path of an attribute", text)
	}
	uri := parsed.AttributePath.URI()
	name, sub := parsed.AttributePath.AttributeName, parsed.AttributePath.SubAttributeName()
	if uri == "" || uri == schema.UserSchema {
		if slices.ContainsFunc(ownFields, func(own string) bool { return strings.EqualFold(own, name) }) {
			return path{}, fmt.Errorf("%s cannot be an attribute of a UserAccess", name)
		}
		return within(schema.CoreUserSchema(), "", name, sub)
	}
	i := slices.IndexFunc(a.schemas, func(s schema.Schema) bool { return s.ID == uri })
	if uri == enterpriseSchema {
		return within(a.schemas[0], uri, name, sub)
	}
	if sub != "" {
		return path{}, fmt.Errorf("%q: an attribute of an extension has no parts", text)
	}
	if i < 0 {
		i = len(a.schemas)
		a.schemas = append(a.schemas, schema.Schema{ID: uri})
	}
	if _, known := a.schemas[i].Attributes.ContainsAttribute(name); !known {
		a.schemas[i].Attributes = append(a.schemas[i].Attributes,
			schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: name})))
	}
	return path{uri: uri, attribute: name}, nil
}

// within returns the path with the names in the case of the schema.
func within(s schema.Schema, uri, name, sub string) (path, error) {
	attribute, known := s.Attributes.ContainsAttribute(name)
	if !known {
		return path{}, fmt.Errorf("%s has no attribute %s", s.ID, name)
	}
	p := path{uri: uri, attribute: attribute.Name()}
	if sub != "" {
		part, known := attribute.SubAttributes().ContainsAttribute(sub)
		if !known || attribute.MultiValued() {
			return path{}, fmt.Errorf("%s of %s has no single part %s", name, s.ID, sub)
		}
		p.sub = part.Name()
	} else if attribute.HasSubAttributes() && !attribute.MultiValued() {
		return path{}, fmt.Errorf("%s of %s has several parts: name one of them", name, s.ID)
	}
	return p, nil
}

// schema returns the schema with the URI.
func (a *Attributes) schema(uri string) (schema.Schema, bool) {
	i := slices.IndexFunc(a.schemas, func(s schema.Schema) bool { return strings.EqualFold(s.ID, uri) })
	if i < 0 {
		return schema.Schema{}, false
	}
	return a.schemas[i], true
}

// keeps reports whether Usher keeps an attribute, or a part of it.
func (a *Attributes) keeps(uri, attribute string) bool {
	return slices.ContainsFunc(a.all, func(m mapped) bool { return m.from.uri == uri && m.from.attribute == attribute })
}

// collect returns the values of a resource by the name of the attribute.
func (a *Attributes) collect(resource map[string]any) map[string][]string {
	collected := map[string][]string{}
	for _, m := range a.all {
		from := resource
		if m.from.uri != "" {
			from, _ = resource[m.from.uri].(map[string]any)
		}
		value := from[m.from.attribute]
		if m.from.sub != "" {
			parts, _ := value.(map[string]any)
			value = parts[m.from.sub]
		}
		if values := texts(value); len(values) > 0 {
			collected[m.name] = values
		}
	}
	return collected
}

// render adds the values to a resource. It is the inverse of collect.
func (a *Attributes) render(values map[string][]string, resource map[string]any) {
	for _, m := range a.all {
		found := values[m.name]
		if len(found) == 0 {
			continue
		}
		into := resource
		if m.from.uri != "" {
			into = inner(resource, m.from.uri)
		}
		if m.from.sub != "" {
			inner(into, m.from.attribute)[m.from.sub] = found[0]
			continue
		}
		into[m.from.attribute] = a.renderValues(m.from, found)
	}
}

// renderValues returns the values in the form that the schema of the attribute has.
func (a *Attributes) renderValues(from path, values []string) any {
	s := schema.CoreUserSchema()
	if from.uri != "" {
		s, _ = a.schema(from.uri)
	}
	attribute, _ := s.Attributes.ContainsAttribute(from.attribute)
	if !attribute.MultiValued() {
		return values[0]
	}
	list := make([]any, 0, len(values))
	for _, value := range values {
		list = append(list, map[string]any{"value": value})
	}
	return list
}

func inner(of map[string]any, name string) map[string]any {
	made, is := of[name].(map[string]any)
	if !is {
		made = map[string]any{}
		of[name] = made
	}
	return made
}

// texts returns the distinct values of an attribute as texts, sorted. Of a complex value, it returns the part "value".
func texts(value any) []string {
	var all []string
	add := func(each any) {
		if parts, is := each.(map[string]any); is {
			each = parts["value"]
		}
		switch each := each.(type) {
		case string:
			all = append(all, each)
		case bool:
			all = append(all, strconv.FormatBool(each))
		case json.Number:
			all = append(all, each.String())
		case int64, float64:
			all = append(all, fmt.Sprint(each))
		}
	}
	if list, is := value.([]any); is {
		for _, each := range list {
			add(each)
		}
	} else {
		add(value)
	}
	all = slices.DeleteFunc(all, func(text string) bool { return text == "" })
	slices.Sort(all)
	return slices.Compact(all)
}

package scim

import (
	"fmt"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	parser "github.com/scim2/filter-parser/v2"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// attributeMemberValue is the attribute of groups by which the groups of a user are found.
const attributeMemberValue = "members.value"

// filter is the conjunction of the terms of a filter, by attribute.
type filter map[string]string

// parseFilter parses a filter on the attributes.
func parseFilter(text string, offered []string) (filter, error) {
	found := filter{}
	if text == "" {
		return found, nil
	}
	parsed, err := parser.ParseFilter([]byte(text))
	if err == nil {
		err = found.add(parsed, offered)
	}
	if err != nil {
		return nil, invalid(scimerrors.ScimTypeInvalidFilter, "filter %q: %v. Filters are eq on %s, with and",
			shortened(text), err, strings.Join(offered, ", "))
	}
	return found, nil
}

func (f filter) add(e parser.Expression, offered []string) error {
	switch e := e.(type) {
	case *parser.LogicalExpression:
		if e.Operator != parser.AND {
			return fmt.Errorf("%s is not offered", e.Operator)
		}
		if err := f.add(e.Left, offered); err != nil {
			return err
		}
		return f.add(e.Right, offered)
	case *parser.ValuePath:
		// members[value eq "ID"] is another form of members.value eq "ID".
		inner, is := e.ValueFilter.(*parser.AttributeExpression)
		if !is {
			return fmt.Errorf("%v is not offered", e)
		}
		name := inner.AttributePath.AttributeName
		inner = &parser.AttributeExpression{AttributePath: e.AttributePath, Operator: inner.Operator, CompareValue: inner.CompareValue}
		inner.AttributePath.SubAttribute = &name
		return f.add(inner, offered)
	case *parser.AttributeExpression:
		if e.Operator != parser.EQ {
			return fmt.Errorf("%s is not offered", e.Operator)
		}
		value, is := e.CompareValue.(string)
		if !is {
			return fmt.Errorf("%v is not a text", e.CompareValue)
		}
		attribute := e.AttributePath
		attribute.URIPrefix = nil
		for _, name := range offered {
			if !strings.EqualFold(name, attribute.String()) {
				continue
			}
			if previous, twice := f[name]; twice && previous != value {
				return fmt.Errorf("%s cannot have two values", name)
			}
			f[name] = value
			return nil
		}
		return fmt.Errorf("%v is not offered", e.AttributePath)
	}
	return fmt.Errorf("%v is not offered", e)
}

// selector returns the terms of a label selector that select every object that may pass the filter.
func (f filter) selector() []string {
	var terms []string
	for _, each := range []struct {
		attribute, label string
		digest           func(string) string
	}{
		{attributeUserName, accessv1alpha1.LabelUserNameDigest, foldedDigest},
		{attributeDisplayName, accessv1alpha1.LabelDisplayNameDigest, foldedDigest},
		{attributeExternalID, accessv1alpha1.LabelExternalIDDigest, exactDigest},
	} {
		if value, given := f[each.attribute]; given {
			terms = append(terms, each.label+"="+each.digest(value))
		}
	}
	return terms
}

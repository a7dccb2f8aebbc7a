package scim

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	scim "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	parser "github.com/scim2/filter-parser/v2"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
)

// UserAttribute is the attribute of SCIM that is the identity of a user.
type UserAttribute string

// The attributes that can be the identity of a user.
const (
	UserAttributeUserName     UserAttribute = "userName"
	UserAttributeExternalID   UserAttribute = "externalId"
	UserAttributePrimaryEmail UserAttribute = "email"
)

// UserAttributes are all of them.
var UserAttributes = []UserAttribute{UserAttributeUserName, UserAttributeExternalID, UserAttributePrimaryEmail}

// workEmail is the type of the one e-mail address that Usher keeps of a user.
const workEmail = "work"

// user is what Usher keeps of a User.
type user struct {
	userName    string
	externalID  string
	displayName string
	email       string
	suspended   bool
	attributes  map[string][]string
}

// userMapping converts between users and UserAccess objects.
type userMapping struct {
	identity   UserAttribute
	attributes *Attributes
}

// identityOf returns the identity of a user.
func (m *userMapping) identityOf(u *user) (string, error) {
	text := u.userName
	switch m.identity {
	case UserAttributeExternalID:
		text = u.externalID
	case UserAttributePrimaryEmail:
		text = u.email
	case UserAttributeUserName:
	}
	if text == "" {
		return "", invalidValue("%s: it is the identity of the user and must not be empty", m.identity)
	}
	return text, checkIdentity(text)
}

// fromResource returns the user of the attributes of a POST or PUT.
func (m *userMapping) fromResource(attributes scim.ResourceAttributes) (*user, error) {
	u := &user{attributes: m.attributes.collect(attributes)}
	u.userName, _ = attributes[attributeUserName].(string)
	u.externalID, _ = attributes[attributeExternalID].(string)
	u.displayName, _ = attributes[attributeDisplayName].(string)
	u.email = primaryEmail(attributes[attributeEmails])
	if active, given := attributes[attributeActive].(bool); given {
		u.suspended = !active
	}
	return u, u.check()
}

// check returns an error if Usher cannot keep the user as given. The API server checks what is not checked here.
func (u *user) check() error {
	if u.userName == "" {
		return invalidValue("userName: must not be empty")
	}
	if utf8.RuneCountInString(u.displayName) > mostDisplayNameRunes {
		return invalidValue("displayName: must have at most %d characters", mostDisplayNameRunes)
	}
	return nil
}

// fromObject returns the user of a UserAccess.
func (m *userMapping) fromObject(ua *accessv1alpha1.UserAccess) *user {
	u := &user{
		userName: string(ua.Spec.User), externalID: ua.Annotations[accessv1alpha1.AnnotationExternalID],
		displayName: ua.Spec.DisplayName, email: ua.Spec.Email,
		suspended: ua.Spec.State == accessv1alpha1.UserStateSuspended, attributes: map[string][]string{},
	}
	if name := ua.Annotations[accessv1alpha1.AnnotationUserName]; name != "" {
		u.userName = name
	}
	for _, attribute := range ua.Spec.Attributes {
		if !slices.ContainsFunc(m.attributes.all, func(each mapped) bool { return each.name == string(attribute.Name) }) {
			continue
		}
		for _, value := range attribute.Values {
			u.attributes[string(attribute.Name)] = append(u.attributes[string(attribute.Name)], string(value))
		}
		slices.Sort(u.attributes[string(attribute.Name)])
	}
	return u
}

// toResource returns the attributes of a User.
func (m *userMapping) toResource(u *user) scim.ResourceAttributes {
	resource := map[string]any{attributeUserName: u.userName, attributeActive: !u.suspended}
	if u.displayName != "" {
		resource[attributeDisplayName] = u.displayName
	}
	if u.email != "" {
		resource[attributeEmails] = []any{map[string]any{"value": u.email, "type": workEmail, "primary": true}}
	}
	m.attributes.render(u.attributes, resource)
	return resource
}

// setDefaults sets the displayName of a user who has none. A UserAccess that says nothing but the user can be materialized,
// and then Usher deletes it. One with a displayName is declared.
func (u *user) setDefaults(who string) {
	if u.displayName == "" {
		u.displayName = string([]rune(who)[:min(mostDisplayNameRunes, utf8.RuneCountInString(who))])
	}
}

// toApply returns what is applied for the user with the identity.
func (u *user) toApply(organization, provider, who string) *applied {
	spec := map[string]any{"user": who, "displayName": u.displayName}
	if u.email != "" {
		spec["email"] = u.email
	}
	if u.suspended {
		// Active is the default. It is not applied, so that another manager can suspend the user.
		spec["state"] = string(accessv1alpha1.UserStateSuspended)
	}
	var attributes []any
	for _, name := range slices.Sorted(maps.Keys(u.attributes)) {
		attributes = append(attributes, map[string]any{"name": name, "values": u.attributes[name]})
	}
	if len(attributes) > 0 {
		spec["attributes"] = attributes
	}
	made := &applied{
		kind: kindUserAccess, namespace: organization, name: identity.Name(who), spec: spec,
		labels: map[string]string{
			accessv1alpha1.LabelProvisionedBy:     provider,
			accessv1alpha1.LabelUserNameDigest:    foldedDigest(u.userName),
			accessv1alpha1.LabelDisplayNameDigest: foldedDigest(u.displayName),
		},
		annotations: map[string]string{},
	}
	made.setExternalID(u.externalID)
	if u.userName != who {
		made.annotations[accessv1alpha1.AnnotationUserName] = u.userName
	}
	return made
}

// equal reports whether two users are the same.
func (u *user) equal(other *user) bool { return reflect.DeepEqual(u, other) }

// clone returns a copy that can be changed.
func (u *user) clone() *user {
	made := *u
	made.attributes = maps.Clone(u.attributes)
	return &made
}

// patch applies an operation to the user.
func (m *userMapping) patch(u *user, o scim.PatchOperation) error {
	uri, name, sub := o.Path.AttributePath.URI(), o.Path.AttributePath.AttributeName, o.Path.AttributePath.SubAttributeName()
	if part := o.Path.SubAttributeName(); part != "" {
		sub = part
	}
	removes := o.Op == scim.PatchOperationRemove
	text, _ := o.Value.(string)
	if uri != "" && !strings.EqualFold(uri, coreUser.ID) {
		return m.patchAttribute(u, uri, name, sub, o)
	}
	switch {
	case strings.EqualFold(name, attributeUserName):
		if removes {
			return invalidValue("userName: it is required and cannot be removed")
		}
		u.userName = text
	case strings.EqualFold(name, attributeExternalID):
		u.externalID = text
		if removes {
			u.externalID = ""
		}
	case strings.EqualFold(name, attributeDisplayName):
		u.displayName = text
		if removes {
			u.displayName = ""
		}
	case strings.EqualFold(name, attributeActive):
		active, given := o.Value.(bool)
		u.suspended = !removes && given && !active
	case strings.EqualFold(name, attributeEmails):
		return u.patchEmail(sub, o)
	default:
		return m.patchAttribute(u, "", name, sub, o)
	}
	return nil
}

// patchAttribute applies an operation to an attribute of the UserAccess.
func (m *userMapping) patchAttribute(u *user, uri, name, sub string, o scim.PatchOperation) error {
	for _, each := range m.attributes.all {
		from := each.from
		if !strings.EqualFold(from.uri, uri) || !strings.EqualFold(from.attribute, name) {
			continue
		}
		value := o.Value
		switch {
		case o.Path.ValueExpression != nil:
			return invalid(scimerrors.ScimTypeInvalidPath,
				"path %q: values of this attribute cannot be selected. Replace the attribute as a whole", o.Path)
		case strings.EqualFold(from.sub, sub):
		case sub == "":
			parts, _ := value.(map[string]any)
			part, given := parts[from.sub]
			if !given && o.Op == scim.PatchOperationAdd {
				continue
			}
			value = part
		default:
			continue
		}
		values := texts(value)
		switch o.Op {
		case scim.PatchOperationRemove:
			remaining := u.attributes[each.name]
			if len(values) == 0 {
				remaining = nil
			}
			values = slices.DeleteFunc(slices.Clone(remaining), func(v string) bool { return slices.Contains(values, v) })
		case scim.PatchOperationAdd:
			if _, list := value.([]any); list {
				values = append(values, u.attributes[each.name]...)
				slices.Sort(values)
				values = slices.Compact(values)
			}
		}
		if len(values) == 0 {
			delete(u.attributes, each.name)
		} else {
			u.attributes[each.name] = values
		}
	}
	return nil
}

// patchEmail applies an operation to the e-mail address. Usher keeps one, so operations on other addresses have no effect.
func (u *user) patchEmail(sub string, o scim.PatchOperation) error {
	if o.Path.ValueExpression != nil {
		selected, err := u.selectsEmail(o.Path.ValueExpression)
		if err != nil || !selected {
			return err
		}
	}
	if sub != "" && !strings.EqualFold(sub, "value") {
		return nil
	}
	if o.Op == scim.PatchOperationRemove {
		// Entra ID names the removed values in value.
		if removed := texts(o.Value); len(removed) == 0 || slices.Contains(removed, u.email) {
			u.email = ""
		}
		return nil
	}
	switch value := o.Value.(type) {
	case string:
		u.email = value
	case map[string]any:
		if text, given := value["value"].(string); given {
			u.email = text
		}
	case []any:
		if len(value) == 0 && o.Op == scim.PatchOperationReplace {
			u.email = ""
		}
		if added := primaryEmail(value); added != "" && (o.Op == scim.PatchOperationReplace || u.email == "" || isPrimary(value)) {
			u.email = added
		}
	}
	return nil
}

// selectsEmail reports whether a filter in a path selects the e-mail address that Usher keeps. If there is none, it is
// added: Entra ID replaces the value of an address that it has never added.
func (u *user) selectsEmail(e parser.Expression) (bool, error) {
	switch e := e.(type) {
	case *parser.LogicalExpression:
		left, err := u.selectsEmail(e.Left)
		if err != nil {
			return false, err
		}
		right, err := u.selectsEmail(e.Right)
		if e.Operator == parser.OR {
			return left || right, err
		}
		return left && right, err
	case *parser.AttributeExpression:
		if e.Operator != parser.EQ {
			break
		}
		value := fmt.Sprint(e.CompareValue)
		switch strings.ToLower(e.AttributePath.AttributeName) {
		case "type":
			return strings.EqualFold(value, workEmail), nil
		case "primary":
			return strings.EqualFold(value, "true"), nil
		case "value":
			return strings.EqualFold(value, u.email), nil
		}
	}
	return false, invalid(scimerrors.ScimTypeInvalidFilter, "%v: e-mail addresses can be selected by eq on type, primary and value", e)
}

// primaryEmail returns the address that is primary, else the one for work, else the first.
func primaryEmail(emails any) string {
	list, _ := emails.([]any)
	found, rank := "", 0
	for _, each := range list {
		email, _ := each.(map[string]any)
		text, _ := email["value"].(string)
		if text == "" {
			continue
		}
		own := 1
		if primary, _ := email["primary"].(bool); primary {
			own = 3
		} else if kind, _ := email["type"].(string); strings.EqualFold(kind, workEmail) {
			own = 2
		}
		if own > rank {
			found, rank = text, own
		}
	}
	return found
}

func isPrimary(emails []any) bool {
	return slices.ContainsFunc(emails, func(each any) bool {
		email, _ := each.(map[string]any)
		primary, _ := email["primary"].(bool)
		return primary
	})
}

package scim

import (
	"fmt"
	"slices"
	"strings"

	scim "github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	parser "github.com/scim2/filter-parser/v2"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// memberTypeGroup is the type of a member that is a group.
const memberTypeGroup = "Group"

// group is what Usher keeps of a Group, without its members.
type group struct {
	displayName string
	externalID  string
}

// groupChange is what a request changes in a group.
type groupChange struct {
	group group
	// members are the members that the group is to have.
	members members
}

// members is a set of identities.
type members map[string]bool

// fromObject returns the group of an AccessGroup.
func groupFromObject(ag *accessv1alpha1.AccessGroup) group {
	g := group{displayName: ag.Spec.DisplayName, externalID: ag.Annotations[accessv1alpha1.AnnotationExternalID]}
	if g.displayName == "" {
		g.displayName = ag.Name
	}
	return g
}

// groupFromResource returns the group of the attributes of a POST or PUT.
func groupFromResource(attributes scim.ResourceAttributes) (groupChange, error) {
	c := groupChange{members: members{}}
	c.group.displayName, _ = attributes[attributeDisplayName].(string)
	c.group.externalID, _ = attributes[attributeExternalID].(string)
	list, err := parseMembers(attributes[attributeMembers])
	if err != nil {
		return c, err
	}
	c.members.add(list)
	return c, c.group.check()
}

func (g *group) check() error {
	if g.displayName == "" {
		return invalidValue("displayName: must not be empty")
	}
	if runes := len([]rune(g.displayName)); runes > mostDisplayNameRunes {
		return invalidValue("displayName: must have at most %d characters", mostDisplayNameRunes)
	}
	return nil
}

// setMetadata sets the labels and annotations of a group.
func (g *group) setMetadata(a *applied, provider string) {
	a.labels[accessv1alpha1.LabelProvisionedBy] = provider
	a.labels[accessv1alpha1.LabelDisplayNameDigest] = foldedDigest(g.displayName)
	a.setExternalID(g.externalID)
}

// patch applies an operation to the group.
func (c *groupChange) patch(o scim.PatchOperation) error {
	name := o.Path.AttributePath.AttributeName
	text, _ := o.Value.(string)
	removes := o.Op == scim.PatchOperationRemove
	switch {
	case strings.EqualFold(name, attributeDisplayName):
		if removes {
			return invalidValue("displayName: it is required and cannot be removed")
		}
		c.group.displayName = text
	case strings.EqualFold(name, attributeExternalID):
		c.group.externalID = text
		if removes {
			c.group.externalID = ""
		}
	case strings.EqualFold(name, attributeMembers):
		return c.patchMembers(o)
	}
	return nil
}

func (c *groupChange) patchMembers(o scim.PatchOperation) error {
	named, err := parseMembers(o.Value)
	if err != nil {
		return err
	}
	if o.Path.ValueExpression != nil {
		selected, err := selectedMembers(o.Path.ValueExpression)
		if err != nil {
			return err
		}
		if part := o.Path.SubAttributeName(); part != "" {
			return invalid(scimerrors.ScimTypeMutability, "members.%s: a member can only be added and removed as a whole", part)
		}
		if o.Op != scim.PatchOperationAdd {
			c.members.remove(selected)
		}
		c.members.add(named)
		return nil
	}
	switch o.Op {
	case scim.PatchOperationAdd:
		c.members.add(named)
	case scim.PatchOperationReplace:
		clear(c.members)
		c.members.add(named)
	case scim.PatchOperationRemove:
		// Entra ID lists the removed members in value, where RFC 7644 has a filter in path. Without either, all go.
		if o.Value == nil {
			clear(c.members)
		}
		c.members.remove(named)
	}
	return nil
}

// selectedMembers returns the members that a filter in a path selects, such as members[value eq "ID" or value eq "ID"].
func selectedMembers(e parser.Expression) ([]string, error) {
	switch e := e.(type) {
	case *parser.LogicalExpression:
		if e.Operator != parser.OR {
			break
		}
		left, err := selectedMembers(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := selectedMembers(e.Right)
		return append(left, right...), err
	case *parser.AttributeExpression:
		text, is := e.CompareValue.(string)
		if !is || e.Operator != parser.EQ || !strings.EqualFold(e.AttributePath.AttributeName, "value") {
			break
		}
		one, err := parseMember(map[string]any{"value": text})
		return []string{one}, err
	}
	return nil, invalid(scimerrors.ScimTypeInvalidFilter, "%v: members can be selected by eq on value", e)
}

// parseMembers returns the identities of a list of members, or of one member.
func parseMembers(value any) ([]string, error) {
	list, is := value.([]any)
	if !is && value != nil {
		list = []any{value}
	}
	identities := make([]string, 0, len(list))
	for _, each := range list {
		one, err := parseMember(each)
		if err != nil {
			return nil, err
		}
		identities = append(identities, one)
	}
	return identities, nil
}

// parseMember returns the identity of a member. The value has it, so no object is read.
func parseMember(value any) (string, error) {
	parts, _ := value.(map[string]any)
	id, _ := parts["value"].(string)
	kind, _ := parts["type"].(string)
	if strings.EqualFold(kind, memberTypeGroup) {
		return "", invalidValue("members: %q is a group. Members must be users: nest groups with memberGroups in the AccessGroup", shortened(id))
	}
	identityText, _, ok := parseUserID(id)
	if !ok {
		return "", invalidValue("members: %q is not the id of a User", shortened(id))
	}
	return identityText, nil
}

func (m members) add(identities []string) {
	for _, each := range identities {
		m[each] = true
	}
}

func (m members) remove(identities []string) {
	for _, each := range identities {
		delete(m, each)
	}
}

// memberCost is an upper bound of the bytes of a member in an AccessGroup. The schema of the kind counts it this way.
func memberCost(identityText string) int { return 2*len(identityText) + 125 }

const (
	// mostMembers is the maximum number of members of one AccessGroup.
	mostMembers = 5000
	// mostMemberBytes is the maximum cost of the members of one AccessGroup. The schema of the kind allows 1,440,000
	// bytes; the rest is for the grants of a group that is adopted.
	mostMemberBytes = 1_300_000
	// mostParts is the maximum number of parts of a group: the AccessGroup names them in memberGroups, with up to 100
	// entries.
	mostParts = 90
)

// place distributes the members over the group and its parts. Entry 0 is the group, entry n is part n. Members stay where
// they are, so a change writes only the parts that gain or lose members, and no member is missing in between.
func place(current [][]string, wanted members) ([][]string, error) {
	placed := slices.Repeat([][]string{nil}, max(1, len(current)))
	costs := slices.Repeat([]int{0}, len(placed))
	settled := members{}
	put := func(part int, identityText string) {
		placed[part] = append(placed[part], identityText)
		costs[part] += memberCost(identityText)
		settled[identityText] = true
	}
	for part, list := range current {
		for _, each := range list {
			if wanted[each] && !settled[each] {
				put(part, each)
			}
		}
	}
	var added []string
	for each := range wanted {
		if !settled[each] {
			added = append(added, each)
		}
	}
	slices.Sort(added)
	part := 0
	for _, each := range added {
		for part < len(placed) && (len(placed[part]) >= mostMembers || costs[part]+memberCost(each) > mostMemberBytes) {
			part++
		}
		if part == len(placed) {
			placed, costs = append(placed, nil), append(costs, 0)
		}
		put(part, each)
	}
	for len(placed) > 1 && len(placed[len(placed)-1]) == 0 {
		placed = placed[:len(placed)-1]
	}
	if len(placed)-1 > mostParts {
		return nil, &failure{code: codeTooLarge, detail: fmt.Sprintf(
			"the group has too many members: %d do not fit into %d parts", len(wanted), mostParts)}
	}
	return placed, nil
}

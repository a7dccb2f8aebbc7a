package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
)

// groupForm returns the step of the form of an AccessGroup.
func groupForm(f *frame, w *source.World, d *draft, step string) *form {
	g := d.object().(*accessv1alpha1.AccessGroup)
	switch step {
	case stepPrivileges:
		return privilegesForm(w, g)
	case stepNotification:
		return notificationForm(w, g)
	default:
		return generalForm(f, d, g)
	}
}

// takeGroup applies the step that was sent to the AccessGroup.
func takeGroup(in *entered, d *draft, step string) {
	g := d.object().(*accessv1alpha1.AccessGroup)
	switch step {
	case stepPrivileges:
		takePrivileges(in, g)
	case stepNotification:
		takeNotification(in, g)
	default:
		takeGeneral(in, d, g)
	}
}

func generalForm(f *frame, d *draft, g *accessv1alpha1.AccessGroup) *form {
	spec := &g.Spec
	about := formPart{Legend: "General"}
	if d.isNew() {
		about.Fields = append(about.Fields, formField{
			Name: "name", Label: "Name", Type: typeText, Value: g.Name, Required: true, Path: "metadata.name",
			Help: "Small letters, digits and hyphens. It cannot be changed later.",
		})
	}
	about.Fields = append(about.Fields,
		formField{Name: "displayName", Label: "Display name", Type: typeText, Value: spec.DisplayName, Path: "spec.displayName"},
		formField{Name: "description", Label: "Description", Type: typeLines, Value: spec.Description, Path: "spec.description"},
	)
	parts := []formPart{about}
	if len(spec.Members) > 0 {
		parts = append(parts, memberPart(f, g))
	}
	add := formPart{Legend: "Add members", Fields: append([]formField{{
		Name: "add", Label: "Users", Type: typeLines, Suggest: suggestUsers, Path: "spec.members", Help: "One user a line, or separated by commas.",
	}}, windowFields("add.", nil, nil)...)}
	nested := formPart{Legend: "Members of other groups", Fields: []formField{
		{Name: "memberGroups", Label: "Groups", Type: typeLines, Value: joined(spec.MemberGroups), Suggest: suggestGroups,
			Path: "spec.memberGroups", Help: "One group a line. Their members are members here too."},
		{Name: "memberSelector", Label: "Users with labels", Type: typeText, Value: selectorValue(spec.MemberSelector),
			Path: "spec.memberSelector", Help: "A label selector over UserAccess objects, such as team=finance. Empty selects nobody."},
	}}
	review := formPart{Legend: "Review", Fields: []formField{
		{Name: "everyDays", Label: "Every so many days", Type: typeNumber, Value: numberValue(spec.Review.EveryDays), Path: "spec.review.everyDays",
			Help: "Somebody confirms members and privileges. Empty: no review."},
		{Name: "ifMissed", Label: "If it is missed", Type: typeSelect, Path: "spec.review.ifMissed", Options: options(string(cmp.Or(spec.Review.IfMissed, accessv1alpha1.MissedReviewKeep)),
			option{Value: string(accessv1alpha1.MissedReviewKeep), Text: "Keep the access"},
			option{Value: string(accessv1alpha1.MissedReviewEnd), Text: "End the access that the group gives"})},
	}}
	return &form{Parts: append(parts, add, nested, review)}
}

// memberPart returns a page of the members with their windows.
func memberPart(f *frame, g *accessv1alpha1.AccessGroup) formPart {
	search := f.Value("member")
	var found []int
	for i := range g.Spec.Members {
		if matches(search, string(g.Spec.Members[i].User)) {
			found = append(found, i)
		}
	}
	shown, pages := cut(f, found, pageSize)
	made := formPart{Legend: fmt.Sprintf("Members (%d)", len(g.Spec.Members))}
	if len(g.Spec.Members) > pageSize {
		made.Pages, made.Filter = pages, &filter{Name: "member", Label: "Search members", Value: search}
	}
	for row, i := range shown {
		m, prefix := &g.Spec.Members[i], fmt.Sprintf("member.%d.", row)
		made.Rows = append(made.Rows, append([]formField{
			{Name: prefix + "user", Label: "User", Type: typeHidden, Value: string(m.User), Path: fmt.Sprintf("spec.members[%s]", m.User),
				Indexed: fmt.Sprintf("spec.members[%d]", i)},
		}, append(windowFields(prefix, m.NotBefore, m.NotAfter), formField{Name: prefix + "remove", Label: "Remove", Type: typeCheckbox, Value: "yes"})...))
	}
	return made
}

func joined[T ~string](values []T) string {
	lines := make([]string, len(values))
	for i, each := range values {
		lines[i] = string(each)
	}
	return strings.Join(lines, "\n")
}

// converted returns the texts as values of another type. It returns nil for none, which the manifest leaves out.
func converted[T ~string](texts []string) []T {
	var made []T
	for _, each := range texts {
		made = append(made, T(each))
	}
	return made
}

func selectorValue(s *metav1.LabelSelector) string {
	if s == nil {
		return ""
	}
	return metav1.FormatLabelSelector(s)
}

func numberValue(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

func takeGeneral(in *entered, d *draft, g *accessv1alpha1.AccessGroup) {
	spec := &g.Spec
	if d.isNew() {
		g.Name = in.text("name")
		if g.Name == "" {
			in.fail("name", errors.New("a name is required"))
		}
	}
	spec.DisplayName, spec.Description = in.textOver("displayName", spec.DisplayName), in.textOver("description", spec.Description)
	takeMembers(in, g)
	spec.MemberGroups = converted[accessv1alpha1.GroupName](in.lines("memberGroups"))
	if text := in.text("memberSelector"); text != selectorValue(spec.MemberSelector) {
		spec.MemberSelector = nil
		if text != "" {
			parsed, err := metav1.ParseToLabelSelector(text)
			in.fail("memberSelector", err)
			spec.MemberSelector = parsed
		}
	}
	const longest = 1826
	had := spec.Review.EveryDays != 0
	spec.Review.EveryDays = 0
	if n := in.number("everyDays", 1, longest); n != nil {
		spec.Review.EveryDays = *n
	}
	if said := accessv1alpha1.MissedReview(in.text("ifMissed")); said != cmp.Or(spec.Review.IfMissed, accessv1alpha1.MissedReviewKeep) {
		spec.Review.IfMissed = said
	}
	if had && spec.Review.EveryDays == 0 {
		spec.Review, spec.ReviewedAt = accessv1alpha1.GroupReview{}, nil
	}
}

func takeMembers(in *entered, g *accessv1alpha1.AccessGroup) {
	spec := &g.Spec
	at := map[string]int{}
	for i := range spec.Members {
		at[string(spec.Members[i].User)] = i
	}
	removed := map[string]bool{}
	for _, prefix := range in.rows("member") {
		i, is := at[in.values.Get(prefix+"user")]
		if !is {
			continue // somebody removed the member in another window of the browser
		}
		spec.Members[i].NotBefore, spec.Members[i].NotAfter = in.window(prefix)
		removed[string(spec.Members[i].User)] = in.text(prefix+"remove") != ""
	}
	notBefore, notAfter := in.window("add.")
	for _, user := range in.lines("add") {
		removed[user] = false
		made := accessv1alpha1.Member{User: accessv1alpha1.UserName(user), NotBefore: notBefore, NotAfter: notAfter}
		if i, is := at[user]; is {
			spec.Members[i] = made
		} else {
			spec.Members = append(spec.Members, made)
		}
	}
	spec.Members = slices.DeleteFunc(spec.Members, func(m accessv1alpha1.Member) bool { return removed[string(m.User)] })
}

func notificationForm(w *source.World, g *accessv1alpha1.AccessGroup) *form {
	n := &g.Spec.Notification
	policy, _ := policyOf(w, g.Namespace)
	var channels []option
	for i := range policy.Spec.NotificationChannels {
		channels = append(channels, option{Value: string(policy.Spec.NotificationChannels[i].Name)})
	}
	for _, name := range n.Channels {
		if !slices.ContainsFunc(channels, func(o option) bool { return o.Value == string(name) }) {
			channels = append(channels, option{Value: string(name), Text: string(name) + " (does not exist)"})
		}
	}
	part := formPart{Legend: "Notification", Fields: []formField{
		{Name: "mode", Label: "Tell members", Type: typeSelect, Path: "spec.notification.mode",
			Options: options(string(cmp.Or(n.Mode, accessv1alpha1.NotificationModeDisabled)),
				option{Value: string(accessv1alpha1.NotificationModeDisabled), Text: "Only when somebody asks for it"},
				option{Value: string(accessv1alpha1.NotificationModeOnChange), Text: "Whenever their access changes"})},
		{Name: "message", Label: "Message", Type: typeLines, Value: n.Message, Path: "spec.notification.message", Help: "It is added to every notice."},
	}}
	days := ""
	if n.ExpiryNoticeDays != nil {
		days = strconv.Itoa(int(*n.ExpiryNoticeDays))
	}
	part.Fields = append(part.Fields, formField{Name: "expiryNoticeDays", Label: "Days of notice before access ends", Type: typeNumber, Value: days,
		Path: "spec.notification.expiryNoticeDays", Help: "Empty: 7 days. 0: members are not told beforehand."})
	chosen := formPart{Legend: "Channels", Help: "The channels of the policy."}
	for _, each := range channels {
		chosen.Fields = append(chosen.Fields, formField{
			Name: "channels", Label: cmp.Or(each.Text, each.Value), Type: typeCheckbox, Value: each.Value, Path: "spec.notification.channels",
			Options: options(checkedIf(slices.Contains(n.Channels, accessv1alpha1.ChannelName(each.Value))), option{Value: checked}),
		})
	}
	if len(channels) == 0 {
		chosen.Help = "The policy has no channel, so nobody can be told. Add one to the AccessPolicy first."
	}
	return &form{Parts: []formPart{part, chosen}}
}

// checked is the value of the option of a checkbox that is set.
const checked = "checked"

func checkedIf(is bool) string {
	if is {
		return checked
	}
	return ""
}

// IsChecked reports whether the checkbox is set.
func (f *formField) IsChecked() bool { return len(f.Options) > 0 && f.Options[0].Selected }

func takeNotification(in *entered, g *accessv1alpha1.AccessGroup) {
	n := &g.Spec.Notification
	was := *n
	n.Channels = converted[accessv1alpha1.ChannelName](in.values["channels"])
	n.Message = in.textOver("message", n.Message)
	const longest = 365
	n.ExpiryNoticeDays = in.number("expiryNoticeDays", 0, longest)
	said := accessv1alpha1.NotificationMode(in.text("mode"))
	if said != cmp.Or(n.Mode, accessv1alpha1.NotificationModeDisabled) || !equality.Semantic.DeepEqual(was, *n) {
		n.Mode = said // the schema requires it beside other fields
	}
}

package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	var found []accessv1alpha1.Member
	for _, m := range g.Spec.Members {
		if matches(search, string(m.User)) {
			found = append(found, m)
		}
	}
	shown, pages := cut(f, found, pageSize)
	made := formPart{Legend: fmt.Sprintf("Members (%d)", len(g.Spec.Members))}
	if len(g.Spec.Members) > pageSize {
		made.Pages, made.Filter = pages, &filter{Name: "member", Label: "Search members", Value: search}
	}
	for i := range shown {
		m, prefix := &shown[i], fmt.Sprintf("member.%d.", i)
		made.Rows = append(made.Rows, append([]formField{
			{Name: prefix + "user", Label: "User", Type: typeHidden, Value: string(m.User), Path: fmt.Sprintf("spec.members[%s]", m.User)},
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
	spec.DisplayName, spec.Description = in.text("displayName"), strings.ReplaceAll(in.text("description"), "\r\n", " ")
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
	spec.Review.EveryDays = 0
	if n := in.number("everyDays", 1, longest); n != nil {
		spec.Review.EveryDays = *n
	}
	if said := accessv1alpha1.MissedReview(in.text("ifMissed")); said != cmp.Or(spec.Review.IfMissed, accessv1alpha1.MissedReviewKeep) {
		spec.Review.IfMissed = said
	}
	if spec.Review.EveryDays == 0 {
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

func privilegesForm(w *source.World, g *accessv1alpha1.AccessGroup) *form {
	spec := &g.Spec
	general := formPart{Legend: "Privileges", Fields: []formField{
		{Name: "privileges", Label: "The group gives roles", Type: typeSelect, Path: "spec.privileges",
			Options: options(string(cmp.Or(spec.Privileges, accessv1alpha1.GroupPrivilegesEnabled)),
				option{Value: string(accessv1alpha1.GroupPrivilegesEnabled), Text: "Yes"},
				option{Value: string(accessv1alpha1.GroupPrivilegesDisabled), Text: "No: only its rows count"})},
	}}
	if spec.Type == accessv1alpha1.GroupTypeSystem {
		return &form{Parts: append([]formPart{general}, systemParts(w, spec)...)}
	}
	general.Fields = append(general.Fields, formField{
		Name: "organizationRole", Label: "Role in the organization", Type: typeSelect, Path: "spec.organizationRole",
		Options: roleOptions(string(spec.OrganizationRole), organizationRoles(w, g.Namespace), "none"),
	})
	return &form{Parts: []formPart{
		general, grantPart(w, g.Namespace, spec.ApplicationAccess), selectorPart(w, g.Namespace, spec.ApplicationSelectors), rowPart(spec.DataPermissions),
	}}
}

// spareRows is the number of empty rows for new entries.
const spareRows = 3

func grantPart(w *source.World, organization string, grants []accessv1alpha1.ApplicationGrant) formPart {
	roles, _ := ladder(w, organization)
	made := formPart{Legend: "Roles in applications", Help: "An application, or * for all that no other row names. Empty a row to remove it."}
	for i := range len(grants) + spareRows {
		e, path := accessv1alpha1.ApplicationGrant{}, ""
		if i < len(grants) {
			e = grants[i]
			path = fmt.Sprintf("spec.applicationAccess[%s]", e.Application)
		}
		prefix := fmt.Sprintf("grant.%d.", i)
		made.Rows = append(made.Rows, append([]formField{
			{Name: prefix + "application", Label: "Application", Type: typeText, Value: string(e.Application), Suggest: suggestApplications, Path: path},
			{Name: prefix + "role", Label: "Role", Type: typeSelect, Options: roleOptions(string(e.Role), append(roles, noAccess), "choose")},
		}, windowFields(prefix, e.NotBefore, e.NotAfter)...))
	}
	return made
}

// roleOptions returns the roles for a field, with a first option for none.
func roleOptions(value string, roles []string, none string) []option {
	return options(value, append([]option{{Value: "", Text: none}}, named(roles)...)...)
}

func organizationRoles(w *source.World, organization string) []string {
	o := w.Organization(organization)
	if o == nil {
		return nil
	}
	var roles []string
	for _, each := range o.Rules().OrganizationRoles {
		roles = append(roles, each.Name)
	}
	return append(roles, noAccess)
}

func selectorPart(w *source.World, organization string, selectors []accessv1alpha1.ApplicationSelectorGrant) formPart {
	roles, _ := ladder(w, organization)
	made := formPart{Legend: "Roles in applications with labels", Help: "A label selector over the applications, such as tier=internal."}
	for i := range len(selectors) + 1 {
		e := accessv1alpha1.ApplicationSelectorGrant{}
		if i < len(selectors) {
			e = selectors[i]
		}
		prefix := fmt.Sprintf("selector.%d.", i)
		made.Rows = append(made.Rows, append([]formField{
			{Name: prefix + "labels", Label: "Labels", Type: typeText, Value: selectorLine(&e.Selector), Path: fmt.Sprintf("spec.applicationSelectors[%d]", i)},
			{Name: prefix + "role", Label: "Role", Type: typeSelect, Options: roleOptions(string(e.Role), append(roles, noAccess), "choose")},
		}, windowFields(prefix, e.NotBefore, e.NotAfter)...))
	}
	return made
}

// selectorLine returns the selector as it is written on a command line.
func selectorLine(s *accessv1alpha1.LabelSelector) string {
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return ""
	}
	return metav1.FormatLabelSelector(standardSelector(s))
}

func standardSelector(s *accessv1alpha1.LabelSelector) *metav1.LabelSelector {
	made := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for key, value := range s.MatchLabels {
		made.MatchLabels[key] = string(value)
	}
	for _, each := range s.MatchExpressions {
		term := metav1.LabelSelectorRequirement{Key: string(each.Key), Operator: each.Operator}
		for _, value := range each.Values {
			term.Values = append(term.Values, string(value))
		}
		made.MatchExpressions = append(made.MatchExpressions, term)
	}
	return made
}

func readSelector(text string) (accessv1alpha1.LabelSelector, error) {
	made := accessv1alpha1.LabelSelector{}
	parsed, err := metav1.ParseToLabelSelector(text)
	if err != nil {
		return made, err
	}
	for key, value := range parsed.MatchLabels {
		if made.MatchLabels == nil {
			made.MatchLabels = map[string]accessv1alpha1.LabelValue{}
		}
		made.MatchLabels[key] = accessv1alpha1.LabelValue(value)
	}
	for _, each := range parsed.MatchExpressions {
		made.MatchExpressions = append(made.MatchExpressions, accessv1alpha1.LabelSelectorRequirement{
			Key: accessv1alpha1.LabelKey(each.Key), Operator: each.Operator, Values: converted[accessv1alpha1.LabelValue](each.Values),
		})
	}
	return made, nil
}

func rowPart(permissions []accessv1alpha1.DataPermission) formPart {
	made := formPart{Legend: "Rows", Help: "The rows that members see, one alternative a line: country = France and product in (laptops, servers)"}
	for i := range len(permissions) + 1 {
		e, path := accessv1alpha1.DataPermission{}, ""
		if i < len(permissions) {
			e = permissions[i]
			path = fmt.Sprintf("spec.dataPermissions[%s]", e.Application)
		}
		prefix := fmt.Sprintf("rows.%d.", i)
		made.Rows = append(made.Rows, []formField{
			{Name: prefix + "application", Label: "Application", Type: typeText, Value: string(e.Application), Suggest: suggestApplications, Path: path},
			{Name: prefix + "rows", Label: "Rows", Type: typeLines, Value: strings.Join(writeRows(e.AnyOf), "\n")},
		})
	}
	return made
}

// systemParts returns one part for each organization in which a System group gives something.
func systemParts(w *source.World, spec *accessv1alpha1.AccessGroupSpec) []formPart {
	var parts []formPart
	roles := []string{}
	for _, each := range w.Index().DefaultRules().SystemRoles {
		roles = append(roles, each.Name)
	}
	for i := range len(spec.SystemAccess) + spareRows {
		e, path := accessv1alpha1.SystemGrant{}, ""
		legend := "Another organization"
		if i < len(spec.SystemAccess) {
			e = spec.SystemAccess[i]
			legend, path = "Organization "+string(e.Organization), fmt.Sprintf("spec.systemAccess[%s]", e.Organization)
		}
		prefix := fmt.Sprintf("system.%d.", i)
		parts = append(parts, formPart{Legend: legend, Fields: []formField{
			{Name: prefix + "organization", Label: "Organization", Type: typeText, Value: string(e.Organization), Suggest: suggestOrganizations,
				Path: path, Help: "A name, or * for every other organization. Empty it to remove the entry."},
			{Name: prefix + "role", Label: "System role", Type: typeSelect, Options: roleOptions(string(e.Role), append(roles, noAccess), "none")},
			{Name: prefix + "organizationRole", Label: "Role in the organization", Type: typeText, Value: string(e.OrganizationRole)},
			{Name: prefix + "applications", Label: "Roles in applications", Type: typeLines, Value: grantLines(e.ApplicationAccess),
				Help: "One a line, such as finance: Viewer. * stands for all other applications."},
		}})
	}
	return parts
}

func grantLines(grants []accessv1alpha1.ApplicationGrant) string {
	lines := make([]string, len(grants))
	for i := range grants {
		lines[i] = fmt.Sprintf("%s: %s", grants[i].Application, grants[i].Role)
	}
	return strings.Join(lines, "\n")
}

// readGrantLines reads the lines. An entry of before keeps its window.
func readGrantLines(text string, before []accessv1alpha1.ApplicationGrant) ([]accessv1alpha1.ApplicationGrant, error) {
	var grants []accessv1alpha1.ApplicationGrant
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		application, role, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("%q: write it as finance: Viewer", line)
		}
		made := accessv1alpha1.ApplicationGrant{}
		if i := slices.IndexFunc(before, func(g accessv1alpha1.ApplicationGrant) bool {
			return string(g.Application) == strings.TrimSpace(application)
		}); i >= 0 {
			made = before[i]
		}
		made.Application, made.Role = accessv1alpha1.ApplicationSelector(strings.TrimSpace(application)), accessv1alpha1.RoleName(strings.TrimSpace(role))
		grants = append(grants, made)
	}
	return grants, nil
}

func takePrivileges(in *entered, g *accessv1alpha1.AccessGroup) {
	spec := &g.Spec
	if said := accessv1alpha1.GroupPrivileges(in.text("privileges")); said != cmp.Or(spec.Privileges, accessv1alpha1.GroupPrivilegesEnabled) {
		spec.Privileges = said
	}
	if spec.Type == accessv1alpha1.GroupTypeSystem {
		takeSystem(in, spec)
		return
	}
	spec.OrganizationRole = accessv1alpha1.RoleName(in.text("organizationRole"))
	spec.ApplicationAccess = takeGrants(in)
	spec.ApplicationSelectors = takeSelectors(in)
	var permissions []accessv1alpha1.DataPermission
	for _, prefix := range in.rows("rows") {
		application := in.text(prefix + "application")
		rows, err := readRows(in.values.Get(prefix + "rows"))
		in.fail(prefix+"rows", err)
		switch {
		case application == "" && len(rows) == 0:
		case application == "":
			in.fail(prefix+"application", errors.New("the rows belong to an application, or to * for all others"))
		case len(rows) == 0 && err == nil:
			in.fail(prefix+"rows", errors.New("no row is described; empty the application too to remove the entry"))
		default:
			permissions = append(permissions, accessv1alpha1.DataPermission{Application: accessv1alpha1.ApplicationSelector(application), AnyOf: rows})
		}
	}
	spec.DataPermissions = permissions
}

func takeGrants(in *entered) []accessv1alpha1.ApplicationGrant {
	var grants []accessv1alpha1.ApplicationGrant
	for _, prefix := range in.rows("grant") {
		application, role := in.text(prefix+"application"), in.text(prefix+"role")
		notBefore, notAfter := in.window(prefix)
		switch {
		case application == "" && role == "":
			continue
		case application == "":
			in.fail(prefix+"application", errors.New("the role needs an application, or * for all others"))
		case role == "":
			in.fail(prefix+"role", errors.New("choose a role, or empty the application to remove the row"))
		case slices.ContainsFunc(grants, func(g accessv1alpha1.ApplicationGrant) bool { return string(g.Application) == application }):
			in.fail(prefix+"application", fmt.Errorf("there are two rows for %s", application))
		}
		grants = append(grants, accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(application), Role: accessv1alpha1.RoleName(role), NotBefore: notBefore, NotAfter: notAfter,
		})
	}
	return grants
}

func takeSelectors(in *entered) []accessv1alpha1.ApplicationSelectorGrant {
	var selectors []accessv1alpha1.ApplicationSelectorGrant
	for _, prefix := range in.rows("selector") {
		labels, role := in.text(prefix+"labels"), in.text(prefix+"role")
		if labels == "" && role == "" {
			continue
		}
		if labels == "" || role == "" {
			in.fail(prefix+"labels", errors.New("labels and a role are both required"))
		}
		selector, err := readSelector(labels)
		in.fail(prefix+"labels", err)
		notBefore, notAfter := in.window(prefix)
		selectors = append(selectors, accessv1alpha1.ApplicationSelectorGrant{
			Selector: selector, Role: accessv1alpha1.RoleName(role), NotBefore: notBefore, NotAfter: notAfter,
		})
	}
	return selectors
}

func takeSystem(in *entered, spec *accessv1alpha1.AccessGroupSpec) {
	var entries []accessv1alpha1.SystemGrant
	for _, prefix := range in.rows("system") {
		organization := in.text(prefix + "organization")
		if organization == "" {
			continue
		}
		made := accessv1alpha1.SystemGrant{}
		if i := slices.IndexFunc(spec.SystemAccess, func(g accessv1alpha1.SystemGrant) bool { return string(g.Organization) == organization }); i >= 0 {
			made = spec.SystemAccess[i]
		}
		grants, err := readGrantLines(in.values.Get(prefix+"applications"), made.ApplicationAccess)
		in.fail(prefix+"applications", err)
		made.Organization = accessv1alpha1.OrganizationSelector(organization)
		made.Role, made.OrganizationRole = accessv1alpha1.RoleName(in.text(prefix+"role")), accessv1alpha1.RoleName(in.text(prefix+"organizationRole"))
		made.ApplicationAccess = grants
		if made.Role == "" && made.OrganizationRole == "" && len(grants)+len(made.ApplicationSelectors) == 0 {
			in.fail(prefix+"organization", errors.New("the entry gives nothing: choose a role, or empty the organization"))
		}
		entries = append(entries, made)
	}
	spec.SystemAccess = entries
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
	if said := accessv1alpha1.NotificationMode(in.text("mode")); said != cmp.Or(n.Mode, accessv1alpha1.NotificationModeDisabled) {
		n.Mode = said
	}
	n.Channels = converted[accessv1alpha1.ChannelName](in.values["channels"])
	n.Message = strings.ReplaceAll(in.text("message"), "\r\n", " ")
	const longest = 365
	n.ExpiryNoticeDays = in.number("expiryNoticeDays", 0, longest)
}

package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
)

// policyForm returns the form of an AccessPolicy.
func policyForm(w *source.World, p *accessv1alpha1.AccessPolicy) *form {
	spec := &p.Spec
	limit := func(n *int32) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(int(*n))
	}
	parts := []formPart{rulesPart(spec), ladderPart(w, p), {
		Legend: "Limit of one revocation", Help: "One change may take access from at most so many users. Empty: no limit.", Fields: []formField{
			{Name: "users", Label: "Users", Type: typeNumber, Value: limit(spec.RevocationLimit.Users), Path: "spec.revocationLimit.users"},
			{Name: "percent", Label: "Percent of the users", Type: typeNumber, Value: limit(spec.RevocationLimit.Percent), Path: "spec.revocationLimit.percent"},
		},
	}, exclusivePart(spec.ExclusiveAccess)}
	for i := range len(spec.NotificationChannels) + 1 {
		c, legend := &accessv1alpha1.NotificationChannel{}, "Another notification channel"
		if i < len(spec.NotificationChannels) {
			c = &spec.NotificationChannels[i]
			legend = "Notification channel " + string(c.Name)
		}
		parts = append(parts, channelPart(c, i, legend))
	}
	return &form{Parts: parts}
}

func rulesPart(spec *accessv1alpha1.AccessPolicySpec) formPart {
	return formPart{Legend: "Rules", Fields: []formField{
		{Name: "conflictResolution", Label: "Of several roles", Type: typeSelect, Path: "spec.conflictResolution",
			Options: options(string(cmp.Or(spec.ConflictResolution, accessv1alpha1.ConflictResolutionMostRestrictive)),
				option{Value: string(accessv1alpha1.ConflictResolutionMostRestrictive), Text: "the lowest counts"},
				option{Value: string(accessv1alpha1.ConflictResolutionMostPermissive), Text: "the highest counts"})},
		{Name: "individualAccess", Label: "A user's own grants", Type: typeSelect, Path: "spec.individualAccess",
			Options: options(string(cmp.Or(spec.IndividualAccess, accessv1alpha1.IndividualAccessFallback)),
				option{Value: string(accessv1alpha1.IndividualAccessFallback), Text: "count only without groups"},
				option{Value: string(accessv1alpha1.IndividualAccessCombined), Text: "count beside those of groups"})},
		{Name: "administrators", Label: "The top role by an own grant", Type: typeSelect, Path: "spec.administrators",
			Options: options(string(cmp.Or(spec.Administrators, accessv1alpha1.AdministratorsProtected)),
				option{Value: string(accessv1alpha1.AdministratorsProtected), Text: "is protected from groups"},
				option{Value: string(accessv1alpha1.AdministratorsUnprotected), Text: "is a grant like others"})},
		{Name: "crossObjectChecks", Label: "Conflicts, exclusive access and lock-outs", Type: typeSelect, Path: "spec.crossObjectChecks",
			Options: options(string(cmp.Or(spec.CrossObjectChecks, accessv1alpha1.CrossObjectChecksWarn)),
				option{Value: string(accessv1alpha1.CrossObjectChecksWarn), Text: "are warned of"},
				option{Value: string(accessv1alpha1.CrossObjectChecksDeny), Text: "are refused"},
				option{Value: string(accessv1alpha1.CrossObjectChecksIgnore), Text: "are accepted"})},
		{Name: "userConfigMaps", Label: "A ConfigMap for every user", Type: typeSelect, Path: "spec.userConfigMaps",
			Options: options(string(cmp.Or(spec.UserConfigMaps, accessv1alpha1.UserConfigMapsEnabled)),
				option{Value: string(accessv1alpha1.UserConfigMapsEnabled), Text: "is published"},
				option{Value: string(accessv1alpha1.UserConfigMapsDisabled), Text: "is not published"})},
	}}
}

func ladderPart(w *source.World, p *accessv1alpha1.AccessPolicy) formPart {
	spec := &p.Spec
	roles := make([]string, len(spec.ApplicationRoles))
	for i := range spec.ApplicationRoles {
		roles[i] = fmt.Sprintf("%s: %s", spec.ApplicationRoles[i].Name, writeValues(spec.ApplicationRoles[i].Permissions))
	}
	organization := make([]string, len(spec.OrganizationRoles))
	for i := range spec.OrganizationRoles {
		organization[i] = fmt.Sprintf("%s: %s", spec.OrganizationRoles[i].Name, spec.OrganizationRoles[i].ApplicationRole)
	}
	made := formPart{Legend: "Ladders", Help: "One role a line, the most permissive first. An empty field stands for the built-in ladder.", Fields: []formField{
		{Name: "applicationRoles", Label: "Application roles", Type: typeLines, Value: strings.Join(roles, "\n"), Path: "spec.applicationRoles",
			Help: "A role and its permissions, such as Editor: edit, comment. A role has those of all roles below it too."},
		{Name: "organizationRoles", Label: "Organization roles", Type: typeLines, Value: strings.Join(organization, "\n"), Path: "spec.organizationRoles",
			Help: "A role and what it means in every application, such as Owner: Administrator."},
	}}
	if p.Namespace == w.SystemNamespace() {
		system := make([]string, len(spec.SystemRoles))
		for i := range spec.SystemRoles {
			r := &spec.SystemRoles[i]
			system[i] = fmt.Sprintf("%s: %s, %s", r.Name, cmp.Or(string(r.OrganizationRole), nothing), cmp.Or(string(r.ApplicationRole), nothing))
		}
		made.Fields = append(made.Fields, formField{
			Name: "systemRoles", Label: "System roles", Type: typeLines, Value: strings.Join(system, "\n"), Path: "spec.systemRoles",
			Help: "A role, what it means in every organization, and in every application, such as Auditor: Viewer, -. A hyphen stands for no role.",
		})
	}
	return made
}

// nothing stands for no role in a line of a field.
const nothing = "-"

func exclusivePart(all []accessv1alpha1.ExclusiveAccess) formPart {
	made := formPart{Legend: "Exclusive access", Help: "Nobody holds such a role in more than one of the applications. Empty a row to remove it."}
	for i := range len(all) + 1 {
		e, path := accessv1alpha1.ExclusiveAccess{}, ""
		if i < len(all) {
			e = all[i]
			path = fmt.Sprintf("spec.exclusiveAccess[%s]", e.Name)
		}
		prefix := fmt.Sprintf("exclusive.%d.", i)
		made.Rows = append(made.Rows, []formField{
			{Name: prefix + "name", Label: "Name", Type: typeText, Value: e.Name, Path: path, Indexed: fmt.Sprintf("spec.exclusiveAccess[%d]", i)},
			{Name: prefix + "applications", Label: "Applications", Type: typeLines, Value: joined(e.Applications), Suggest: suggestApplications},
			{Name: prefix + "role", Label: "From the role", Type: typeText, Value: string(e.MinimumRole)},
		})
	}
	return made
}

func channelPart(c *accessv1alpha1.NotificationChannel, i int, legend string) formPart {
	prefix, path, indexed := fmt.Sprintf("channel.%d.", i), "", fmt.Sprintf("spec.notificationChannels[%d]", i)
	if c.Name != "" {
		path = fmt.Sprintf("spec.notificationChannels[%s]", c.Name)
	}
	under := func(field formField, of string) formField {
		if path != "" {
			field.Path = path + of
		}
		field.Name, field.Indexed = prefix+field.Name, indexed+of
		return field
	}
	made := formPart{Legend: legend, Fields: []formField{
		{Name: prefix + "was", Type: typeHidden, Value: string(c.Name)},
		under(formField{Name: "name", Label: "Name", Type: typeText, Value: string(c.Name), Help: "Groups choose the channel by its name. Empty it to remove the channel."}, ""),
		under(formField{Name: "type", Label: "Type", Type: typeSelect, Options: options(string(c.Type), option{Value: "", Text: "choose"},
			option{Value: string(accessv1alpha1.ChannelTypeSMTP), Text: "mail"}, option{Value: string(accessv1alpha1.ChannelTypeWebhook), Text: "webhook"},
			option{Value: string(accessv1alpha1.ChannelTypeSlack), Text: "Slack"})}, ".type"),
		under(formField{Name: "server", Label: "Mail server", Type: typeText, Value: c.SMTP.Server, Help: "For mail, as host:port."}, ".smtp.server"),
		under(formField{Name: "sender", Label: "Sender", Type: typeText, Value: c.SMTP.Sender, Help: "For mail."}, ".smtp.sender"),
		under(formField{Name: "tls", Label: "Protection of the connection", Type: typeSelect,
			Options: options(string(cmp.Or(c.SMTP.TLS, accessv1alpha1.SMTPTLSStartTLS)), named([]string{
				string(accessv1alpha1.SMTPTLSStartTLS), string(accessv1alpha1.SMTPTLSTLS), string(accessv1alpha1.SMTPTLSNone)})...)}, ".smtp.tls"),
		under(formField{Name: "url", Label: "Address", Type: typeText, Value: c.Webhook.URL, Help: "For a webhook."}, ".webhook.url"),
		under(formField{Name: "secret", Label: "Secret", Type: typeText, Value: c.SecretRef.Name,
			Help: "The name of the Secret with the password, the signing key or the address of Slack."}, ".secretRef"),
		under(formField{Name: "perMinute", Label: "Notices a minute, at most", Type: typeNumber, Value: numberValue(c.PerMinute), Help: "Empty: 600."}, ".perMinute"),
	}}
	if t := &c.SMTP.Template; t.Subject+t.Text+t.HTML != "" {
		made.Help = "The channel has its own text for mail. It stays as it is; edit it in the manifest."
	}
	return made
}

func takePolicy(in *entered, w *source.World, p *accessv1alpha1.AccessPolicy) {
	takeRules(in, &p.Spec)
	takeLadders(in, w, p)
	takeExclusive(in, &p.Spec)
	takeChannels(in, &p.Spec)
}

func takeRules(in *entered, spec *accessv1alpha1.AccessPolicySpec) {
	if said := accessv1alpha1.ConflictResolution(in.text("conflictResolution")); said != cmp.Or(spec.ConflictResolution, accessv1alpha1.ConflictResolutionMostRestrictive) {
		spec.ConflictResolution = said
	}
	if said := accessv1alpha1.IndividualAccess(in.text("individualAccess")); said != cmp.Or(spec.IndividualAccess, accessv1alpha1.IndividualAccessFallback) {
		spec.IndividualAccess = said
	}
	if said := accessv1alpha1.Administrators(in.text("administrators")); said != cmp.Or(spec.Administrators, accessv1alpha1.AdministratorsProtected) {
		spec.Administrators = said
	}
	if said := accessv1alpha1.CrossObjectChecks(in.text("crossObjectChecks")); said != cmp.Or(spec.CrossObjectChecks, accessv1alpha1.CrossObjectChecksWarn) {
		spec.CrossObjectChecks = said
	}
	if said := accessv1alpha1.UserConfigMaps(in.text("userConfigMaps")); said != cmp.Or(spec.UserConfigMaps, accessv1alpha1.UserConfigMapsEnabled) {
		spec.UserConfigMaps = said
	}
	const mostUsers, mostPercent = 1_000_000, 100
	spec.RevocationLimit = accessv1alpha1.RevocationLimit{Users: in.number("users", 0, mostUsers), Percent: in.number("percent", 0, mostPercent)}
}

func takeLadders(in *entered, w *source.World, p *accessv1alpha1.AccessPolicy) {
	spec := &p.Spec
	lines := func(name string, most int) []namedValues {
		entries, err := readEntries(in.values.Get(name))
		in.fail(name, err)
		for _, each := range entries {
			if len(each.values) > most {
				in.fail(name, fmt.Errorf("%s: %d names follow, and at most %d mean something", each.name, len(each.values), most))
				return nil
			}
		}
		return entries
	}
	const mostPermissions = 200
	spec.ApplicationRoles, spec.OrganizationRoles = nil, nil
	for _, each := range lines("applicationRoles", mostPermissions) {
		spec.ApplicationRoles = append(spec.ApplicationRoles, accessv1alpha1.ApplicationRole{
			Name: accessv1alpha1.RoleName(each.name), Permissions: converted[accessv1alpha1.Permission](each.values),
		})
	}
	role := func(each *namedValues, i int) accessv1alpha1.RoleName {
		if i >= len(each.values) || each.values[i] == nothing {
			return ""
		}
		return accessv1alpha1.RoleName(each.values[i])
	}
	for _, each := range lines("organizationRoles", 1) {
		spec.OrganizationRoles = append(spec.OrganizationRoles, accessv1alpha1.OrganizationRole{
			Name: accessv1alpha1.RoleName(each.name), ApplicationRole: role(&each, 0),
		})
	}
	if p.Namespace != w.SystemNamespace() {
		return
	}
	spec.SystemRoles = nil
	for _, each := range lines("systemRoles", 2) {
		spec.SystemRoles = append(spec.SystemRoles, accessv1alpha1.SystemRole{
			Name: accessv1alpha1.RoleName(each.name), OrganizationRole: role(&each, 0), ApplicationRole: role(&each, 1),
		})
	}
}

func takeExclusive(in *entered, spec *accessv1alpha1.AccessPolicySpec) {
	spec.ExclusiveAccess = nil
	for _, prefix := range in.rows("exclusive") {
		made := accessv1alpha1.ExclusiveAccess{
			Name: in.text(prefix + "name"), Applications: converted[accessv1alpha1.ApplicationName](in.lines(prefix + "applications")),
			MinimumRole: accessv1alpha1.RoleName(in.text(prefix + "role")),
		}
		switch {
		case made.Name == "" && len(made.Applications) == 0 && made.MinimumRole == "":
			continue
		case made.Name == "":
			in.fail(prefix+"name", errors.New("the rule needs a name"))
		case len(made.Applications) < 2:
			in.fail(prefix+"applications", errors.New("name at least two applications"))
		case made.MinimumRole == "":
			in.fail(prefix+"role", errors.New("name the lowest role that counts"))
		}
		spec.ExclusiveAccess = append(spec.ExclusiveAccess, made)
	}
}

func takeChannels(in *entered, spec *accessv1alpha1.AccessPolicySpec) {
	before := spec.NotificationChannels
	spec.NotificationChannels = nil
	for _, prefix := range in.rows("channel") {
		name := in.text(prefix + "name")
		if name == "" {
			continue
		}
		made := accessv1alpha1.NotificationChannel{}
		if i := slices.IndexFunc(before, func(c accessv1alpha1.NotificationChannel) bool { return string(c.Name) == in.values.Get(prefix+"was") }); i >= 0 {
			made = before[i]
		}
		made.Name, made.Type = accessv1alpha1.ChannelName(name), accessv1alpha1.ChannelType(in.text(prefix+"type"))
		if made.Type == "" {
			in.fail(prefix+"type", errors.New("choose a type, or empty the name to remove the channel"))
		}
		server, sender, url := in.text(prefix+"server"), in.text(prefix+"sender"), in.text(prefix+"url")
		if made.Type == accessv1alpha1.ChannelTypeSMTP {
			made.SMTP.Server, made.SMTP.Sender = server, sender
			if said := accessv1alpha1.SMTPTLS(in.text(prefix + "tls")); said != cmp.Or(made.SMTP.TLS, accessv1alpha1.SMTPTLSStartTLS) {
				made.SMTP.TLS = said
			}
		} else {
			made.SMTP = accessv1alpha1.SMTPChannel{}
			if server+sender != "" {
				in.fail(prefix+"server", errors.New("only mail has a server and a sender"))
			}
		}
		if made.Type != accessv1alpha1.ChannelTypeWebhook && url != "" {
			in.fail(prefix+"url", errors.New("only a webhook has an address here; that of Slack stands in the Secret"))
		}
		made.Webhook, made.SecretRef = accessv1alpha1.WebhookChannel{URL: url}, accessv1alpha1.SecretReference{Name: in.text(prefix + "secret")}
		const most = 60_000
		made.PerMinute = 0
		if n := in.number(prefix+"perMinute", 1, most); n != nil {
			made.PerMinute = *n
		}
		spec.NotificationChannels = append(spec.NotificationChannels, made)
	}
}

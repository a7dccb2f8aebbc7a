package console

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
)

func (s *Server) policyPage(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	f := s.newFrame(r, "Policy of "+organization)
	f.Part = partPolicy
	policy, from := policyOf(w, organization)
	spec := &policy.Spec
	made := &content{Lead: from, Actions: []action{{
		Text: "Edit policy", Post: s.renderer.url("o", organization, partPolicy, "edit"), Primary: true,
	}}}
	if organization != w.SystemNamespace() {
		made.Sections = append(made.Sections, ladderSection(w, organization), organizationLadder(w, organization))
	}
	made.Sections = append(made.Sections, section{
		ID: "rules", Title: "Rules",
		Facts: []fact{
			{"Of several roles", []cell{{Text: string(cmp.Or(spec.ConflictResolution, accessv1alpha1.ConflictResolutionMostRestrictive)),
				Note: "MostRestrictive: the lowest counts. MostPermissive: the highest counts."}}},
			{"Individual access", []cell{{Text: string(cmp.Or(spec.IndividualAccess, accessv1alpha1.IndividualAccessFallback)),
				Note: "Fallback: a user's own grants count only without groups. Combined: they count beside them."}}},
			{"Administrators", []cell{{Text: string(cmp.Or(spec.Administrators, accessv1alpha1.AdministratorsProtected)),
				Note: "Protected: no group lowers the top role that a user has by an own grant."}}},
			{"Conflicts, exclusive access and lock-outs", []cell{{Text: string(cmp.Or(spec.CrossObjectChecks, accessv1alpha1.CrossObjectChecksWarn)),
				Note: "Warn: admission warns of them. Deny: it refuses them. Ignore: it accepts them."}}},
			{"A ConfigMap for every user", []cell{{Text: string(cmp.Or(spec.UserConfigMaps, accessv1alpha1.UserConfigMapsEnabled))}}},
			{"Revocation limit", []cell{{Text: limitText(&spec.RevocationLimit)}}},
		},
	}, exclusiveSection(spec), channelSection(spec))
	return &page{frame: f, template: "content", data: made}, nil
}

// policyOf returns the policy that holds in the organization, and says where it comes from.
func policyOf(w *source.World, organization string) (policy *accessv1alpha1.AccessPolicy, from string) {
	for _, namespace := range []string{organization, w.SystemNamespace()} {
		if found := w.Index().Namespace(namespace).Policy(); found != nil {
			return found, "AccessPolicy " + found.Name + " of namespace " + namespace + " holds here."
		}
	}
	return &accessv1alpha1.AccessPolicy{}, "No AccessPolicy holds here. These are the built-in rules."
}

func organizationLadder(w *source.World, organization string) section {
	made := section{ID: "organization-roles", Title: "Organization roles"}
	made.Table = &table{Caption: "Organization roles, the most permissive first", Columns: []column{{Name: "Role"}, {Name: "Means in every application"}}}
	for _, each := range w.Organization(organization).Rules().OrganizationRoles {
		made.Table.Rows = append(made.Table.Rows, row{Key: each.Name, Cells: []cell{{Text: each.Name}, {Text: cmp.Or(each.ApplicationRole, "nothing")}}})
	}
	return made
}

func limitText(limit *accessv1alpha1.RevocationLimit) string {
	var parts []string
	if limit.Users != nil {
		parts = append(parts, fmt.Sprintf("%d users", *limit.Users))
	}
	if limit.Percent != nil {
		parts = append(parts, fmt.Sprintf("%d percent of the users", *limit.Percent))
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}

func exclusiveSection(spec *accessv1alpha1.AccessPolicySpec) section {
	made := section{ID: "exclusive", Title: "Exclusive access", Note: "Nobody holds such a role in more than one of the applications.",
		Empty: "No exclusive access is declared."}
	made.Table = &table{Caption: "Exclusive access", Columns: []column{{Name: "Name"}, {Name: "Applications"}, {Name: "From the role"}}}
	for i := range spec.ExclusiveAccess {
		e := &spec.ExclusiveAccess[i]
		var names []string
		for _, each := range e.Applications {
			names = append(names, string(each))
		}
		made.Table.Rows = append(made.Table.Rows, row{Key: e.Name, Cells: []cell{{Text: e.Name}, {Text: strings.Join(names, ", ")}, {Text: string(e.MinimumRole)}}})
	}
	return made
}

func channelSection(spec *accessv1alpha1.AccessPolicySpec) section {
	made := section{ID: "channels", Title: "Notification channels", Empty: "No channel is declared. Groups cannot tell their members of changes."}
	made.Table = &table{Caption: "Notification channels", Columns: []column{{Name: "Name"}, {Name: "Type"}, {Name: "To"}}}
	for i := range spec.NotificationChannels {
		c := &spec.NotificationChannels[i]
		made.Table.Rows = append(made.Table.Rows, row{Key: string(c.Name), Cells: []cell{
			{Text: string(c.Name)}, {Text: string(c.Type)}, {Text: cmp.Or(c.SMTP.Server, c.Webhook.URL, "the address in Secret "+c.SecretRef.Name)},
		}})
	}
	return made
}

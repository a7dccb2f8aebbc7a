package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// writeMatrices writes a table for every organization: who has which role in which application, and by which rule.
func writeMatrices(w io.Writer, users []v1alpha1.UserAccess) error {
	type identity struct {
		namespace string
		user      v1alpha1.UserName
	}
	declared := map[identity]bool{}
	for _, user := range users {
		if !roster.IsMaterialized(&user) {
			declared[identity{user.Namespace, user.Spec.User}] = true
		}
	}
	organizations := map[string][]v1alpha1.UserAccess{}
	for _, user := range users {
		// It still exists for some time after a declared one took over.
		if roster.IsMaterialized(&user) && declared[identity{user.Namespace, user.Spec.User}] {
			continue
		}
		// There is nothing to show if another object is effective for the user, or in the system namespace.
		if user.Status.OrganizationRole != "" {
			organizations[user.Namespace] = append(organizations[user.Namespace], user)
		}
	}
	for _, organization := range slices.Sorted(maps.Keys(organizations)) {
		if _, err := fmt.Fprintf(w, "\nOrganization %s\n\n", organization); err != nil {
			return err
		}
		if err := writeMatrix(w, organizations[organization]); err != nil {
			return err
		}
	}
	return nil
}

func writeMatrix(w io.Writer, users []v1alpha1.UserAccess) error {
	slices.SortFunc(users, func(a, b v1alpha1.UserAccess) int { return cmp.Compare(a.Spec.User, b.Spec.User) })
	named := map[v1alpha1.ApplicationName]bool{}
	for _, user := range users {
		for _, application := range user.Status.Applications {
			named[application.Name] = true
		}
	}
	applications := slices.Sorted(maps.Keys(named))

	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	row := []string{"USER", "ORGANIZATION"}
	for _, application := range applications {
		row = append(row, strings.ToUpper(string(application)))
	}
	writeRow(table, append(row, "OTHER APPLICATIONS"))
	for _, user := range users {
		row := []string{string(user.Spec.User), string(user.Status.OrganizationRole)}
		for _, application := range applications {
			row = append(row, cell(user.Status, application))
		}
		writeRow(table, append(row, string(user.Status.DefaultRole)))
	}
	return table.Flush()
}

func writeRow(table *tabwriter.Writer, row []string) {
	// Flush returns any error.
	_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
}

func cell(status v1alpha1.UserAccessStatus, application v1alpha1.ApplicationName) string {
	for _, effective := range status.Applications {
		if effective.Name == application {
			return fmt.Sprintf("%s (%s)", effective.Role, effective.Rule)
		}
	}
	if int(status.ApplicationCount) > len(status.Applications) {
		return "(past the end of the status)"
	}
	return string(v1alpha1.RoleNoAccess)
}

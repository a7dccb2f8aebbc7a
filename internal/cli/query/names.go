package query

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// Users returns all known users of the organizations, sorted.
func Users(w *source.World, organizations []string) []string { return union(organizations, w.Users) }

// Applications returns all applications that the organizations name, sorted.
func Applications(w *source.World, organizations []string) []string {
	return union(organizations, w.Applications)
}

func union(organizations []string, namesIn func(organization string) []string) []string {
	var all []string
	for _, organization := range organizations {
		all = append(all, namesIn(organization)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// UnknownUser returns the error for a user who is unknown in the organizations.
func UnknownUser(w *source.World, user string, organizations []string) error {
	known := Users(w, organizations)
	if meant := words.Meant(validation.Nearest(user, known)); meant != "" {
		return fmt.Errorf("no user %s; %s", user, meant)
	}
	return fmt.Errorf("no user %s among the %s of %s", user, words.Counted(len(known), "user", "users"),
		cmp.Or(w.Scope, words.Counted(len(organizations), "organization", "organizations")))
}

// UnknownApplication returns the error for an application that none of the organizations names.
func UnknownApplication(w *source.World, application string, organizations []string) error {
	named := Applications(w, organizations)
	text := "there is " + cmp.Or(words.Some(named), "none")
	if names := called(w, application, organizations); len(names) > 0 {
		text = "it is the displayName of " + words.Some(names)
	} else if meant := words.Meant(validation.Nearest(application, named)); meant != "" {
		text = meant
	}
	return fmt.Errorf("no organization names application %s; %s", application, text)
}

// Naming returns the organizations that name at least one of the applications.
func Naming(w *source.World, organizations, applications []string) []string {
	var found []string
	for _, organization := range organizations {
		named := w.Applications(organization)
		if slices.ContainsFunc(applications, func(a string) bool { return slices.Contains(named, a) }) {
			found = append(found, organization)
		}
	}
	return found
}

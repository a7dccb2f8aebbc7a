package query

import (
	"fmt"
	"strings"

	"github.com/usher-dev/usher/internal/cli/source"
)

// Title returns the name of the application for people. It adds the displayName of its ApplicationAccess if that
// differs from the name in more than case.
func Title(w *source.World, organization, application string) string {
	aa := w.Index().Namespace(organization).Application(application)
	if aa == nil || aa.Spec.DisplayName == "" || strings.EqualFold(aa.Spec.DisplayName, application) {
		return application
	}
	return fmt.Sprintf("%s (%s)", application, aa.Spec.DisplayName)
}

// called returns the names of the applications with the displayName in one of the organizations, ignoring case.
func called(w *source.World, displayName string, organizations []string) []string {
	var names []string
	for _, organization := range organizations {
		objects := w.Index().Namespace(organization)
		for name := range objects.Applications() {
			aa := objects.Application(name)
			if strings.EqualFold(aa.Spec.DisplayName, displayName) {
				names = append(names, name)
			}
		}
	}
	return names
}

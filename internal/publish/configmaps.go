package publish

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// ConfigMaps returns the names of the ConfigMaps of an application document, shard 0 first. decisions yields every user
// of the organization, in any order. The cost grows with the number of users who have access.
func ConfigMaps(
	o *resolve.Organization, application *accessv1alpha1.ApplicationAccess,
	decisions func(yield func(user string, d *resolve.Decision)),
) []string {
	names := make([]string, renderWhole(NewInput(o, application, each(decisions))).Shards)
	for n := range names {
		names[n] = ApplicationName(application.Name, n)
	}
	return names
}

package publish

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// ConfigMaps returns the names of the ConfigMaps that the document of the application takes, shard 0 first. The decisions
// are those of every user of the organization, in any order. The cost grows with the users who have access.
func ConfigMaps(
	o *resolve.Organization, application *accessv1alpha1.ApplicationAccess,
	decisions func(yield func(user string, d *resolve.Decision)),
) []string {
	minimum, formats := 1, []accessv1alpha1.PublishFormat(nil)
	if p := application.Spec.Publish; p != nil {
		minimum, formats = int(p.MinimumShards), p.Formats
	}
	names := make([]string, Application(o, application.Name, minimum, decisions, formats...).Shards)
	for n := range names {
		names[n] = ApplicationName(application.Name, n)
	}
	return names
}

package publish_test

import (
	"slices"
	"testing"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

func TestConfigMapsOfADocument(t *testing.T) {
	o := resolve.NewOrganization(resolve.Rules{Organization: "acme"})
	application := &accessv1alpha1.ApplicationAccess{}
	application.Name = "finance"
	nobody := func(func(string, *resolve.Decision)) {}
	if got, want := publish.ConfigMaps(o, application, nobody), []string{"application-access-finance"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	application.Spec.Publish = &accessv1alpha1.PublishSpec{MinimumShards: 2}
	want := []string{"application-access-finance", "application-access-finance.1"}
	if got := publish.ConfigMaps(o, application, nobody); !slices.Equal(got, want) {
		t.Errorf("with two shards at least: got %v, want %v", got, want)
	}
}

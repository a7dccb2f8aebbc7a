package notify

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// A channel gets only a Secret that names the target of the channel.
func TestSecretIsForTheChannel(t *testing.T) {
	const namespace, name = "acme", "channel"
	for test, tc := range map[string]struct {
		channel accessv1alpha1.NotificationChannel
		key     string // the key of the Secret that has the value
		value   string
		want    string // in the error; empty: the channel gets the Secret
	}{
		"server": {
			channel: accessv1alpha1.NotificationChannel{Type: accessv1alpha1.ChannelTypeSMTP, SMTP: accessv1alpha1.SMTPChannel{Server: "mail:25"}},
			key:     accessv1alpha1.ChannelKeyServer, value: "mail:25",
		},
		"another server": {
			channel: accessv1alpha1.NotificationChannel{Type: accessv1alpha1.ChannelTypeSMTP, SMTP: accessv1alpha1.SMTPChannel{Server: "evil:25"}},
			key:     accessv1alpha1.ChannelKeyServer, value: "mail:25",
			want: `its key server must be "evil:25"`,
		},
		"another URL": {
			channel: accessv1alpha1.NotificationChannel{
				Type: accessv1alpha1.ChannelTypeWebhook, Webhook: accessv1alpha1.WebhookChannel{URL: "https://evil"},
			},
			key: accessv1alpha1.ChannelKeyURL, value: "https://good",
			want: `its key url must be "https://evil"`,
		},
		"a server where a URL belongs": {
			channel: accessv1alpha1.NotificationChannel{
				Type: accessv1alpha1.ChannelTypeWebhook, Webhook: accessv1alpha1.WebhookChannel{URL: "https://good"},
			},
			key: accessv1alpha1.ChannelKeyServer, value: "https://good",
			want: `its key url must be "https://good"`,
		},
		"Slack, whose URL is in the Secret": {
			channel: accessv1alpha1.NotificationChannel{Type: accessv1alpha1.ChannelTypeSlack},
			key:     accessv1alpha1.ChannelKeyURL, value: "https://hooks.slack.example/x",
		},
		"unknown type": {
			channel: accessv1alpha1.NotificationChannel{Type: "Pigeon"},
			key:     accessv1alpha1.ChannelKeyURL, value: "https://hooks.slack.example/x",
			want: `type "Pigeon" of channel people is not known: use SMTP, Webhook or Slack`,
		},
	} {
		t.Run(test, func(t *testing.T) {
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: accessv1alpha1.SecretTypeChannel,
				Data: map[string][]byte{tc.key: []byte(tc.value)},
			}
			c := &channels{live: fake.NewClientBuilder().WithObjects(secret).Build()}
			tc.channel.Name, tc.channel.SecretRef.Name = "people", name
			got, err := c.secret(t.Context(), namespace, &tc.channel)
			switch {
			case tc.want == "" && (err != nil || string(got[tc.key]) != tc.value):
				t.Errorf("got %v, %v", got, err)
			case tc.want != "" && (err == nil || got != nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, %v, want an error with %s", got, err, tc.want)
			}
		})
	}
}

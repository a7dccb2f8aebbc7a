package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
	"github.com/usher-dev/usher/internal/egress"
	"github.com/usher-dev/usher/internal/roster"
)

// channels finds and opens channels. It is safe for concurrent use.
type channels struct {
	roster  *roster.Roster
	live    client.Reader
	targets *egress.Targets
	now     func() time.Time
}

// find returns the declaration of the channel in its policy, or nil.
func (c *channels) find(key ChannelKey) *accessv1alpha1.NotificationChannel {
	policy := policyOf(c.roster, key.Namespace)
	if policy == nil || policy.Namespace != key.Namespace {
		return nil
	}
	all := policy.Spec.NotificationChannels
	i := slices.IndexFunc(all, func(each accessv1alpha1.NotificationChannel) bool { return string(each.Name) == key.Name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// needsAddress reports whether notices through the channel need an e-mail address.
func (c *channels) needsAddress(key ChannelKey) bool {
	spec := c.find(key)
	if spec == nil {
		return false
	}
	t, err := delivery.TypeOf(spec)
	return err == nil && t.NeedsAddress
}

// open reads the Secret of a channel and opens the channel.
func (c *channels) open(ctx context.Context, key ChannelKey) (delivery.Sender, error) {
	spec := c.find(key)
	if spec == nil {
		return nil, fmt.Errorf("no notification channel %q is in AccessPolicy %s/%s: correct the name, or declare the channel",
			key.Name, key.Namespace, accessv1alpha1.AccessPolicyName)
	}
	secret, err := c.secret(ctx, key.Namespace, spec)
	if err != nil {
		return nil, err
	}
	config, err := tlsConfig(secret)
	if err != nil {
		return nil, secretError(key.Namespace, spec, "has a bad key %s: %w", accessv1alpha1.ChannelKeyCertificateAuthority, err)
	}
	t, err := delivery.TypeOf(spec)
	if err != nil {
		return nil, err
	}
	return t.Open(&delivery.Connection{Spec: spec, Secret: secret, TLS: config, Targets: c.targets, Now: c.now})
}

// secret returns the data of the channel's Secret, or nil if the channel names none. It refuses a Secret that is not for
// the target of the channel.
func (c *channels) secret(
	ctx context.Context, namespace string, spec *accessv1alpha1.NotificationChannel,
) (map[string][]byte, error) {
	t, err := delivery.TypeOf(spec)
	if err != nil {
		return nil, err
	}
	if spec.SecretRef.Name == "" {
		return nil, nil
	}
	var secret corev1.Secret
	err = c.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: spec.SecretRef.Name}, &secret)
	switch {
	case apierrors.IsForbidden(err):
		return nil, secretError(namespace, spec,
			"cannot be read: apply config/notices in namespace %s, which lets Usher read Secrets there by name", namespace)
	case apierrors.IsNotFound(err):
		return nil, secretError(namespace, spec, "does not exist: create it, with type %s", accessv1alpha1.SecretTypeChannel)
	case err != nil:
		return nil, secretError(namespace, spec, "cannot be read: %w", err)
	case secret.Type != accessv1alpha1.SecretTypeChannel:
		return nil, secretError(namespace, spec, "has type %q, but a channel needs type %s: delete it, and create it again with that type",
			secret.Type, accessv1alpha1.SecretTypeChannel)
	}
	if key, target := t.Target(spec); key != "" && string(secret.Data[key]) != target {
		return nil, secretError(namespace, spec, "is not for this channel: its key %s must be %q", key, target)
	}
	return secret.Data, nil
}

func secretError(namespace string, spec *accessv1alpha1.NotificationChannel, format string, args ...any) error {
	return fmt.Errorf("Secret %s/%s "+format, append([]any{namespace, spec.SecretRef.Name}, args...)...)
}

// tlsConfig trusts the certificate authorities of the system and of the Secret.
func tlsConfig(secret map[string][]byte) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	text := secret[accessv1alpha1.ChannelKeyCertificateAuthority]
	if len(text) == 0 {
		return config, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("it holds no certificate in PEM")
	}
	config.RootCAs = pool
	return config, nil
}

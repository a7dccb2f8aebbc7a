package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// sender delivers through one channel. It is used by one goroutine.
type sender interface {
	// send delivers one notice. The remark, if any, is on what was delivered otherwise than the channel says. An error
	// regards the channel, unless it is a *[noticeError].
	send(ctx context.Context, n *Notice) (remark, err error)
	close()
}

// noticeError says that one notice could not be delivered, for a reason of its own.
type noticeError struct {
	err error
	// final says that trying again will not help.
	final bool
}

// Error returns what the receiver said.
func (e *noticeError) Error() string { return e.err.Error() }

// Unwrap returns what the receiver said.
func (e *noticeError) Unwrap() error { return e.err }

// channels finds channels and opens them.
type channels struct {
	roster  *roster.Roster
	live    client.Reader
	targets *Targets
	now     func() time.Time
}

// find returns what the policy says of the channel; nil: nothing.
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

// unresolvedError says that no policy has the channel.
type unresolvedError struct{ key ChannelKey }

// Error says what to do about it.
func (e *unresolvedError) Error() string {
	return fmt.Sprintf("no notification channel %q is in AccessPolicy %s/%s: correct the name, or declare the channel",
		e.key.Name, e.key.Namespace, accessv1alpha1.AccessPolicyName)
}

// open makes the channel ready to deliver.
func (c *channels) open(ctx context.Context, key ChannelKey) (sender, error) {
	spec := c.find(key)
	if spec == nil {
		return nil, &unresolvedError{key}
	}
	secret, err := c.secret(ctx, key.Namespace, spec)
	if err != nil {
		return nil, err
	}
	config, err := tlsConfig(secret)
	if err != nil {
		return nil, fmt.Errorf("Secret %s/%s: %s: %w", key.Namespace, spec.SecretRef.Name, //nolint:staticcheck // a kind begins it
			accessv1alpha1.ChannelKeyCertificateAuthority, err)
	}
	switch spec.Type {
	case accessv1alpha1.ChannelTypeSMTP:
		return c.openMail(spec, secret, config)
	case accessv1alpha1.ChannelTypeWebhook:
		return c.openWebhook(spec, secret, config)
	case accessv1alpha1.ChannelTypeSlack:
		return c.openSlack(secret, config)
	default:
		return nil, unknownType(spec)
	}
}

func unknownType(spec *accessv1alpha1.NotificationChannel) error {
	return fmt.Errorf("type %q of channel %s is not known: use %s, %s or %s", spec.Type, spec.Name,
		accessv1alpha1.ChannelTypeSMTP, accessv1alpha1.ChannelTypeWebhook, accessv1alpha1.ChannelTypeSlack)
}

// secret reads the Secret of the channel, by name, and refuses one that is not for the target of the channel. It returns
// nil if the channel names no Secret.
func (c *channels) secret(
	ctx context.Context, namespace string, spec *accessv1alpha1.NotificationChannel,
) (map[string][]byte, error) {
	targetKey, target, err := secretTarget(spec)
	if err != nil {
		return nil, err
	}
	name := spec.SecretRef.Name
	if name == "" {
		return nil, nil
	}
	var secret corev1.Secret
	err = c.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret)
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("Secret %s/%s cannot be read: apply config/notices in namespace %s, which lets Usher read "+ //nolint:staticcheck // a kind begins it
			"Secrets there by name", namespace, name, namespace)
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("Secret %s/%s does not exist: create it, with type %s", //nolint:staticcheck // a kind begins it
			namespace, name, accessv1alpha1.SecretTypeChannel)
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s/%s: %w", namespace, name, err)
	case secret.Type != accessv1alpha1.SecretTypeChannel:
		return nil, fmt.Errorf("Secret %s/%s has type %q, and a channel takes one of type %s: create it anew with that type", //nolint:staticcheck // a kind begins it
			namespace, name, secret.Type, accessv1alpha1.SecretTypeChannel)
	}
	if targetKey != "" && string(secret.Data[targetKey]) != target {
		return nil, fmt.Errorf("Secret %s/%s is not for this channel: its key %s must be %q", //nolint:staticcheck // a kind begins it
			namespace, name, targetKey, target)
	}
	return secret.Data, nil
}

// secretTarget returns the key of the Secret that names the target of the channel, and the target that it must name. The
// key is empty for Slack, whose target is the Secret itself. A type that is not known is an error: it has no such check.
func secretTarget(spec *accessv1alpha1.NotificationChannel) (key, target string, err error) {
	switch spec.Type {
	case accessv1alpha1.ChannelTypeSMTP:
		return accessv1alpha1.ChannelKeyServer, spec.SMTP.Server, nil
	case accessv1alpha1.ChannelTypeWebhook:
		return accessv1alpha1.ChannelKeyURL, spec.Webhook.URL, nil
	case accessv1alpha1.ChannelTypeSlack:
		return "", "", nil
	default:
		return "", "", unknownType(spec)
	}
}

// tlsConfig trusts what the system trusts and the Secret's certificate authorities.
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

// answer makes of the status code of a receiver what it means for the notice.
func answer(code int, text string) error {
	err := fmt.Errorf("the receiver answered %d %s", code, text)
	switch {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return err
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: redirects are not followed; give the channel the address itself", err)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusGone:
		return err // it would say so of every notice
	default:
		return &noticeError{err: err, final: true}
	}
}

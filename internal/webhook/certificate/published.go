package certificate

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Both objects are shipped empty: a right to create cannot be limited to a name.
// +kubebuilder:rbac:groups="",namespace=system,resources=secrets,resourceNames=usher-pdp-tls;usher-scim-tls,verbs=get;update
// +kubebuilder:rbac:groups="",namespace=system,resources=configmaps,resourceNames=usher-pdp-ca;usher-scim-ca,verbs=get;update

// publishedPoll is how often [PublishedRotation] looks at its objects.
const publishedPoll = time.Minute

// PublishedRotation renews the certificate of a server that has no right to do so, and publishes its authorities for the
// clients of that server. The certificate is in a Secret, which the server mounts. The authorities are in a ConfigMap, under
// the key ca.crt. Both objects are shipped empty. While one does not exist, nothing is done: the server is not installed.
//
// An authority stays in the ConfigMap until it expires. A new one is published first, and signs what the server serves only
// after Rest, so that clients have it by then.
type PublishedRotation struct {
	// Reader reads the two objects without a cache, and Client writes them.
	Reader client.Reader
	Client client.Client
	Issuer Issuer
	Secret client.ObjectKey
	// ConfigMap has the authorities.
	ConfigMap client.ObjectKey
	Rest      time.Duration
	// Now is the clock.
	Now func() time.Time
}

// NeedLeaderElection reports that only the leader renews.
func (*PublishedRotation) NeedLeaderElection() bool { return true }

// Start renews what is due until the context ends.
func (r *PublishedRotation) Start(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := r.Renew(ctx); err != nil {
			log.FromContext(ctx).Error(err, "A published certificate was not renewed", "secret", r.Secret)
		}
	}, publishedPoll)
	return nil
}

// Renew renews what is due and publishes the authority.
func (r *PublishedRotation) Renew(ctx context.Context) error {
	secret, bundle := &corev1.Secret{}, &corev1.ConfigMap{}
	if err := r.Reader.Get(ctx, r.Secret, secret); err != nil {
		return ignoreMissing(err, "Secret", r.Secret)
	}
	if err := r.Reader.Get(ctx, r.ConfigMap, bundle); err != nil {
		return ignoreMissing(err, "ConfigMap", r.ConfigMap)
	}
	now := r.Now()
	data, issued, err := r.Issuer.Renew(secret.Data, now)
	if err != nil {
		return err
	}
	authority, err := firstCertificate(data[authorityKey])
	if err != nil {
		return err
	}
	if err := r.publish(ctx, bundle, authority, now); err != nil {
		return err
	}
	if !issued {
		return nil
	}
	if now.Before(authority.NotBefore.Add(skew + r.Rest)) {
		// The authority is new. What is served goes on, where it is still good.
		if old, err := pairOf(secret.Data); err == nil && now.Before(old.certificate.Leaf.NotAfter) {
			data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey] = secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
		}
	}
	if maps.EqualFunc(data, secret.Data, func(a, b []byte) bool { return string(a) == string(b) }) {
		return nil // the authority rests
	}
	secret.Data = data
	if err := r.Client.Update(ctx, secret); err != nil {
		return ignoreConflict(fmt.Errorf("renewing Secret %s: %w", r.Secret, err))
	}
	log.FromContext(ctx).Info("Renewed a published certificate", "secret", r.Secret)
	return nil
}

// publish has the ConfigMap hold the authority.
func (r *PublishedRotation) publish(ctx context.Context, bundle *corev1.ConfigMap, authority *x509.Certificate, now time.Time) error {
	extended := string(extend([]byte(bundle.Data[authorityKey]), authority, now))
	if extended == bundle.Data[authorityKey] {
		return nil
	}
	if bundle.Data == nil {
		bundle.Data = map[string]string{}
	}
	bundle.Data[authorityKey] = extended
	if err := r.Client.Update(ctx, bundle); err != nil {
		return fmt.Errorf("publishing the authority in ConfigMap %s: %w", r.ConfigMap, err)
	}
	return nil
}

// ignoreMissing returns an error of a read, unless it says that the object does not exist.
func ignoreMissing(err error, kind string, key client.ObjectKey) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("reading %s %s: %w", kind, key, err)
}

// ignoreConflict returns an error of a write, unless somebody else has written: the next look comes soon.
func ignoreConflict(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

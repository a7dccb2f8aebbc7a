package certificate

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// published is a rotation with what it has written.
type published struct {
	*PublishedRotation

	now time.Time
}

func newPublished(objects ...client.Object) *published {
	c := fake.NewClientBuilder().WithObjects(objects...).Build()
	p := &published{now: start}
	p.PublishedRotation = &PublishedRotation{
		Reader: c, Client: c, Issuer: newIssuer(), Rest: time.Hour,
		Secret:    client.ObjectKey{Namespace: "usher-system", Name: "usher-pdp-tls"},
		ConfigMap: client.ObjectKey{Namespace: "usher-system", Name: "usher-pdp-ca"},
		Now:       func() time.Time { return p.now },
	}
	return p
}

func emptySecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "usher-system", Name: "usher-pdp-tls"}, Type: corev1.SecretTypeTLS}
}

func emptyBundle() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "usher-system", Name: "usher-pdp-ca"}}
}

// renewed renews, and returns what the server serves, the authorities that clients have, and the version of the Secret.
func (p *published) renewed(t *testing.T) (serving *pair, bundle []byte, version string) {
	t.Helper()
	if err := p.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	secret, configMap := &corev1.Secret{}, &corev1.ConfigMap{}
	if err := p.Reader.Get(t.Context(), p.Secret, secret); err != nil {
		t.Fatal(err)
	}
	if err := p.Reader.Get(t.Context(), p.ConfigMap, configMap); err != nil {
		t.Fatal(err)
	}
	made, err := pairOf(secret.Data)
	if err != nil {
		t.Fatal(err)
	}
	return made, []byte(configMap.Data["ca.crt"]), secret.ResourceVersion
}

// trusted reports whether a client with the bundle trusts what is served.
func trusted(serving *pair, bundle []byte) bool {
	for _, authority := range certificates(bundle) {
		if serving.certificate.Leaf.CheckSignatureFrom(authority) == nil {
			return true
		}
	}
	return false
}

func TestAPublishedCertificate(t *testing.T) {
	p := newPublished(emptySecret(), emptyBundle())
	first, bundle, version := p.renewed(t)
	if !trusted(first, bundle) {
		t.Error("the first certificate is not trusted")
	}
	p.now = p.now.Add(time.Hour)
	if _, _, again := p.renewed(t); again != version {
		t.Error("the Secret was written although nothing was due")
	}
	p.now = start.Add(validity - validity/renewAt + time.Hour)
	second, bundle, _ := p.renewed(t)
	if second.certificate.Leaf.Equal(first.certificate.Leaf) || !second.authority.Equal(first.authority) || !trusted(second, bundle) {
		t.Error("the certificate was not renewed by the same authority")
	}
}

// TestANewAuthorityIsPublishedBeforeItSigns goes past two thirds of the validity of the authority.
func TestANewAuthorityIsPublishedBeforeItSigns(t *testing.T) {
	p := newPublished(emptySecret(), emptyBundle())
	p.renewed(t)
	due := start.Add(authorityValidity - authorityValidity/renewAt)
	p.now = due.Add(-time.Hour)
	old, _, _ := p.renewed(t)
	p.now = due.Add(time.Hour)
	resting, bundle, version := p.renewed(t)
	if !resting.certificate.Leaf.Equal(old.certificate.Leaf) || resting.authority.Equal(old.authority) {
		t.Error("a new authority signed at once, or there is none")
	}
	if !holds(bundle, old.authority) || !holds(bundle, resting.authority) || !trusted(resting, bundle) {
		t.Error("the ConfigMap does not have both authorities")
	}
	p.now = p.now.Add(p.Rest / 2)
	if serving, _, again := p.renewed(t); !serving.certificate.Leaf.Equal(old.certificate.Leaf) || again != version {
		t.Error("the Secret was written while the authority rests")
	}
	p.now = p.now.Add(p.Rest)
	serving, bundle, _ := p.renewed(t)
	if serving.certificate.Leaf.CheckSignatureFrom(resting.authority) != nil || !holds(bundle, old.authority) {
		t.Error("the new authority does not sign after its rest, or the old one is gone")
	}
}

// TestAnExpiredCertificateDoesNotWait comes back after years.
func TestAnExpiredCertificateDoesNotWait(t *testing.T) {
	p := newPublished(emptySecret(), emptyBundle())
	old, _, _ := p.renewed(t)
	p.now = start.Add(authorityValidity)
	serving, bundle, _ := p.renewed(t)
	if serving.certificate.Leaf.Equal(old.certificate.Leaf) || !trusted(serving, bundle) {
		t.Error("an expired certificate is served")
	}
}

func TestNothingIsPublishedForAServerThatIsNotInstalled(t *testing.T) {
	for name, p := range map[string]*published{"nothing": newPublished(), "no ConfigMap": newPublished(emptySecret()), "no Secret": newPublished(emptyBundle())} {
		if err := p.Renew(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

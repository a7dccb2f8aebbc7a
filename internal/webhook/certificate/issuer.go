package certificate

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
)

// Keys of the Secret in addition to those of a TLS Secret.
const (
	authorityKey        = "ca.crt"
	authorityPrivateKey = "ca.key"
)

const (
	authorityName = "usher-webhook-ca"
	organization  = "usher"
	// skew is the assumed maximum difference between clocks.
	skew = time.Hour
	// A certificate is renewed when a third of its validity is left, so that an outage of days does not stop the
	// webhooks.
	renewAt = 3
)

// Issuer issues certificates. It does not read a clock.
type Issuer struct {
	// DNSNames are the names by which the API server calls the webhooks. The first is also the subject.
	DNSNames []string
	// Validity and AuthorityValidity are the validity periods of the serving certificate and of its authority. The
	// second must be at least three times the first, so that no certificate outlives its authority.
	Validity, AuthorityValidity time.Duration
}

// Renew returns the data of the Secret with everything renewed that is due, and whether anything was issued.
func (i *Issuer) Renew(data map[string][]byte, now time.Time) (map[string][]byte, bool, error) {
	authority, err := i.authority(data, now)
	if err == nil && i.serves(data, now) {
		return data, false, nil
	}
	factory := i.factory()
	if err != nil {
		if authority, err = factory.CreateCACert(now.Add(-skew), now.Add(i.AuthorityValidity)); err != nil {
			return nil, false, fmt.Errorf("issuing a certificate authority: %w", err)
		}
	}
	certificate, key, err := factory.CreateCertPEM(authority, now.Add(-skew), now.Add(i.Validity))
	if err != nil {
		return nil, false, fmt.Errorf("issuing a serving certificate: %w", err)
	}
	return map[string][]byte{
		authorityKey:            authority.CertPEM,
		authorityPrivateKey:     authority.KeyPEM,
		corev1.TLSCertKey:       certificate,
		corev1.TLSPrivateKeyKey: key,
	}, true, nil
}

// Due returns when the data must be renewed.
func (i *Issuer) Due(data map[string][]byte) (time.Time, error) {
	authority, err := firstCertificate(data[authorityKey])
	if err != nil {
		return time.Time{}, err
	}
	serving, err := firstCertificate(data[corev1.TLSCertKey])
	if err != nil {
		return time.Time{}, err
	}
	due := serving.NotAfter.Add(-i.Validity / renewAt)
	if before := authority.NotAfter.Add(-i.AuthorityValidity / renewAt); before.Before(due) {
		due = before
	}
	return due, nil
}

func (i *Issuer) factory() *rotator.CertRotator {
	return &rotator.CertRotator{
		CAName:         authorityName,
		CAOrganization: organization,
		DNSName:        i.DNSNames[0],
		ExtraDNSNames:  i.DNSNames[1:],
		ExtKeyUsages:   &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// authority returns the authority in the data, or an error that states why it cannot sign.
func (i *Issuer) authority(data map[string][]byte, now time.Time) (*rotator.KeyPairArtifacts, error) {
	certificate, key := data[authorityKey], data[authorityPrivateKey]
	valid, err := rotator.ValidCert(certificate, certificate, key, authorityName, nil, now.Add(i.AuthorityValidity/renewAt))
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	private, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok || !valid || tooLong(pair.Leaf, i.AuthorityValidity, now) {
		return nil, errors.New("the authority was not issued here, or for another validity")
	}
	return &rotator.KeyPairArtifacts{Cert: pair.Leaf, Key: private, CertPEM: certificate, KeyPEM: key}, nil
}

// serves reports whether the data holds a certificate for every name that is not due for renewal.
func (i *Issuer) serves(data map[string][]byte, now time.Time) bool {
	for _, name := range i.DNSNames {
		valid, err := rotator.ValidCert(data[authorityKey], data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey], name,
			&[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, now.Add(i.Validity/renewAt))
		if err != nil || !valid {
			return false
		}
	}
	serving, err := firstCertificate(data[corev1.TLSCertKey])
	return err == nil && !tooLong(serving, i.Validity, now)
}

// tooLong reports whether a certificate is valid for longer than the validity, so that a shorter validity takes effect
// at once.
func tooLong(certificate *x509.Certificate, validity time.Duration, now time.Time) bool {
	return certificate.NotAfter.Sub(now) > validity+skew
}
